#pragma once

// From what the cluster says (outcomes of commands, errors of the node) to what a client is told:
// a status of google.rpc's codes with a text of what, why and what to do, and machine-readable
// details. The only place that knows the codes. The details travel inside absl::Status as a payload
// of serialised google.rpc.Status, and over gRPC as the trailer "grpc-status-details-bin".
// Pure functions, any thread. The reasons are documented in docs/api.md.

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "errors/detail.h"
#include "node/node.h"
#include "state/outcome.h"

namespace coterie::rpc {

using errors::Detail;

// The same code and text with details. Requires an error.
absl::Status WithDetail(absl::Status status, const Detail& detail);
// An error of rpc/'s own: what, why and what to do.
absl::Status Error(absl::StatusCode code, std::string_view reason, const std::string& message);
absl::Status Overloaded(const std::string& message, absl::Duration retry_after);

// Requires an outcome that is not OK.
absl::Status FromOutcome(const state::Outcome& outcome);

// What a call that failed in the node may have done.
enum class Effect : std::uint8_t { kNone, kUnknown };
// `cluster` says where the leader is and what is wrong here. Requires an error.
absl::Status FromNode(const absl::Status& error, Effect effect, const node::Status& cluster);

grpc::Status ToGrpc(const absl::Status& status);
// What a server of ours told this one, its details kept, to be passed on. Requires an error.
absl::Status PassedOn(const grpc::Status& status);

}  // namespace coterie::rpc
