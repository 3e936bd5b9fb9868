#pragma once

// The unary methods of coterie.v1 by their names, for faces that are not gRPC's generated code: the
// same handlers, behind the same gate and the same policies. Filled before the servers start, then
// constant; any thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "rpc/call.h"
#include "rpc/gate.h"
#include "rpc/policy.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {

class MethodTable {
 public:
  using MessagePtr = std::unique_ptr<google::protobuf::Message>;
  using Answer = std::function<void(absl::StatusOr<MessagePtr>)>;
  struct Method {
    const Policy* policy = nullptr;
    std::function<MessagePtr()> make_request;
    std::function<void(const Call&, google::protobuf::Message&, Answer)> handle;
  };

  // The method is known by its request: CreateUserRequest is CreateUser's.
  template <class Handlers, class Request, class Response>
  void Bind(Handlers& handlers, void (Handlers::*handler)(const Call&, Request, Reply<Response>)) {
    const Policy* policy = FindPolicy(MethodOf(*Request::descriptor()).full_name());
    CHECK(policy != nullptr);
    Method method{.policy = policy, .make_request = [] { return std::make_unique<Request>(); }};
    method.handle = [&handlers, handler](const Call& call, google::protobuf::Message& request,
                                         Answer answer) {
      (handlers.*handler)(call, std::move(static_cast<Request&>(request)),
                          [answer = std::move(answer)](absl::StatusOr<Response> response) {
                            if (!response.ok()) return answer(response.status());
                            answer(std::make_unique<Response>(*std::move(response)));
                          });
    };
    methods_.emplace(policy->method, std::move(method));
  }

  // By its full name, for example "coterie.v1.AuthService.Login". Null if there is none.
  const Method* Find(std::string_view name) const;

 private:
  std::map<std::string_view, Method> methods_;  // The names are the policies'.
};

// Serves one request whose size the gate has let in: who asks, may they, then the handler. Leaves
// the gate when `answer` has run.
struct Invocation {
  std::string authorization;
  std::string peer;  // See Call.
  absl::Time deadline;
  std::size_t request_bytes = 0;
};
void Invoke(Gate& gate, const MethodTable::Method& method, const Invocation& invocation,
            MethodTable::MessagePtr request, MethodTable::Answer answer);

}  // namespace coterie::rpc
