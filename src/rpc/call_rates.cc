#include "rpc/call_rates.h"

#include <algorithm>

namespace coterie::rpc {

std::optional<absl::Duration> CallRates::Take(std::string_view user, absl::Time now) {
  if (per_second_ == 0) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  const std::string name(user);
  auto found = users_.find(name);
  if (found == users_.end()) {
    if (users_.size() >= kUsersMax) ForgetTheIdle(now);
    if (users_.size() >= kUsersMax) return std::nullopt;
    found = users_.emplace(name, Allowance{.calls = per_second_ * kBurstSeconds, .at = now}).first;
  }
  Allowance& allowance = found->second;
  Refill(allowance, now);
  if (allowance.calls < 1) return absl::Seconds((1 - allowance.calls) / per_second_);
  allowance.calls -= 1;
  return std::nullopt;
}

void CallRates::Refill(Allowance& allowance, absl::Time now) const {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - allowance.at));
  allowance.calls = std::min(per_second_ * kBurstSeconds, allowance.calls + seconds * per_second_);
  allowance.at = now;
}

// Who has a full allowance is as one who was never here. At most once a second: it is a long walk.
void CallRates::ForgetTheIdle(absl::Time now) {
  if (now - swept_at_ < absl::Seconds(1)) return;
  swept_at_ = now;
  absl::erase_if(users_, [this, now](auto& user) {
    Refill(user.second, now);
    return user.second.calls >= per_second_ * kBurstSeconds;
  });
}

}  // namespace coterie::rpc
