#pragma once

// The gRPC server of coterie-llm: LlmService with health and reflection on one port.

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

namespace grpc {
class Server;
}

namespace coterie::llm {

// Paths of PEM files; "" = none.
struct TlsFiles {
  std::string certificate;  // With the chain that leads to its authority,
  std::string key;          // and its key. Both or neither; neither = no TLS.
  // Who signs the certificates of those who may ask; "" = whoever reaches the port may.
  std::string client_authority;
};
// kInvalidArgument, naming flag and file: what does not fit, or cannot be read.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> LoadCredentials(const TlsFiles& files);

class Server {
 public:
  struct Options {
    std::string listen;  // "host:port"; port 0: any.
    std::shared_ptr<grpc::ServerCredentials> credentials;
    std::unique_ptr<grpc::Service> service;  // LlmService.
    // Lets its answers finish until then, and ends the rest. Run once, by Stop().
    absl::AnyInvocable<void(absl::Time deadline)> stop;
  };
  // kUnavailable: it cannot be listened there.
  static absl::StatusOr<std::unique_ptr<Server>> Start(Options options);
  ~Server();

  int port() const { return port_; }  // What the system chose, for port 0.

  // What grpc.health.v1 answers; true from the start on, false for good once it is stopped.
  void SetHealthy(bool is_healthy);

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
