#include "gateway/connect_service.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_replace.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "gateway/connect_codec.h"
#include "rpc/gate.h"
#include "rpc/method_table.h"
#include "rpc/status_map.h"

namespace coterie::gateway {
namespace {

HttpResponse ErrorResponse(const absl::Status& error) {
  return JsonResponse(HttpStatusOf(error), ErrorJson(error));
}

absl::Time DeadlineOf(const HttpRequest& request, const rpc::Policy& policy) {
  return absl::Now() + TimeoutOf(request, policy).value_or(absl::Seconds(rpc::kSecondsDefault));
}

}  // namespace

absl::Status CheckConnectHeaders(const HttpRequest& request) {
  if (!request.content_encoding.empty() && request.content_encoding != "identity") {
    return rpc::Error(absl::StatusCode::kUnimplemented, "UNIMPLEMENTED",
                      "Requests are not decompressed; send them as they are.");
  }
  if (!request.connect_protocol_version.empty() && request.connect_protocol_version != "1") {
    return rpc::Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                      "Connect-Protocol-Version is not 1, which is the one that is spoken here.");
  }
  std::uint64_t timeout_ms = 0;
  if (!request.connect_timeout_ms.empty() &&
      !absl::SimpleAtoi(request.connect_timeout_ms, &timeout_ms)) {
    return rpc::Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                      "Connect-Timeout-Ms is not a number of milliseconds.");
  }
  return absl::OkStatus();
}

std::string MethodName(std::string path) {
  path.erase(0, 1);
  std::replace(path.begin(), path.end(), '/', '.');
  return path;
}

std::optional<absl::Duration> TimeoutOf(const HttpRequest& request, const rpc::Policy& policy) {
  std::uint64_t timeout_ms = 0;
  if (!absl::SimpleAtoi(request.connect_timeout_ms, &timeout_ms)) return std::nullopt;
  const absl::Duration most = absl::Seconds(policy.seconds_max);
  if (timeout_ms > static_cast<std::uint64_t>(absl::ToInt64Milliseconds(most))) return most;
  return absl::Milliseconds(static_cast<std::int64_t>(timeout_ms));
}

const rpc::Policy* PolicyOfPath(const std::string& path) {
  return path.size() < 2 ? nullptr : rpc::FindPolicy(MethodName(path));
}

void ServeUnary(const rpc::Faces& faces, const HttpRequest& request,
                std::function<void(HttpResponse)> done) {
  const rpc::MethodTable::Method* method = faces.methods.Find(MethodName(request.target.path));
  if (method == nullptr) {
    return done(ErrorResponse(rpc::Error(absl::StatusCode::kUnimplemented, "UNIMPLEMENTED",
                                         "There is no such unary method over HTTP.")));
  }
  const std::optional<Coding> coding = UnaryCoding(request.content_type);
  if (!coding) {
    HttpResponse unsupported = TextResponse(
        415, "Send application/json or application/proto, as the Connect protocol has it.\n");
    unsupported.headers.emplace_back("Accept-Post", "application/json, application/proto");
    return done(std::move(unsupported));
  }
  absl::Status status = CheckConnectHeaders(request);
  if (!status.ok()) return done(ErrorResponse(status));
  status = faces.gate.Enter(*method->policy, request.body.size());
  if (!status.ok()) return done(ErrorResponse(status));
  rpc::MethodTable::MessagePtr message = method->make_request();
  status = DecodeMessage(*coding, request.body, *message);
  if (!status.ok()) {
    faces.gate.Leave(request.body.size());
    return done(ErrorResponse(status));
  }
  rpc::Invoke(
      faces.gate, *method,
      {.authorization = request.authorization,
       .peer = request.visitor,
       .deadline = DeadlineOf(request, *method->policy),
       .request_bytes = request.body.size()},
      std::move(message),
      [coding = *coding,
       done = std::move(done)](absl::StatusOr<rpc::MethodTable::MessagePtr> response) {
        if (!response.ok()) return done(ErrorResponse(response.status()));
        done({.status = 200,
              .content_type = coding == Coding::kJson ? "application/json" : "application/proto",
              .headers = {},
              .body = Blob(EncodeMessage(coding, **response))});
      });
}

}  // namespace coterie::gateway
