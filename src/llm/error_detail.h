#pragma once

// What a client of coterie-llm is told of an error. The reasons are listed in llm.proto. Pure.

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include "errors/detail.h"

namespace coterie::llm {

using errors::Detail;

// Requires an error.
grpc::Status ToGrpc(const absl::Status& status, const Detail& detail);
// With the reason that the code means when the engine says it.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace coterie::llm
