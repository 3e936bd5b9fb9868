#pragma once

// A call that one node answers with a stream, read to its end. Another node is asked if one fails
// before its first message, and never after: what has been handed on cannot be taken back. Blocks.

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/sync_stream.h>

#include <functional>
#include <memory>
#include <string>

#include "client/connection.h"
#include "client/error_detail.h"
#include "client/nodes.h"

namespace coterie::client {

// `on_message` runs for every message, on this thread; false gives the call up (kCancelled).
// Errors: the cluster's own; kUnavailable = no node could be reached, or the node died in the
// middle. `is_final`: an error that every node would answer alike.
template <class Message>
absl::Status RunServerStream(Nodes& nodes, const char* path,
                             const google::protobuf::Message& request, absl::Time deadline,
                             const std::function<bool(const Message&)>& on_message,
                             const std::function<bool(const absl::Status&)>& is_final = {}) {
  Tour tour(nodes, deadline);
  while (const std::shared_ptr<Connection> connection = tour.Next()) {
    grpc::ClientContext context;
    Prepare(context, nodes.token(), deadline);
    const grpc::internal::RpcMethod method(path, grpc::internal::RpcMethod::SERVER_STREAMING,
                                           connection->channel());
    const std::unique_ptr<grpc::ClientReader<Message>> reader(
        grpc::internal::ClientReaderFactory<Message>::Create(connection->channel().get(), method,
                                                             &context, ToBytes(request)));
    Message message;
    bool has_message = false;
    while (reader->Read(&message)) {
      has_message = true;
      if (!on_message(message)) context.TryCancel();
    }
    const absl::Status status = FromGrpc(reader->Finish());
    if (status.ok()) {
      nodes.Succeeded(connection->address());
      return status;
    }
    if (has_message || (is_final && is_final(status)) || !tour.Absorb(status)) return status;
  }
  return tour.Failure();
}

}  // namespace coterie::client
