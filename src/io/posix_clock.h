#pragma once

// The machine's clocks. Any thread.

#include "io/clock.h"

namespace coterie::io {

class PosixClock final : public Clock {
 public:
  std::uint64_t NowMicros() const override;   // CLOCK_MONOTONIC.
  std::uint64_t WallTimeMs() const override;  // CLOCK_REALTIME.
};

}  // namespace coterie::io
