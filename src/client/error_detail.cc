#include "client/error_detail.h"

#include <absl/strings/cord.h>
#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "base/check.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::client {
namespace {

constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.Status";
constexpr char kDomain[] = "coterie.dev";
constexpr std::size_t kDetailsBytesMax = 64 << 10;
constexpr absl::Duration kRetryAfterMax = absl::Hours(1);

}  // namespace

std::string ErrorDetail::Get(const std::string& key) const {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // Both enumerations are google.rpc.Code.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const std::string details = status.error_details();
  if (!details.empty() && details.size() <= kDetailsBytesMax) {
    result.SetPayload(kPayloadUrl, absl::Cord(details));
  }
  return result;
}

ErrorDetail DetailOf(const absl::Status& status) {
  ErrorDetail detail;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  google::rpc::Status rich;
  if (!payload || !rich.ParseFromString(std::string(*payload))) return detail;
  for (const google::protobuf::Any& any : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) {
      detail.reason = info.reason();
      detail.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (any.UnpackTo(&retry)) {
      const absl::Duration delay = absl::Seconds(retry.retry_delay().seconds()) +
                                   absl::Nanoseconds(retry.retry_delay().nanos());
      detail.retry_after = std::clamp(delay, absl::ZeroDuration(), kRetryAfterMax);
    }
  }
  return detail;
}

void SetDetail(absl::Status& status, const ErrorDetail& detail) {
  CHECK(!status.ok());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_reason(detail.reason);
  info.set_domain(kDomain);
  info.mutable_metadata()->insert(detail.metadata.begin(), detail.metadata.end());
  rich.add_details()->PackFrom(info);
  if (detail.retry_after) {
    google::rpc::RetryInfo retry;
    const absl::Duration delay = *detail.retry_after;
    const std::int64_t seconds = absl::ToInt64Seconds(delay);
    retry.mutable_retry_delay()->set_seconds(seconds);
    retry.mutable_retry_delay()->set_nanos(
        static_cast<std::int32_t>(absl::ToInt64Nanoseconds(delay - absl::Seconds(seconds))));
    rich.add_details()->PackFrom(retry);
  }
  status.SetPayload(kPayloadUrl, absl::Cord(rich.SerializeAsString()));
}

}  // namespace coterie::client
