#include "client/connection.h"

#include <absl/strings/str_cat.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <climits>
#include <utility>
#include <vector>

#include "errors/connecting.h"

namespace coterie::client {
namespace {

// A document of 64 MiB and what is around it.
constexpr int kReceiveBytesMax = 80 << 20;
constexpr absl::Duration kNudgeTimeout = absl::Seconds(5);
constexpr absl::Duration kReasonTimeout = absl::Milliseconds(100);
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  arguments.SetMaxSendMessageSize(INT_MAX);
  // A node that comes back is noticed within this.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 400);
  // The time that one connection attempt has (the name is misleading: subchannel.cc, gRPC 1.51).
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3000);
  // Each client has connections of its own, and retries by itself.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A proxy for the web is none for a cluster.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address, const Credentials& credentials) {
  if (!credentials.ca_pem) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Arguments());
  }
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = *credentials.ca_pem;
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), Arguments());
}

}  // namespace

// A call that waits for the connection. Nobody waits for its answer: gRPC 1.51 (epoll1) makes
// progress with a connection only while somebody polls for it, as a pending call does, and
// otherwise looks every 5 s (backup_poller.cc).
class Connection::Nudge {
 public:
  explicit Nudge(const std::shared_ptr<grpc::Channel>& channel) {
    const grpc::Slice nothing("");
    request_ = grpc::ByteBuffer(&nothing, 1);
    context_.set_wait_for_ready(true);
    Prepare(context_, "", absl::Now() + kNudgeTimeout);
    grpc::GenericStub stub(channel);
    stub.UnaryCall(&context_, kHealthCheck, grpc::StubOptions(), &request_, &response_,
                   [this](const grpc::Status&) { done_.Notify(); });
  }
  ~Nudge() {
    context_.TryCancel();
    done_.WaitForNotification();
  }
  bool IsDone() const { return done_.HasBeenNotified(); }

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  absl::Notification done_;
};

Connection::Connection(std::string address, const Credentials& credentials)
    : address_(std::move(address)), channel_(Connect(address_, credentials)) {}

Connection::~Connection() = default;

void Connection::KeepConnecting() {
  absl::MutexLock lock(&mutex_);
  if (nudge_ != nullptr && !nudge_->IsDone()) return;
  nudge_ = std::make_unique<Nudge>(channel_);
}

bool Connection::WaitUntilReady(absl::Time deadline) {
  for (;;) {
    const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    const bool has_failed =
        state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN;
    if (has_failed || !channel_->WaitForStateChange(state, absl::ToChronoTime(deadline))) {
      KeepConnecting();
      return false;
    }
  }
}

// A call that does not wait for the connection fails with the error of the last attempt:
// "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused".
std::string Connection::WhyNotReady() {
  if (channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_TRANSIENT_FAILURE) return "";
  const grpc::Slice nothing("");
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  Prepare(context, "", absl::Now() + kReasonTimeout);
  const grpc::Status status = Call(context, kHealthCheck, {&nothing, 1}, response);
  return errors::LastErrorIn(status.error_message());
}

grpc::Status Connection::Call(grpc::ClientContext& context, const char* path,
                              const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  grpc::Status status;
  absl::Notification done;
  Start(context, path, request, response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();  // gRPC ends every call by its deadline.
  return status;
}

void Connection::Start(grpc::ClientContext& context, const char* path,
                       const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
                       std::function<void(grpc::Status)> done) {
  grpc::GenericStub stub(channel_);
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response, std::move(done));
}

grpc::ByteBuffer ToBytes(const google::protobuf::Message& message) {
  const std::string bytes = message.SerializeAsString();
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

absl::Status FromBytes(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  std::vector<grpc::Slice> slices;
  std::string whole;
  if (!bytes.Dump(&slices).ok()) return absl::InternalError("the answer could not be read");
  for (const grpc::Slice& slice : slices) {
    whole.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  if (!message.ParseFromString(whole)) {
    return absl::InternalError("the node's answer is malformed; is it a Coterie node?");
  }
  return absl::OkStatus();
}

void Prepare(grpc::ClientContext& context, const std::string& token, absl::Time deadline) {
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  if (!token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
}

}  // namespace coterie::client
