#include "sim/violation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace coterie::sim {
namespace {

struct Hint {
  std::array<char, 512> text{};
  std::size_t size = 0;
};
// One per process: a signal handler has no other way to it.
Hint hint;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

void SetReplayHint(std::string_view command) {
  hint.size = std::min(command.size(), hint.text.size());
  std::copy_n(command.data(), hint.size, hint.text.data());
}

void PrintReplayHint() {
  constexpr std::string_view kBefore = "see it again: ";
  static_cast<void>(!write(STDERR_FILENO, kBefore.data(), kBefore.size()));
  static_cast<void>(!write(STDERR_FILENO, hint.text.data(), hint.size));
  static_cast<void>(!write(STDERR_FILENO, "\n", 1));
}

void Violate(std::string_view what) {
  static_cast<void>(std::fflush(stdout));  // The trace up to here.
  static_cast<void>(
      std::fprintf(stderr, "VIOLATION: %.*s\n", static_cast<int>(what.size()), what.data()));
  std::abort();
}

}  // namespace coterie::sim
