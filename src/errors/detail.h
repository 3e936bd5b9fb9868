#pragma once

// The machine-readable half of an error, the same from every server of ours: google.rpc.Status with
// an ErrorInfo of our domain, and a RetryInfo where a retry helps. It travels inside absl::Status
// as a payload and over gRPC as the trailer "grpc-status-details-bin". Pure, any thread.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>

namespace coterie::errors {

inline constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";

struct Detail {
  std::string reason;
  std::map<std::string, std::string> metadata;
  std::optional<absl::Duration> retry_after;
};

// A serialised google.rpc.Status. Requires an error.
std::string Encode(const absl::Status& status, const Detail& detail);

// That of the payload; empty without one.
std::string ReasonOf(const absl::Status& status);

}  // namespace coterie::errors
