#pragma once

// The machine-readable half of what a client of coterie-llm is told: google.rpc details, which
// travel as the trailer "grpc-status-details-bin". The reasons are listed in llm.proto. Pure.

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <map>
#include <optional>
#include <string>

namespace coterie::llm {

struct Detail {
  std::string reason;
  std::map<std::string, std::string> metadata;
  std::optional<absl::Duration> retry_after;
};

// Requires an error.
grpc::Status ToGrpc(const absl::Status& status, const Detail& detail);
// With the reason that the code means when the engine says it.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace coterie::llm
