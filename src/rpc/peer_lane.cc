#include "rpc/peer_lane.h"

#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/channel_arguments.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kPauseMin = absl::Milliseconds(50);
constexpr absl::Duration kPauseMax = absl::Seconds(1);
constexpr absl::Duration kFinishTimeout = absl::Milliseconds(100);

}  // namespace

std::shared_ptr<grpc::Channel> ConnectToPeer(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // The time that one connection attempt has (the name is misleading: subchannel.cc, gRPC 1.51).
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  // A cut or frozen connection is given up after these, not after TCP's minutes.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

// One life of the connection. Its operations end in the lane's queue, one after the other.
class PeerLane::Stream {
 public:
  virtual ~Stream() = default;
  virtual void Start() = 0;
  // Takes frames from the front of `queue`; returns their bytes.
  virtual std::size_t Load(std::deque<std::string>& queue) = 0;
  virtual void StartLoadedWrite() = 0;
  // No write is in flight and none will follow.
  virtual void StartFinish() = 0;
  // How it ended; requires that it is finished.
  virtual const grpc::Status& status() const = 0;
  // Any thread.
  virtual void Cancel() = 0;
};

template <class Request>
class PeerLane::StreamOf final : public Stream {
 public:
  explicit StreamOf(PeerLane& lane) {
    lane.greeting_.AddTo(context_);
    if constexpr (std::is_same_v<Request, internal::v1::FramesRequest>) {
      writer_ = lane.stub_->PrepareAsyncAppends(&context_, &response_, &lane.ends_);
    } else {
      writer_ = lane.stub_->PrepareAsyncControl(&context_, &response_, &lane.ends_);
    }
  }

  void Start() override { writer_->StartCall(nullptr); }
  std::size_t Load(std::deque<std::string>& queue) override {
    request_.Clear();
    std::size_t bytes = 0;
    while (!queue.empty() && (bytes == 0 || bytes + queue.front().size() <= kWriteBytesMax)) {
      bytes += queue.front().size();
      request_.add_frames(std::move(queue.front()));
      queue.pop_front();
    }
    return bytes;
  }
  void StartLoadedWrite() override { writer_->Write(request_, nullptr); }
  void StartFinish() override { writer_->Finish(&status_, nullptr); }
  const grpc::Status& status() const override { return status_; }
  void Cancel() override { context_.TryCancel(); }

 private:
  using Response = std::conditional_t<std::is_same_v<Request, internal::v1::FramesRequest>,
                                      internal::v1::FramesResponse, internal::v1::ControlResponse>;

  grpc::ClientContext context_;
  Request request_;
  Response response_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncWriter<Request>> writer_;
};

PeerLane::PeerLane(std::shared_ptr<grpc::Channel> channel, node::Lane lane,
                   const PeerGreeting& greeting, std::unique_ptr<PeerTrouble> trouble)
    : lane_(lane),
      greeting_(greeting),
      channel_(std::move(channel)),
      stub_(internal::v1::PeerService::NewStub(channel_)),
      trouble_(std::move(trouble)) {}

PeerLane::~PeerLane() {
  absl::MutexLock lock(&mutex_);
  CHECK(is_closed_ || !thread_.joinable());
}

void PeerLane::Start() {
  thread_ = std::jthread([this] {
    static_cast<void>(pthread_setname_np(pthread_self(), "peer lane"));
    Run();
  });
}

void PeerLane::Send(std::string frame) {
  {
    absl::MutexLock lock(&mutex_);
    if (is_closed_ || queue_.size() >= kQueuedFramesMax ||
        queued_bytes_ + frame.size() > kQueuedBytesMax) {
      return;
    }
    queued_bytes_ += frame.size();
    queue_.push_back(std::move(frame));
    if (stream_ == nullptr) changed_.Signal();
  }
  Pump();
}

void PeerLane::Close() {
  absl::MutexLock lock(&mutex_);
  is_closed_ = true;
  ClearQueue();
  if (stream_ != nullptr) stream_->Cancel();
  changed_.SignalAll();
}

bool PeerLane::IsGone() {
  absl::MutexLock lock(&mutex_);
  return is_gone_;
}

void PeerLane::ClearQueue() {
  queue_.clear();
  queued_bytes_ = 0;
}

// --- Any thread ---

void PeerLane::Pump() {
  while (Stream* const stream = TakeWrite()) {
    stream->StartLoadedWrite();
    void* tag = nullptr;
    bool ok = false;
    const auto ended = ends_.AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC));
    if (ended != grpc::CompletionQueue::GOT_EVENT) return HandOverWrite();
    OnWritten(ok);
  }
}

