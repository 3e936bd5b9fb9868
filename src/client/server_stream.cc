#include "client/server_stream.h"

#include <grpcpp/impl/codegen/rpc_method.h>

#include <utility>

#include "client/probe.h"

namespace coterie::client {
namespace {

// Silence after which the node is asked whether it lives: so many times, since it may be busy.
constexpr absl::Duration kSilenceMax = absl::Seconds(2);
constexpr int kProbesMax = 3;
constexpr absl::Duration kCheckEvery = absl::Milliseconds(50);

}  // namespace

ServerStream::ServerStream(std::shared_ptr<Connection> connection, const char* path,
                           const std::string& token, absl::Time deadline,
                           const google::protobuf::Message& request)
    : connection_(std::move(connection)), token_(token), request_(ToBytes(request)) {
  Prepare(context_, token_, deadline);
  const grpc::internal::RpcMethod method(path, grpc::internal::RpcMethod::SERVER_STREAMING,
                                         connection_->channel());
  grpc::internal::ClientCallbackReaderFactory<grpc::ByteBuffer>::Create<grpc::ByteBuffer>(
      connection_->channel().get(), method, &context_, &request_, this);
  AddHold();  // Take() starts reads from outside of reactions; WaitUntilDone() removes it.
  StartRead(&incoming_);
  StartCall();
}

ServerStream::~ServerStream() {
  Cancel();
  WaitUntilDone();
}

bool ServerStream::WaitUntilReady(absl::Duration timeout) {
  const absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(this, &ServerStream::IsReady), timeout);
}

bool ServerStream::AnswersProbe() {
  Probe probe(connection_, token_);
  while (!probe.HasAnswer()) {
    if (WaitUntilReady(kCheckEvery)) return true;
  }
  return probe.IsAlive();
}

bool ServerStream::Take(grpc::ByteBuffer& message) {
  for (int unanswered = 0; !is_silent_ && !WaitUntilReady(kSilenceMax);) {
    unanswered = AnswersProbe() ? 0 : unanswered + 1;
    is_silent_ = unanswered == kProbesMax;
  }
  if (is_silent_) {
    Cancel();
    WaitUntilReady(absl::InfiniteDuration());
  }
  {
    const absl::MutexLock lock(&mutex_);
    if (!std::exchange(has_message_, false)) return false;
  }
  message.Swap(&incoming_);
  incoming_.Clear();
  StartRead(&incoming_);
  return true;
}

absl::Status ServerStream::Finish() {
  WaitUntilDone();
  if (is_silent_) return absl::UnavailableError("the node has stopped answering");
  const absl::MutexLock lock(&mutex_);
  return FromGrpc(status_);
}

void ServerStream::OnReadDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  (ok ? has_message_ : has_ended_) = true;
}

void ServerStream::OnDone(const grpc::Status& status) {
  const absl::MutexLock lock(&mutex_);
  status_ = status;
  is_done_ = true;
}

void ServerStream::WaitUntilDone() {
  if (!std::exchange(is_released_, true)) RemoveHold();
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_done_));
}

}  // namespace coterie::client
