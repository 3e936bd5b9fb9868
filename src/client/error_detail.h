#pragma once

// What an error of the cluster says beside its code and text: google.rpc details, carried as a
// payload of absl::Status. Pure functions, any thread. Source: google/rpc/error_details.proto.

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <map>
#include <optional>
#include <string>

namespace coterie::client {

struct ErrorDetail {
  std::string reason;  // For example LOCKED, NOT_LEADER; empty = the server gave none.
  std::map<std::string, std::string> metadata;
  std::optional<absl::Duration> retry_after;

  // The value of `key`, or empty.
  std::string Get(const std::string& key) const;
};

// Same code and text; the details become a payload. Malformed details are dropped.
absl::Status FromGrpc(const grpc::Status& status);
// Empty fields where the status carries no details.
ErrorDetail DetailOf(const absl::Status& status);
// Adds `detail` to a status of our own making. Requires an error.
void SetDetail(absl::Status& status, const ErrorDetail& detail);

}  // namespace coterie::client