PeerLane::Stream* PeerLane::TakeWrite() {
  absl::MutexLock lock(&mutex_);
  if (!is_open_ || is_closed_ || is_writing_ || queue_.empty()) return nullptr;
  // A write into a connection that is gone would lose its frames.
  if (is_proven_ && channel_->GetState(false) != GRPC_CHANNEL_READY) {
    is_open_ = false;
    changed_.Signal();
    return nullptr;
  }
  is_writing_ = true;
  queued_bytes_ -= stream_->Load(queue_);
  return stream_;
}

void PeerLane::OnWritten(bool ok) {
  absl::MutexLock lock(&mutex_);
  CHECK(is_writing_);
  is_writing_ = false;
  is_handed_over_ = false;
  if (ok) {
    is_proven_ = true;
  } else {
    is_open_ = false;
    ClearQueue();  // Old by the time that the peer is back; its sender tries again.
  }
  if (!is_open_ || is_closed_) changed_.Signal();
}

void PeerLane::HandOverWrite() {
  absl::MutexLock lock(&mutex_);
  CHECK(is_writing_ && !is_handed_over_);
  is_handed_over_ = true;
  changed_.Signal();
}

// --- The lane's thread ---

void PeerLane::Run() {
  absl::Duration pause = kPauseMin;
  while (AwaitFrames()) {
    if (Carry(*MakeStream())) pause = kPauseMin;
    Pause(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
  ends_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  CHECK(!ends_.Next(&tag, &ok));  // All operations have been waited for.
  absl::MutexLock lock(&mutex_);
  is_gone_ = true;
}

bool PeerLane::AwaitFrames() {
  absl::MutexLock lock(&mutex_);
  while (queue_.empty() && !is_closed_) changed_.Wait(&mutex_);
  return !is_closed_;
}

void PeerLane::Pause(absl::Duration pause) {
  const absl::Time end = absl::Now() + pause;
  absl::MutexLock lock(&mutex_);
  while (!is_closed_ && !changed_.WaitWithDeadline(&mutex_, end)) {
  }
}

std::unique_ptr<PeerLane::Stream> PeerLane::MakeStream() {
  if (lane_ == node::Lane::kAppends) {
    return std::make_unique<StreamOf<internal::v1::FramesRequest>>(*this);
  }
  return std::make_unique<StreamOf<internal::v1::ControlRequest>>(*this);
}

bool PeerLane::Carry(Stream& stream) {
  const absl::Time began = absl::Now();
  {
    absl::MutexLock lock(&mutex_);
    stream_ = &stream;
    if (is_closed_) stream.Cancel();  // Close() has not seen it.
  }
  stream.Start();
  const bool is_connected = AwaitEnd();
  {
    absl::MutexLock lock(&mutex_);
    is_open_ = is_connected;
    if (!is_connected) ClearQueue();
  }
  Pump();
  Tend();
  stream.StartFinish();
  AwaitFinish(stream);
  bool has_carried = false;
  {
    absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
    has_carried = std::exchange(is_proven_, false);
    if (is_closed_) return has_carried;
  }
  if (trouble_ != nullptr) {
    trouble_->StreamEnded({.status = stream.status(),
                           .began = began,
                           .ended = absl::Now(),
                           .has_carried = has_carried});
  }
  return has_carried;
}

// Until the stream is of no use any more, and nobody writes to it.
void PeerLane::Tend() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      while (!is_handed_over_ && (is_writing_ || (is_open_ && !is_closed_))) {
        changed_.Wait(&mutex_);
      }
      if (!is_handed_over_) {
        is_open_ = false;
        return;
      }
    }
    OnWritten(AwaitEnd());
    Pump();
  }
}

// It has ended, or is about to. Cancelled at once it might not say why.
void PeerLane::AwaitFinish(Stream& stream) {
  void* tag = nullptr;
  bool ok = false;
  const auto deadline = absl::ToChronoTime(absl::Now() + kFinishTimeout);
  if (ends_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) return;
  stream.Cancel();
  static_cast<void>(AwaitEnd());
}

bool PeerLane::AwaitEnd() {
  void* tag = nullptr;
  bool ok = false;
  CHECK(ends_.Next(&tag, &ok));
  return ok;
}

}  // namespace coterie::rpc
