#include "rpc/peer_lane.h"

#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kPauseMin = absl::Milliseconds(50);
constexpr absl::Duration kPauseMax = absl::Seconds(1);

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

// One life of the connection. Owns itself: deleted when gRPC is done with it.
class PeerLane::Stream {
 public:
  virtual ~Stream() = default;
  // Takes frames from the front of `queue`; returns their bytes.
  virtual std::size_t Load(std::deque<std::string>& queue) = 0;
  virtual void StartLoadedWrite() = 0;
  // No write is in flight and none will follow.
  virtual void Release() = 0;
  virtual void Cancel() = 0;
};

template <class Request>
class PeerLane::StreamOf final : public Stream, public grpc::ClientWriteReactor<Request> {
 public:
  explicit StreamOf(std::shared_ptr<PeerLane> lane) : lane_(std::move(lane)) {
    context_.AddMetadata(kClusterIdKey, lane_->cluster_id_);
    if constexpr (std::is_same_v<Request, internal::v1::FramesRequest>) {
      lane_->stub_->async()->Appends(&context_, &response_, this);
    } else {
      lane_->stub_->async()->Control(&context_, &response_, this);
    }
    this->AddHold();  // Writes start from outside of reactions; Release() removes it.
  }
  void Start() { this->StartCall(); }

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
  void StartLoadedWrite() override { this->StartWrite(&request_); }
  void Release() override { this->RemoveHold(); }
  void Cancel() override { context_.TryCancel(); }

 private:
  using Response = std::conditional_t<std::is_same_v<Request, internal::v1::FramesRequest>,
                                      internal::v1::FramesResponse, internal::v1::ControlResponse>;

  void OnWriteDone(bool ok) override { lane_->OnWritten(ok); }
  void OnDone(const grpc::Status& /*status*/) override {
    const std::shared_ptr<PeerLane> lane = std::move(lane_);
    delete this;
    lane->OnStreamDone();
  }

  std::shared_ptr<PeerLane> lane_;
  grpc::ClientContext context_;
  Request request_;
  Response response_;
};

PeerLane::PeerLane(std::shared_ptr<grpc::Channel> channel, node::Lane lane,
                   std::uint64_t cluster_id)
    : lane_(lane),
      cluster_id_(std::to_string(cluster_id)),
      channel_(std::move(channel)),
      stub_(internal::v1::PeerService::NewStub(channel_)),
      pause_(kPauseMin) {}

PeerLane::~PeerLane() = default;

void PeerLane::ClearQueue() {
  queue_.clear();
  queued_bytes_ = 0;
}

void PeerLane::Send(std::string frame) {
  bool opens = false;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kClosed || queue_.size() >= kQueuedFramesMax ||
        queued_bytes_ + frame.size() > kQueuedBytesMax) {
      return;
    }
    queued_bytes_ += frame.size();
    queue_.push_back(std::move(frame));
    opens = state_ == State::kIdle;
    if (opens) state_ = State::kOpening;
  }
  if (opens) OpenStream();
  Pump();
}

void PeerLane::OpenStream() {
  const auto open = [this](auto* stream) {
    {
      absl::MutexLock lock(&mutex_);
      stream_ = stream;
      is_writing_ = false;
      is_proven_ = false;
      if (state_ == State::kOpening) state_ = State::kOpen;
      if (state_ == State::kClosed) stream->Cancel();
    }
    stream->Start();
  };
  if (lane_ == node::Lane::kAppends) {
    open(new StreamOf<internal::v1::FramesRequest>(shared_from_this()));
  } else {
    open(new StreamOf<internal::v1::ControlRequest>(shared_from_this()));
  }
  Release();
}

void PeerLane::Pump() {
  Stream* stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kOpen || is_writing_ || queue_.empty()) return;
    // A write into a connection that is gone would lose its frames.
    const bool is_lost = is_proven_ && channel_->GetState(false) != GRPC_CHANNEL_READY;
    if (is_lost) {
      state_ = State::kBroken;
    } else {
      is_writing_ = true;
      queued_bytes_ -= stream_->Load(queue_);
      stream = stream_;
    }
  }
  if (stream == nullptr) return Release();
  stream->StartLoadedWrite();  // It lives: its end is only told when no write is in flight.
}

void PeerLane::OnWritten(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    CHECK(is_writing_);
    is_writing_ = false;
    if (ok) {
      pause_ = kPauseMin;
      is_proven_ = true;
    } else {
      if (state_ == State::kOpen) state_ = State::kBroken;
      ClearQueue();  // Old by the time that the peer is back; its sender tries again.
    }
  }
  if (ok) Pump();
  Release();
}

void PeerLane::Release() {
  Stream* stream = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    const bool is_ending = state_ == State::kBroken || state_ == State::kClosed;
    if (!is_ending || is_writing_ || stream_ == nullptr || is_released_) return;
    is_released_ = true;
    stream = stream_;
  }
  stream->Release();
}

void PeerLane::OnStreamDone() {
  absl::MutexLock lock(&mutex_);
  stream_ = nullptr;
  is_released_ = false;
  if (state_ == State::kClosed) return;
  state_ = State::kPausing;
  is_alarm_set_ = true;
  alarm_.Set(absl::ToChronoTime(absl::Now() + pause_),
             [self = shared_from_this()](bool /*ok*/) { self->OnPauseOver(); });
  pause_ = std::min(pause_ * 2, kPauseMax);
}

void PeerLane::OnPauseOver() {
  bool opens = false;
  {
    absl::MutexLock lock(&mutex_);
    is_alarm_set_ = false;
    if (state_ != State::kPausing) return;
    opens = !queue_.empty();
    state_ = opens ? State::kOpening : State::kIdle;
  }
  if (!opens) return;
  OpenStream();
  Pump();
}

void PeerLane::Close() {
  bool is_pausing = false;
  {
    absl::MutexLock lock(&mutex_);
    is_pausing = state_ == State::kPausing;
    state_ = State::kClosed;
    ClearQueue();
    if (stream_ != nullptr) stream_->Cancel();
  }
  if (is_pausing) alarm_.Cancel();
  Release();
}

void PeerLane::WaitUntilClosed() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &PeerLane::IsGone));
}

}  // namespace coterie::rpc
