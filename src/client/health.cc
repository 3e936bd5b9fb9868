#include "client/health.h"

#include "client/error_detail.h"

namespace coterie::client {
namespace {

constexpr char kPath[] = "/grpc.health.v1.Health/Check";
// HealthCheckResponse { ServingStatus status = 1; } with SERVING = 1, in full.
constexpr char kServing[] = "\x08\x01";

}  // namespace

absl::Status CheckHealth(Connection& connection, absl::Time deadline) {
  if (!connection.WaitUntilReady(deadline)) {
    return absl::UnavailableError(connection.address() + " cannot be connected");
  }
  grpc::ClientContext context;
  Prepare(context, "", deadline);
  const grpc::Slice nothing("");  // HealthCheckRequest for the server as a whole.
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  const absl::Status status = FromGrpc(connection.Call(context, kPath, request, response));
  if (!status.ok()) return status;
  grpc::Slice answer;
  if (response.DumpToSingleSlice(&answer).ok() &&
      std::string(reinterpret_cast<const char*>(answer.begin()), answer.size()) == kServing) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(connection.address() + " does not serve yet");
}

}  // namespace coterie::client
