#include "rpc/gate.h"

#include "rpc/status_map.h"

namespace coterie::rpc {

absl::Status Gate::Enter(const Policy& policy, std::size_t bytes) {
  if (IsClosed()) {
    return Error(absl::StatusCode::kUnavailable, "STOPPING",
                 "This node is stopping; ask another one.");
  }
  if (bytes > policy.request_bytes_max) {
    return WithDetail(absl::ResourceExhaustedError("The request has " + std::to_string(bytes) +
                                                   " bytes and may have " +
                                                   std::to_string(policy.request_bytes_max) + "."),
                      {.reason = "LIMIT", .metadata = {{"limit", "request_bytes_max"}}});
  }
  const auto size = static_cast<std::int64_t>(bytes);
  if (bytes_.fetch_add(size) + size > kBytesMax) {
    bytes_.fetch_sub(size);
    return Overloaded("Too many large requests are being served; retry in a moment.",
                      absl::Milliseconds(200));
  }
  calls_.fetch_add(1);
  return absl::OkStatus();
}

void Gate::Leave(std::size_t bytes) {
  bytes_.fetch_sub(static_cast<std::int64_t>(bytes));
  calls_.fetch_sub(1);
}

}  // namespace coterie::rpc
