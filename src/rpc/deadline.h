#pragma once

// How long a call may wait. Pure functions, any thread.

#include <absl/time/time.h>

#include "rpc/policy.h"

namespace coterie::rpc {

// What the client asked for, but no later than the policy allows. Who asks for more than a year has
// asked for nothing (gRPC says a time that is far away, then) and gets kSecondsDefault.
absl::Time DeadlineAt(absl::Time now, absl::Time asked, const Policy& policy);

}  // namespace coterie::rpc
