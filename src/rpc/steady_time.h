#pragma once

// Time that never jumps, for pauses, rates and how long ago something was. The wall clock may be
// set back by an hour, and whoever measures by it then waits that hour. Any thread.

#include <absl/time/time.h>

#include <chrono>

namespace coterie::rpc {

// Since an arbitrary moment: good for differences alone.
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace coterie::rpc
