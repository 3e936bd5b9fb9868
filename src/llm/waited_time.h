#pragma once

// How long a thread was ready to run and others had its processor. Linux, /proc/PID/schedstat.

#include <absl/time/time.h>

namespace coterie::llm {

// Of the thread that makes it; any one thread may ask.
class WaitedTime {
 public:
  WaitedTime();
  ~WaitedTime();
  WaitedTime(const WaitedTime&) = delete;
  WaitedTime& operator=(const WaitedTime&) = delete;

  // Since the thread began. Zero if the kernel does not say.
  absl::Duration Get() const;

 private:
  const int file_;
};

}  // namespace coterie::llm
