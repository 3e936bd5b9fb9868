#pragma once

// What the process says to a script when it ends. Part of the interface: listed in --help. Pure.

#include <absl/status/status.h>

namespace coterie::cli {

enum class ExitCode : int {
  kOk = 0,
  kOther = 1,
  kUsage = 2,
  kNotFound = 3,
  kDenied = 4,       // Not logged in, or not allowed.
  kConflict = 5,     // Locked by somebody else, exists already, lost the lock.
  kUnavailable = 6,  // No node or no leader; a retry may help.
  kDeadline = 7,     // Whether it took effect is unknown.
  kExhausted = 8,    // A limit or a full disk.
  kVersion = 9,      // The nodes are older than this program.
  kInterrupted = 130,
};

ExitCode ExitCodeOf(const absl::Status& status);

// The table of them, for --help.
inline constexpr char kExitCodesHelp[] =
    "Exit codes:\n"
    "  0 done                       5 conflict: locked, exists already, lock lost\n"
    "  1 another error              6 unavailable: no node or no leader; try again\n"
    "  2 wrong usage                7 deadline: whether it took effect is unknown\n"
    "  3 not found                  8 exhausted: a limit or a full disk\n"
    "  4 denied or not logged in    9 the nodes are too old    130 interrupted";

}  // namespace coterie::cli
