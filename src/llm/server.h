#pragma once

// The gRPC server of coterie-llm: LlmService with health and reflection on one port.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>

#include "llm/service.h"

namespace grpc {
class Server;
}

namespace coterie::llm {

class Server {
 public:
  // kUnavailable: `listen`, "host:port", cannot be listened at. The others must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const std::string& listen,
                                                       const Model& model, Engine& engine,
                                                       const io::Clock& clock);
  ~Server();

  int port() const { return port_; }  // What the system chose, for port 0.

  // Says that it is not healthy any more, lets answers finish until `deadline`, ends the rest and
  // the engine. Once.
  void Stop(absl::Time deadline);

 private:
  Server(const Model& model, Engine& engine, const io::Clock& clock);

  Engine& engine_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace coterie::llm
