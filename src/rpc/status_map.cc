#include "rpc/status_map.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);
constexpr absl::Duration kRetryAfterNoSpace = absl::Seconds(2);

struct Mapped {
  absl::StatusCode code;
  const char* reason;
};

Mapped MapCode(state::Code code) {
  using enum state::Code;
  switch (code) {
    case kOk:
      return {absl::StatusCode::kOk, ""};
    case kInvalidArgument:
      return {absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT"};
    case kUnauthenticated:
      return {absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED"};
    case kPermissionDenied:
      return {absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"};
    case kNotFound:
      return {absl::StatusCode::kNotFound, "NOT_FOUND"};
    case kAlreadyExists:
      return {absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS"};
    case kLocked:
      return {absl::StatusCode::kFailedPrecondition, "LOCKED"};
    case kLockRequired:
      return {absl::StatusCode::kFailedPrecondition, "LOCK_REQUIRED"};
    case kStaleToken:
      return {absl::StatusCode::kFailedPrecondition, "STALE_TOKEN"};
    case kExhausted:
    case kTooMuchWork:
      return {absl::StatusCode::kResourceExhausted, "LIMIT"};
    case kOutOfRange:
      return {absl::StatusCode::kOutOfRange, "OUT_OF_RANGE"};
    case kForgotten:
      return {absl::StatusCode::kAborted, "FORGOTTEN"};
    case kStaleSuggestion:
      return {absl::StatusCode::kFailedPrecondition, "STALE_SUGGESTION"};
  }
  return {absl::StatusCode::kInternal, "INTERNAL"};
}

bool HasAlarm(const node::Status& cluster, std::string_view alarm) {
  return std::find(cluster.alarms.begin(), cluster.alarms.end(), alarm) != cluster.alarms.end();
}

void AddLeader(const node::Status& cluster, Detail& detail) {
  if (cluster.leader.IsNone()) return;
  detail.metadata["leader_id"] = std::to_string(cluster.leader.value());
  const raft::Member* member = cluster.configuration.Find(cluster.leader);
  if (member != nullptr && !member->client_address.empty()) {
    detail.metadata["leader_address"] = member->client_address;
  }
}

}  // namespace

absl::Status WithDetail(absl::Status status, const Detail& detail) {
  status.SetPayload(errors::kPayloadUrl, absl::Cord(errors::Encode(status, detail)));
  return status;
}

absl::Status Error(absl::StatusCode code, std::string_view reason, const std::string& message) {
  return WithDetail(absl::Status(code, message), {.reason = std::string(reason)});
}

absl::Status Overloaded(const std::string& message, absl::Duration retry_after) {
  return WithDetail(absl::ResourceExhaustedError(message),
                    {.reason = "OVERLOADED", .retry_after = retry_after});
}

absl::Status FromOutcome(const state::Outcome& outcome) {
  CHECK(!outcome.ok());
  const Mapped mapped = MapCode(outcome.code);
  Detail detail{.reason = mapped.reason};
  if (!outcome.revision.IsNone()) {
    detail.metadata["revision"] = std::to_string(outcome.revision.value());
  }
  if (outcome.lock) {
    const state::LockView& lock = *outcome.lock;
    detail.metadata["document_id"] = std::to_string(lock.doc.value());
    detail.metadata["document_name"] = lock.document_name;
    detail.metadata["holder"] = lock.holder;
    detail.metadata["holder_session_id"] = std::to_string(lock.session.value());
    detail.metadata["expires_at_ms"] = std::to_string(lock.expires_at_ms);
  }
  return WithDetail(absl::Status(mapped.code, outcome.message), detail);
}

absl::Status FromNode(const absl::Status& error, Effect effect, const node::Status& cluster) {
  CHECK(!error.ok());
  const bool is_unknown = effect == Effect::kUnknown;
  Detail detail;
  AddLeader(cluster, detail);
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
      detail.reason = is_unknown ? "OUTCOME_UNKNOWN" : "UNAVAILABLE";
      // It did not even enter the log.
      if (error.GetPayload(node::kUpgradingPayload)) detail.reason = "UPGRADING";
      detail.retry_after = kRetryAfter;
      break;
    case absl::StatusCode::kDeadlineExceeded:
      detail.reason = is_unknown ? "OUTCOME_UNKNOWN" : "DEADLINE_EXCEEDED";
      break;
    case absl::StatusCode::kResourceExhausted: {
      const bool is_full = error.GetPayload(node::kNoSpacePayload).has_value();
      detail.reason = is_full ? "NOSPACE" : "OVERLOADED";
      detail.retry_after = is_full ? kRetryAfterNoSpace : kRetryAfter;
      break;
    }
    case absl::StatusCode::kFailedPrecondition: {
      if (HasAlarm(cluster, "NOT_MEMBER") || HasAlarm(cluster, "OTHER_DISK")) {
        detail.reason = "NOT_MEMBER";
        break;
      }
      const bool is_leader = cluster.role == raft::Role::kLeader;
      detail.reason = is_leader || HasAlarm(cluster, "DIVERGED") ? "FENCED" : "NOT_LEADER";
      break;
    }
    default:
      detail.reason = std::string(absl::StatusCodeToString(error.code()));
      break;
  }
  return WithDetail(error, detail);
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto details = status.GetPayload(errors::kPayloadUrl);
  // Both enumerations are google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      details ? std::string(*details) : std::string());
}

absl::Status PassedOn(const grpc::Status& status) {
  CHECK(!status.ok());
  // gRPC's codes are google.rpc's.
  absl::Status passed(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!status.error_details().empty()) {
    passed.SetPayload(errors::kPayloadUrl, absl::Cord(status.error_details()));
  }
  return passed;
}

}  // namespace coterie::rpc
