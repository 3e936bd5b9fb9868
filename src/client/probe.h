#pragma once

// One question to one node, whether it is alive: asked without waiting, for a stream that has been
// silent. Any answer counts, errors too, but those of gRPC itself. One owner; destroying it is
// quick.

#include <absl/synchronization/notification.h>

#include <memory>
#include <string>

#include "client/connection.h"

namespace coterie::client {

class Probe {
 public:
  Probe(std::shared_ptr<Connection> connection, const std::string& token);
  ~Probe();

  // True within kProbeTimeout at the latest.
  bool HasAnswer() const { return done_.HasBeenNotified(); }
  // Requires HasAnswer().
  bool IsAlive() const;

 private:
  const std::shared_ptr<Connection> connection_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  absl::Notification done_;
};

}  // namespace coterie::client
