#include "errors/detail.h"

#include <absl/strings/cord.h>
#include <google/protobuf/any.pb.h>

#include "base/check.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::errors {
namespace {

constexpr char kDomain[] = "coterie.dev";
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

std::string Encode(const absl::Status& status, const Detail& detail) {
  CHECK(!status.ok());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));  // Both enumerations are google.rpc.Code.
  rich.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_reason(detail.reason);
  info.set_domain(kDomain);
  info.mutable_metadata()->insert(detail.metadata.begin(), detail.metadata.end());
  rich.add_details()->PackFrom(info);
  if (detail.retry_after) {
    google::rpc::RetryInfo retry;
    const std::int64_t nanos = absl::ToInt64Nanoseconds(*detail.retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / kNanosPerSecond);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(nanos % kNanosPerSecond));
    rich.add_details()->PackFrom(retry);
  }
  return rich.SerializeAsString();
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  google::rpc::Status rich;
  if (!payload || !rich.ParseFromString(std::string(*payload))) return {};
  for (const google::protobuf::Any& any : rich.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) return info.reason();
  }
  return {};
}

}  // namespace coterie::errors
