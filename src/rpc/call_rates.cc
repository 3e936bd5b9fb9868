#include "rpc/call_rates.h"

#include <algorithm>

namespace coterie::rpc {

std::optional<absl::Duration> CallRates::Take(std::string_view user, absl::Time now) {
  if (per_second_ == 0) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  Allowance* allowance = Find(user, now);
  if (allowance == nullptr) return std::nullopt;
  if (allowance->calls < 1) return absl::Seconds((1 - allowance->calls) / per_second_);
  allowance->calls -= 1;
  return std::nullopt;
}

void CallRates::Charge(std::string_view user, absl::Duration busy, absl::Time now) {
  if (per_second_ == 0) return;
  absl::MutexLock lock(&mutex_);
  Allowance* allowance = Find(user, now);
  if (allowance == nullptr) return;
  allowance->calls =
      std::max(-kDebtSecondsMax * per_second_,
               allowance->calls - absl::ToDoubleSeconds(busy) / kBusyShare * per_second_);
}

absl::Duration CallRates::Debt(std::string_view user, absl::Time now) {
  if (per_second_ == 0) return absl::ZeroDuration();
  absl::MutexLock lock(&mutex_);
  const auto found = users_.find(std::string(user));
  if (found == users_.end()) return absl::ZeroDuration();
  Refill(found->second, now);
  return absl::Seconds(std::max(0.0, -found->second.calls / per_second_));
}

CallRates::Allowance* CallRates::Find(std::string_view user, absl::Time now) {
  const std::string name(user);
  auto found = users_.find(name);
  if (found == users_.end()) {
    if (users_.size() >= kUsersMax) ForgetTheIdle(now);
    if (users_.size() >= kUsersMax) return nullptr;
    found = users_.emplace(name, Allowance{.calls = per_second_ * kBurstSeconds, .at = now}).first;
  }
  Refill(found->second, now);
  return &found->second;
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
