#include "io/posix_clock.h"

#include <ctime>

#include "base/check.h"

namespace coterie::io {
namespace {

timespec Read(clockid_t clock) {
  timespec now{};
  CHECK(::clock_gettime(clock, &now) == 0);
  return now;
}

}  // namespace

std::uint64_t PosixClock::NowMicros() const {
  const timespec now = Read(CLOCK_MONOTONIC);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

std::uint64_t PosixClock::WallTimeMs() const {
  const timespec now = Read(CLOCK_REALTIME);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace coterie::io
