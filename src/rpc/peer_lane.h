#pragma once

// Frames to one peer on one lane, in order: a client stream over a connection of its own, so that
// neither a slow peer nor the other lane delays it. Bounded: what does not fit is dropped, which is
// what node::Peers promises. A broken stream is opened anew after a pause of 50 ms to 1 s. Any
// thread; hold it in a shared_ptr, and Close() it: the stream holds it, too.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "coterie/internal/v1/peer.grpc.pb.h"
#include "node/peers.h"

namespace coterie::rpc {

// What a peer asks of who connects: both nodes are of one cluster.
inline constexpr char kClusterIdKey[] = "coterie-cluster-id";

// A connection that is shared with nobody and found dead within seconds.
std::shared_ptr<grpc::Channel> ConnectToPeer(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials);

class PeerLane : public std::enable_shared_from_this<PeerLane> {
 public:
  static constexpr std::size_t kQueuedFramesMax = 8'192;
  static constexpr std::size_t kQueuedBytesMax = 64 << 20;
  static constexpr std::size_t kWriteBytesMax = 1 << 20;

  // `channel`: of ConnectToPeer(), nobody else's.
  PeerLane(std::shared_ptr<grpc::Channel> channel, node::Lane lane, std::uint64_t cluster_id);
  ~PeerLane();

  void Send(std::string frame);
  // Cancels the stream; nothing is sent any more.
  void Close();
  // Waits until no callback of gRPC's can come any more. Requires Close().
  void WaitUntilClosed();

 private:
  class Stream;
  template <class Request>
  class StreamOf;

  enum class State : std::uint8_t {
    kIdle,     // No stream. The next frame opens one.
    kOpening,  // One thread is making the stream.
    kOpen,
    kBroken,   // The stream's end is awaited.
    kPausing,  // Before the next one.
    kClosed,
  };

  void OpenStream();
  // Writes what is queued, unless a write is in flight: then its end comes here again.
  void Pump();
  void OnWritten(bool ok);
  // Lets a stream go that is to end and has no write in flight.
  void Release();
  void OnStreamDone();
  void OnPauseOver();
  void ClearQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsGone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stream_ == nullptr && !is_alarm_set_;
  }

  const node::Lane lane_;
  const std::string cluster_id_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<internal::v1::PeerService::Stub> stub_;
  absl::Mutex mutex_;
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Owns itself until it is done.
  bool is_released_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_proven_ ABSL_GUARDED_BY(mutex_) = false;  // The stream has carried something.
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_alarm_set_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_);
  grpc::Alarm alarm_;
};

}  // namespace coterie::rpc
