#include "llm/error_detail.h"

#include "base/check.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::llm {
namespace {

constexpr char kDomain[] = "coterie.dev";

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
  CHECK(!status.ok());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_reason(detail.reason);
  info.set_domain(kDomain);
  for (const auto& [key, value] : detail.metadata) (*info.mutable_metadata())[key] = value;
  rich.add_details()->PackFrom(info);
  if (detail.retry_after) {
    google::rpc::RetryInfo retry;
    const std::int64_t nanos = absl::ToInt64Nanoseconds(*detail.retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
    rich.add_details()->PackFrom(retry);
  }
  // Both enumerations are google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      rich.SerializeAsString());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return ToGrpc(status, {.reason = ReasonOf(status.code())});
}

}  // namespace coterie::llm
