#pragma once

// What the system says of this process: memory, processor time, open files. Linux's /proc; what it
// does not tell is 0. Any thread; takes longer the more files are open (some milliseconds for
// thousands).

#include <cstdint>

namespace coterie::gateway {

struct ProcessFigures {
  double cpu_seconds = 0;         // Of all threads, in user and kernel mode.
  double start_time_seconds = 0;  // Since the epoch of Unix.
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_max = 0;  // As the limit is now.
  std::uint64_t threads = 0;
};

ProcessFigures ReadProcessFigures();

}  // namespace coterie::gateway
