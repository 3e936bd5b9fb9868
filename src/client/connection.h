#pragma once

// The channel to one node and the single attempts made over it. Not retries: those are Client's.
// Every wait ends by its deadline, however dead, frozen or far the node is. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace coterie::client {

struct Credentials {
  // PEM of the authorities that sign the nodes' certificates; without one no TLS. One that is
  // empty is refused: it does not turn TLS off.
  std::optional<std::string> ca_pem;
};

class Connection {
 public:
  Connection(std::string address, const Credentials& credentials);
  // No call may be under way any more.
  ~Connection();

  // Waits until the channel is connected; false as soon as connecting failed, or at `deadline`. The
  // channel goes on connecting in the background, so that a far node is ready for a later attempt.
  bool WaitUntilReady(absl::Time deadline);

  // Why connecting failed just now, in gRPC's words ("Connection refused"); empty = it does not
  // tell, or the channel is trying again. Takes no longer than a moment.
  std::string WhyNotReady();

  // One unary call, until its context's deadline.
  grpc::Status Call(grpc::ClientContext& context, const char* path, const grpc::ByteBuffer& request,
                    grpc::ByteBuffer& response);

  // As Call, without waiting: `done` runs on a thread of gRPC's. All references live until then.
  void Start(grpc::ClientContext& context, const char* path, const grpc::ByteBuffer& request,
             grpc::ByteBuffer& response, std::function<void(grpc::Status)> done);

  const std::string& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  class Nudge;
  void KeepConnecting();

  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  absl::Mutex mutex_;
  std::unique_ptr<Nudge> nudge_ ABSL_GUARDED_BY(mutex_);
};

// A message as bytes on the wire, and back: kInternal when they are not one.
grpc::ByteBuffer ToBytes(const google::protobuf::Message& message);
absl::Status FromBytes(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);

// A Bearer token and a deadline on a new call. An empty token is left out.
void Prepare(grpc::ClientContext& context, const std::string& token, absl::Time deadline);

}  // namespace coterie::client
