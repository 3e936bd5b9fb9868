#pragma once

// coterie.v1 over HTTP/1.1 as the Connect protocol has it: the same handlers behind the same gate
// and policies as over gRPC. Unary methods; streams are in connect_stream.h. Any thread; answers
// come on any.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <optional>
#include <string>

#include "gateway/http.h"
#include "rpc/policy.h"
#include "rpc/server.h"

namespace coterie::gateway {

// "/coterie.v1.AuthService/Login" names the method "coterie.v1.AuthService.Login".
std::string MethodName(std::string path);
// The policy of the method that a path names. Null if there is none.
const rpc::Policy* PolicyOfPath(const std::string& path);
// What is wrong with a request's headers, if the Connect protocol says so.
absl::Status CheckConnectHeaders(const HttpRequest& request);
// What Connect-Timeout-Ms says, but no longer than the policy allows. Nothing if it says nothing.
std::optional<absl::Duration> TimeoutOf(const HttpRequest& request, const rpc::Policy& policy);

// `done` runs once.
void ServeUnary(const rpc::Faces& faces, const HttpRequest& request,
                std::function<void(HttpResponse)> done);

}  // namespace coterie::gateway
