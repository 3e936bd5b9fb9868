#pragma once

// Frames to one peer on one lane, in order: a client stream over a connection of its own, so that
// neither a slow peer nor the other lane delays it. Bounded: what does not fit is dropped, which is
// what node::Peers promises. A broken stream is opened anew after a pause of 50 ms to 1 s.
//
// Who sends writes. A write into a socket with room has ended when the call returns, and is settled
// by the thread that made it: nobody is woken for it, as gRPC's callbacks would do for every one.
// What does not end at once, and what is seldom (connecting, finding out how a stream ended,
// pausing), is the lane's own thread's to wait for. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/security/credentials.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "coterie/internal/v1/peer.grpc.pb.h"
#include "node/peers.h"
#include "rpc/peer_greeting.h"
#include "rpc/peer_trouble.h"

namespace coterie::rpc {

// A connection that is shared with nobody and found dead within seconds.
std::shared_ptr<grpc::Channel> ConnectToPeer(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials);

class PeerLane {
 public:
  static constexpr std::size_t kQueuedFramesMax = 8'192;
  static constexpr std::size_t kQueuedBytesMax = 64 << 20;
  static constexpr std::size_t kWriteBytesMax = 1 << 20;

  // `channel`: of ConnectToPeer(), nobody else's. `trouble` may be null.
  PeerLane(std::shared_ptr<grpc::Channel> channel, node::Lane lane, const PeerGreeting& greeting,
           std::unique_ptr<PeerTrouble> trouble);
  // Requires Close(), or that it was never started. Waits for the thread.
  ~PeerLane();
  PeerLane(const PeerLane&) = delete;
  PeerLane& operator=(const PeerLane&) = delete;

  void Start();
  void Send(std::string frame);
  // Cancels the stream; nothing is sent any more. Does not wait.
  void Close();
  // The thread has nothing more to do.
  bool IsGone();

 private:
  class Stream;
  template <class Request>
  class StreamOf;

  // --- The lane's thread ---
  void Run();
  // False when closed.
  bool AwaitFrames();
  void Pause(absl::Duration pause);
  std::unique_ptr<Stream> MakeStream();
  // From connecting to the end. Returns whether it has carried anything.
  bool Carry(Stream& stream);
  void Tend();
  void AwaitFinish(Stream& stream);
  bool AwaitEnd();

  // --- Any thread ---
  // Writes what is queued, unless somebody is writing: who does so goes on with the rest.
  void Pump();
  // What is to be written to, with frames loaded; null if nothing is. Lives until OnWritten().
  Stream* TakeWrite();
  void OnWritten(bool ok);
  void HandOverWrite();
  void ClearQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const node::Lane lane_;
  const PeerGreeting greeting_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<internal::v1::PeerService::Stub> stub_;
  const std::unique_ptr<PeerTrouble> trouble_;  // Of the lane's thread.
  grpc::CompletionQueue ends_;  // One operation at a time, so that it needs no tags.
  absl::Mutex mutex_;
  absl::CondVar changed_;  // Something that the lane's thread waits for.
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // Of the lane's thread.
  bool is_open_ ABSL_GUARDED_BY(mutex_) = false;      // It can be written to.
  bool is_proven_ ABSL_GUARDED_BY(mutex_) = false;    // It has carried something.
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_handed_over_ ABSL_GUARDED_BY(mutex_) = false;  // The write, to the lane's thread.
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_gone_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace coterie::rpc
