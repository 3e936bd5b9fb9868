#include "rpc/cluster_binding.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>

#include <memory>
#include <utility>

#include "rpc/blob_slice.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kAdmissionTimeout = absl::Seconds(10);

// One who watches. Kept alive by gRPC (self_) until OnDone(), and by callbacks on their way.
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  WatchStream(ClusterWatch& watch, grpc::CallbackServerContext& context)
      : watch_(watch), context_(context) {}

  void Start(Gate& gate, const grpc::ByteBuffer& bytes) {
    self_ = shared_from_this();
    static const Policy& policy = *FindPolicy("coterie.v1.ClusterService.WatchCluster");
    v1::WatchClusterRequest request;
    absl::Status status = gate.Enter(policy, bytes.Length());
    if (status.ok()) {
      gate.Leave(bytes.Length());
      status = Parse(bytes, request);
    }
    if (!status.ok()) return End(status);
    const WatchScope scope = request.local_only() ? WatchScope::kNode : WatchScope::kCluster;
    const std::string authorization = AuthorizationOf(context_);
    gate.authenticator().Admit(
        policy, authorization, absl::Now() + kAdmissionTimeout,
        [self = shared_from_this(), authorization, scope](absl::StatusOr<Caller> caller) {
          if (!caller.ok()) return self->End(caller.status());
          self->Watch(
              {.caller = *std::move(caller), .authorization = authorization, .scope = scope});
        });
  }

 private:
  void Watch(WatchFeed::Options options) {
    auto feed = std::make_shared<WatchFeed>(std::move(options), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Pump();
    });
    if (absl::Status status = watch_.Add(feed); !status.ok()) return End(status);
    bool is_gone = false;
    {
      absl::MutexLock lock(&mutex_);
      is_gone = is_finished_;
      if (!is_gone) feed_ = feed;
    }
    if (is_gone) return watch_.Remove(feed);
    Pump();  // What came between.
  }

  // Writes the next message, unless a write is in flight: its end comes here again.
  void Pump() {
    absl::Status ended;
    {
      absl::MutexLock lock(&mutex_);
      if (feed_ == nullptr || is_finished_ || is_writing_) return;
      WatchFeed::Taken taken = feed_->Take();
      if (taken.message) {
        is_writing_ = true;
        buffer_ = ToByteBuffer(*taken.message);
        // Not without the lock: after Finish() gRPC may have done with this call.
        return StartWrite(&buffer_);
      }
      ended = taken.ended;
    }
    if (!ended.ok()) End(ended);
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
    }
    if (!ok) return End(absl::CancelledError("the client has gone"));
    Pump();
  }
  void OnCancel() override { End(absl::CancelledError("the client has gone")); }
  void OnDone() override {
    std::shared_ptr<WatchFeed> feed;
    {
      absl::MutexLock lock(&mutex_);
      feed = std::move(feed_);
    }
    if (feed != nullptr) watch_.Remove(feed);
    self_.reset();
  }

  void End(const absl::Status& why) {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(why));
  }

  ClusterWatch& watch_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  std::shared_ptr<WatchStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::shared_ptr<WatchFeed> feed_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;  // gRPC's while is_writing_.
};

}  // namespace

ClusterBinding::ClusterBinding(Gate& gate, ClusterWatch& watch) : BoundService(gate) {
  const int index = MethodOf(*v1::WatchClusterRequest::descriptor()).index();
  MarkMethodRawCallback(
      index,
      new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
          [&gate, &watch](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
            auto stream = std::make_shared<WatchStream>(watch, *context);
            stream->Start(gate, *request);
            return stream.get();
          }));
}

}  // namespace coterie::rpc
