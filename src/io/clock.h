#pragma once

// Time, as one of the four seams with the world. Elections, leases and timeouts use Now(), which
// never jumps; WallTimeMs() is for display and may. Any thread.

#include <cstdint>

namespace coterie::io {

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic, in microseconds since an arbitrary start.
  virtual std::uint64_t NowMicros() const = 0;
  // Milliseconds since 1970-01-01T00:00:00Z; may jump either way.
  virtual std::uint64_t WallTimeMs() const = 0;
};

}  // namespace coterie::io
