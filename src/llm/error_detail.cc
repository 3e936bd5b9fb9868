#include "llm/error_detail.h"

#include <string>

namespace coterie::llm {
namespace {

const char* ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return "BAD_REQUEST";
    case absl::StatusCode::kResourceExhausted:
      return "QUEUE_FULL";
    case absl::StatusCode::kFailedPrecondition:
      return "NO_CHAT_TEMPLATE";
    case absl::StatusCode::kUnavailable:
      return "STOPPING";
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    default:
      return "MODEL_FAILED";
  }
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status, const Detail& detail) {
  // Both enumerations are google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      errors::Encode(status, detail));
}

grpc::Status ToGrpc(const absl::Status& status) {
  return ToGrpc(status, {.reason = ReasonOf(status.code())});
}

}  // namespace coterie::llm
