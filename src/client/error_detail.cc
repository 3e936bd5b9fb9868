#include "client/error_detail.h"

#include <absl/strings/cord.h>
#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "errors/detail.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::client {
namespace {

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
    result.SetPayload(errors::kPayloadUrl, absl::Cord(details));
  }
  return result;
}

ErrorDetail DetailOf(const absl::Status& status) {
  ErrorDetail detail;
  const absl::optional<absl::Cord> payload = status.GetPayload(errors::kPayloadUrl);
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
  status.SetPayload(errors::kPayloadUrl,
                    absl::Cord(errors::Encode(status, {.reason = detail.reason,
                                                       .metadata = detail.metadata,
                                                       .retry_after = detail.retry_after})));
}

}  // namespace coterie::client
