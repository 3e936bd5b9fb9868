#include "tests/pacing.h"

#include <absl/time/clock.h>

namespace coterie::tests {

bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout) {
  constexpr absl::Duration kBetweenLooks = absl::Milliseconds(5);
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(kBetweenLooks);
  }
  return true;
}

void Pass(absl::Duration duration) { absl::SleepFor(duration); }

}  // namespace coterie::tests
