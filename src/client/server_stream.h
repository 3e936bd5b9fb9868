#pragma once

// A call that one node answers with a stream, read to its end. Another node is asked if one fails
// before its first message, and never after: what has been handed on cannot be taken back. A node
// that is silent is asked whether it lives. Blocks.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>
#include <string>

#include "client/connection.h"
#include "client/error_detail.h"
#include "client/nodes.h"

namespace coterie::client {

// One node's stream. gRPC's threads read it, one message ahead of who takes them: however long that
// one takes over a message, the node's pings are answered. One thread takes; it outlives no call.
class ServerStream final : private grpc::ClientReadReactor<grpc::ByteBuffer> {
 public:
  ServerStream(std::shared_ptr<Connection> connection, const char* path, const std::string& token,
               absl::Time deadline, const google::protobuf::Message& request);
  // Ends the call, if it has not ended, and waits until gRPC knows.
  ~ServerStream() override;

  // Waits for the next message; false at the stream's end, which comes by the deadline, or soon
  // after the node has stopped answering (kUnavailable).
  bool Take(grpc::ByteBuffer& message);
  void Cancel() { context_.TryCancel(); }
  // How it ended, once Take() was false.
  absl::Status Finish();

 private:
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return has_message_ || has_ended_; }
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void WaitUntilDone();
  // Whether there is something to take, or the end, by then.
  bool WaitUntilReady(absl::Duration timeout);
  bool AnswersProbe();

  const std::shared_ptr<Connection> connection_;
  const std::string token_;
  const grpc::ByteBuffer request_;
  bool is_silent_ = false;
  bool is_released_ = false;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;  // gRPC's while a read is under way, else of who takes.
  absl::Mutex mutex_;
  bool has_message_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_done_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

// `on_message` runs for every message, on this thread; false gives the call up (kCancelled).
// Errors: the cluster's own; kUnavailable = no node could be reached, or the node died in the
// middle. `is_final`: an error that every node would answer alike. `is_lasting`: that a message may
// not be followed by another node's answer from its beginning; empty = none may.
template <class Message>
absl::Status RunServerStream(Nodes& nodes, const char* path,
                             const google::protobuf::Message& request, absl::Time deadline,
                             const std::function<bool(const Message&)>& on_message,
                             const std::function<bool(const absl::Status&)>& is_final = {},
                             const std::function<bool(const Message&)>& is_lasting = {}) {
  Tour tour(nodes, deadline);
  while (const std::shared_ptr<Connection> connection = tour.Next()) {
    ServerStream stream(connection, path, nodes.token(), deadline, request);
    grpc::ByteBuffer bytes;
    Message message;
    bool has_message = false;
    absl::Status parsed;
    while (stream.Take(bytes)) {
      if (parsed.ok()) parsed = FromBytes(bytes, message);
      has_message = has_message || !parsed.ok() || !is_lasting || is_lasting(message);
      if (!parsed.ok() || !on_message(message)) stream.Cancel();
    }
    const absl::Status status = parsed.ok() ? stream.Finish() : parsed;
    if (status.ok()) {
      nodes.Succeeded(connection->address());
      return status;
    }
    if (has_message || (is_final && is_final(status)) || !tour.Absorb(status)) return status;
  }
  return tour.Failure();
}

}  // namespace coterie::client
