#pragma once

// Whether a node says that it serves (grpc.health.v1), which needs no session. Any thread.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <string>

#include "client/connection.h"

namespace coterie::client {

// OK = it serves. kUnavailable = it does not, or cannot be reached; or gRPC's error.
absl::Status CheckHealth(Connection& connection, absl::Time deadline);

}  // namespace coterie::client
