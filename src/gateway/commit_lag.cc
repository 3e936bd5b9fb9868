#include "gateway/commit_lag.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::gateway {
namespace {

constexpr double kWindowPerLag = 8;

}  // namespace

void CommitLag::Note(absl::Duration commit, absl::Time now) {
  CHECK(commit >= absl::ZeroDuration());
  if (now - period_began_ > kPeriod) {
    // Of a period that ended long ago nothing is kept.
    const bool is_next = now - period_began_ <= 2 * kPeriod;
    least_before_ = is_next ? least_ : absl::InfiniteDuration();
    least_ = absl::InfiniteDuration();
    period_began_ = now;
  }
  least_ = std::min(least_, commit);
  lag_ = (At(now) * 7 + (commit - std::min(least_, least_before_))) / 8;
  noted_at_ = now;
}

absl::Duration CommitLag::At(absl::Time now) const {
  return now - noted_at_ > kStale ? absl::ZeroDuration() : lag_;
}

absl::Duration CommitLag::Window(absl::Time now) const {
  const absl::Duration beyond = std::max(absl::ZeroDuration(), At(now) - kOrdinary);
  const absl::Duration most = std::clamp(At(now), kWindowMax, kWindowOfLagMax);
  return std::min(most, beyond * kWindowPerLag);
}

absl::Duration WindowPace::Wait(absl::Duration window, absl::Time now) const {
  return std::clamp(next_ - now, absl::ZeroDuration(), window);
}

void WindowPace::Went(absl::Duration window, absl::Time now) {
  next_ = std::max(next_, now - (kBurst - 1) * window) + window;
}

}  // namespace coterie::gateway
