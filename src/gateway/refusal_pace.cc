#include "gateway/refusal_pace.h"

#include <algorithm>

namespace coterie::gateway {
namespace {

// A page that is opened twice, and one that was just shared with its reader, wait for nothing.
constexpr int kAtOnce = 2;
constexpr absl::Duration kHeldAtFirst = absl::Milliseconds(500);

absl::Duration HeldFor(int count) {
  absl::Duration held = count <= kAtOnce ? absl::ZeroDuration() : kHeldAtFirst;
  for (int i = kAtOnce + 1; i < count && held < RefusalPace::kHeldMax; ++i) held *= 2;
  return std::min(held, RefusalPace::kHeldMax);
}

}  // namespace

absl::Duration RefusalPace::Next(const std::string& address, const std::string& document,
                                 absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const std::pair<std::string, std::string> key(address, document);
  if (refusals_.size() >= kRememberedMax && !refusals_.contains(key)) MakeRoom(now);
  Refusals& refusals = refusals_[key];
  if (now - refusals.last > kForgottenAfter) refusals.count = 0;
  ++refusals.count;
  refusals.last = now;
  return HeldFor(refusals.count);
}

void RefusalPace::MakeRoom(absl::Time now) {
  auto least = refusals_.begin();
  for (auto it = refusals_.begin(); it != refusals_.end(); ++it) {
    const bool is_over = now - it->second.last > kForgottenAfter;
    if (is_over || it->second.count < least->second.count) least = it;
    if (is_over) break;
  }
  refusals_.erase(least);
}

}  // namespace coterie::gateway
