#pragma once

// The gRPC server of coterie-llm: LlmService with health and reflection on one port.

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>

namespace grpc {
class Server;
}

namespace coterie::llm {

class Server {
 public:
  struct Options {
    std::string listen;                      // "host:port"; port 0: any.
    std::unique_ptr<grpc::Service> service;  // LlmService.
    // Lets its answers finish until then, and ends the rest. Run once, by Stop().
    absl::AnyInvocable<void(absl::Time deadline)> stop;
  };
  // kUnavailable: it cannot be listened there.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Options options);
  ~Server();

  int port() const { return port_; }  // What the system chose, for port 0.

  // Says that it is not healthy any more, lets answers finish until `deadline` and ends the rest.
  // Once.
  void Stop(absl::Time deadline);

 private:
  explicit Server(Options options);

  Options options_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace coterie::llm
