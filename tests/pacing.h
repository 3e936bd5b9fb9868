#pragma once

// How whole-system tests wait for what no event tells them: by looking again and again until a
// deadline, never by hoping that some time is enough. Any thread.

#include <absl/time/time.h>

#include <functional>

namespace coterie::tests {

// Whether `condition` became true within `timeout`; looks every few milliseconds.
bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout);

// For how long a load or a failure lasts: there is nothing to wait for but time.
void Pass(absl::Duration duration);

}  // namespace coterie::tests
