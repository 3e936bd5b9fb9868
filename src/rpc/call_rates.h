#pragma once

// How many calls a user may begin, so that a program that has run wild slows its own user alone: an
// allowance that fills up at a steady rate, and holds what two seconds bring. Any thread.

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
  // Users that are remembered at once. Whoever comes to more busy ones is not counted.
  static constexpr std::size_t kUsersMax = 10'000;

  // 0 = no limit.
  explicit CallRates(double per_second) : per_second_(per_second) {}

  // Takes one call off the user's allowance; if nothing is left, how long until there is. `now`:
  // see steady_time.h.
  std::optional<absl::Duration> Take(std::string_view user, absl::Time now);
  double per_second() const { return per_second_; }

 private:
  struct Allowance {
    double calls = 0;
    absl::Time at;
  };
  void Refill(Allowance& allowance, absl::Time now) const;
  void ForgetTheIdle(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double per_second_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Allowance> users_ ABSL_GUARDED_BY(mutex_);
  absl::Time swept_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace coterie::rpc
