#pragma once

// Handlers of unary methods on gRPC's callback API, as raw methods: requests come as bytes, so that
// a malformed one gets a clear answer (gRPC itself would say UNIMPLEMENTED). gRPC's threads;
// answers come on any.

#include <absl/time/clock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "rpc/call.h"
#include "rpc/gate.h"
#include "rpc/peer_address.h"
#include "rpc/policy.h"
#include "rpc/status_map.h"

namespace coterie::rpc {

// The value of the metadata "authorization"; empty if there is none.
std::string AuthorizationOf(const grpc::CallbackServerContext& context);
// The client's own, but no later than the policy allows.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context, const Policy& policy);
// kInvalidArgument if `bytes` are not one.
absl::Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);
// The method whose request this is, in the file that declares both. It must exist.
const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Descriptor& request);
grpc::ByteBuffer Serialize(const google::protobuf::Message& message);

// One call. Answers once: with what the handler says, or at once when the client gives up or the
// server ends; what the handler says after that is dropped.
class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  UnaryReactor(Gate& gate, grpc::ByteBuffer* response) : gate_(gate), response_(response) {}
  ~UnaryReactor() override {
    if (has_entered_) gate_.Leave(request_bytes_);
  }
  UnaryReactor(const UnaryReactor&) = delete;
  UnaryReactor& operator=(const UnaryReactor&) = delete;

  absl::Status Enter(const Policy& policy, std::size_t request_bytes);
  // Kept alive by gRPC from here to OnDone(), beside whoever holds it to answer.
  void Hold(std::shared_ptr<UnaryReactor> self) { self_ = std::move(self); }

  void Answer(const google::protobuf::Message& message);
  void Refuse(const absl::Status& error);

 private:
  void OnCancel() override;
  void OnDone() override { self_.reset(); }
  void Observe(CallTimes::Outcome outcome);

  Gate& gate_;
  grpc::ByteBuffer* const response_;  // gRPC's, until it is finished.
  std::atomic<bool> is_answered_{false};
  bool has_entered_ = false;
  std::size_t request_bytes_ = 0;
  const Policy* policy_ = nullptr;  // From Enter() on.
  absl::Time begun_;
  std::shared_ptr<UnaryReactor> self_;
};

// How a method is served. Lives as long as the server.
template <class Request, class Response>
struct UnaryMethod {
  Gate& gate;
  const Policy& policy;
  std::function<void(const Call&, Request, Reply<Response>)> handle;
};

template <class Request, class Response>
grpc::ServerUnaryReactor* ServeUnary(const UnaryMethod<Request, Response>& method,
                                     grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request_bytes,
                                     grpc::ByteBuffer* response_bytes) {
  auto reactor = std::make_shared<UnaryReactor>(method.gate, response_bytes);
  reactor->Hold(reactor);
  Request request;
  absl::Status status = reactor->Enter(method.policy, request_bytes->Length());
  if (status.ok()) status = Parse(*request_bytes, request);
  if (!status.ok()) {
    reactor->Refuse(status);
    return reactor.get();
  }
  Call call{.deadline = DeadlineOf(*context, method.policy),
            .authorization = AuthorizationOf(*context),
            .peer = CountedAs(AddressOfPeer(context->peer()))};
  const std::string authorization = call.authorization;
  const absl::Time deadline = call.deadline;
  method.gate.authenticator().Admit(
      method.policy, authorization, deadline,
      [&method, reactor, call = std::move(call),
       request = std::move(request)](absl::StatusOr<Caller> caller) mutable {
        if (!caller.ok()) return reactor->Refuse(caller.status());
        call.caller = *std::move(caller);
        method.handle(call, std::move(request),
                      [reactor](const absl::StatusOr<Response>& response) {
                        if (!response.ok()) return reactor->Refuse(response.status());
                        reactor->Answer(*response);
                      });
      });
  return reactor.get();
}

// The generated service `Generated` with its methods served by handlers. Bind every method before
// the server starts.
template <class Generated>
class BoundService : public Generated::Service {
 public:
  explicit BoundService(Gate& gate) : gate_(gate) {}

  // The method is known by its request: CreateUserRequest is CreateUser's.
  template <class Handlers, class Request, class Response>
  void Bind(Handlers& handlers, void (Handlers::*handler)(const Call&, Request, Reply<Response>)) {
    const google::protobuf::MethodDescriptor& descriptor = MethodOf(*Request::descriptor());
    const Policy* policy = FindPolicy(descriptor.full_name());
    CHECK(policy != nullptr);
    auto method = std::make_shared<UnaryMethod<Request, Response>>(UnaryMethod<Request, Response>{
        .gate = gate_,
        .policy = *policy,
        .handle = [&handlers, handler](const Call& call, Request request, Reply<Response> reply) {
          (handlers.*handler)(call, std::move(request), std::move(reply));
        }});
    this->MarkMethodRawCallback(
        descriptor.index(),
        new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
            [method](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                     grpc::ByteBuffer* response) {
              return ServeUnary(*method, context, request, response);
            }));
  }

 protected:
  Gate& gate() { return gate_; }

 private:
  Gate& gate_;
};

}  // namespace coterie::rpc
