#pragma once

// What processes have used so far, read from Linux's /proc. Any thread.

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace coterie::bench {

struct Usage {
  double cpu_seconds = 0;            // User and system, all threads, all processes.
  std::uint64_t resident_bytes = 0;  // Now.
  std::uint64_t written_bytes = 0;   // Handed to block devices (/proc/PID/io write_bytes).
};

// Processes that are gone count nothing.
Usage ReadUsage(const std::vector<pid_t>& processes);

}  // namespace coterie::bench
