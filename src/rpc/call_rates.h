#pragma once

// How many calls a user may begin, so that a program that has run wild slows its own user alone: an
// allowance that fills up at a steady rate, and holds what two seconds bring. Calls that cost the
// apply thread much, of which a node has one, take more of it, and may leave a debt. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace coterie::rpc {

class CallRates {
 public:
  static constexpr double kBurstSeconds = 2;
  // Of the apply thread's time, what one user's calls may take in the long run.
  static constexpr double kBusyShare = 0.25;
  static constexpr double kDebtSecondsMax = 10;
  // Users that are remembered at once. Whoever comes to more busy ones is not counted.
  static constexpr std::size_t kUsersMax = 10'000;

  // 0 = no limit.
  explicit CallRates(double per_second) : per_second_(per_second) {}

  // Takes one call off the user's allowance; if nothing is left, how long until there is. `now`:
  // see steady_time.h.
  std::optional<absl::Duration> Take(std::string_view user, absl::Time now);
  // What a call of the user's cost the apply thread.
  void Charge(std::string_view user, absl::Duration busy, absl::Time now);
  // How long until the user owes nothing; zero for most.
  absl::Duration Debt(std::string_view user, absl::Time now);
  double per_second() const { return per_second_; }

 private:
  struct Allowance {
    double calls = 0;
    absl::Time at;
  };
  // Null if there is no room to count the user.
  Allowance* Find(std::string_view user, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refill(Allowance& allowance, absl::Time now) const;
  void ForgetTheIdle(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double per_second_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Allowance> users_ ABSL_GUARDED_BY(mutex_);
  absl::Time swept_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace coterie::rpc
