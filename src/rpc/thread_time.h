#pragma once

// What the calling thread has had of a processor: for what work costs, however often somebody else
// ran meanwhile.

#include <absl/time/time.h>

#include <ctime>

#include "base/check.h"

namespace coterie::rpc {

// Good for differences on one thread alone.
inline absl::Duration ThreadTime() {
  timespec used{};
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
  return absl::DurationFromTimespec(used);
}

}  // namespace coterie::rpc
