#include "client/server_stream.h"

#include <grpcpp/impl/codegen/rpc_method.h>

#include <utility>

namespace coterie::client {

ServerStream::ServerStream(std::shared_ptr<Connection> connection, const char* path,
                           const std::string& token, absl::Time deadline,
                           const google::protobuf::Message& request)
    : connection_(std::move(connection)), request_(ToBytes(request)) {
  Prepare(context_, token, deadline);
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

bool ServerStream::Take(grpc::ByteBuffer& message) {
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &ServerStream::IsReady));
    if (!std::exchange(has_message_, false)) return false;
  }
  message.Swap(&incoming_);
  incoming_.Clear();
  StartRead(&incoming_);
  return true;
}

absl::Status ServerStream::Finish() {
  WaitUntilDone();
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
