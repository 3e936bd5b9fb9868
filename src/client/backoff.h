#pragma once

// How long to wait before the next round of attempts: doubling from `first` to `max`, each wait
// drawn from the upper half of its step, so that many clients that lost one node at one instant do
// not come back at one instant. Pure values; one owner.

#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/prng.h"

namespace coterie::client {

class Backoff {
 public:
  struct Options {
    absl::Duration first;
    absl::Duration max;
  };

  // `prng` outlives this. Requires 0 < first <= max.
  Backoff(Options options, Prng& prng) : options_(options), step_(options.first), prng_(prng) {
    CHECK(options.first > absl::ZeroDuration());
    CHECK(options.first <= options.max);
  }

  // In [step / 2, step], where the steps are first, 2 first, 4 first ... max.
  absl::Duration Next() {
    const std::int64_t step_us = std::max<std::int64_t>(absl::ToInt64Microseconds(step_), 2);
    const std::uint64_t half_us = static_cast<std::uint64_t>(step_us) / 2;
    step_ = std::min(step_ * 2, options_.max);
    return absl::Microseconds(half_us +
                              prng_.Below(static_cast<std::uint64_t>(step_us) - half_us + 1));
  }

  void Reset() { step_ = options_.first; }

 private:
  Options options_;
  absl::Duration step_;
  Prng& prng_;
};

}  // namespace coterie::client
