#include "rpc/event_service.h"

#include <absl/synchronization/mutex.h>

#include <memory>
#include <utility>

#include "base/check.h"
#include "rpc/blob_slice.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {
namespace {

constexpr int kDocumentsMax = 1'000;
constexpr absl::Duration kAdmissionTimeout = absl::Seconds(10);

// One subscriber. Kept alive by gRPC (self_) until OnDone(), and by callbacks that are on their
// way.
Texts TextsOf(const v1::SubscribeRequest& request) {
  if (request.without_text()) return Texts::kWithout;
  return request.with_updates() ? Texts::kWithUpdates : Texts::kWith;
}

class SubscribeStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                              public std::enable_shared_from_this<SubscribeStream> {
 public:
  SubscribeStream(Gate& gate, EventHub& hub, grpc::CallbackServerContext& context)
      : gate_(gate), hub_(hub), context_(context) {}

  void Start(const grpc::ByteBuffer& bytes) {
    self_ = shared_from_this();
    static const Policy& policy = *FindPolicy("coterie.v1.EventService.Subscribe");
    v1::SubscribeRequest request;
    absl::Status status = gate_.Enter(policy, bytes.Length());
    if (status.ok()) {
      gate_.Leave(bytes.Length());
      status = Parse(bytes, request);
    }
    if (status.ok() && request.documents_size() > kDocumentsMax) {
      status = Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                     "More than 1000 documents are asked for; subscribe to all and filter.");
    }
    if (!status.ok()) return End(status);
    gate_.authenticator().Admit(
        policy, AuthorizationOf(context_), absl::Now() + kAdmissionTimeout,
        [self = shared_from_this(), request = std::move(request)](absl::StatusOr<Caller> caller) {
          if (!caller.ok()) return self->End(caller.status());
          self->Subscribe(*std::move(caller), request);
        });
  }

 private:
  void Subscribe(Caller caller, const v1::SubscribeRequest& request) {
    EventFeed::Options options{
        .caller = std::move(caller),
        .after = Revision(request.after_revision()),
        .from_now = request.from_now(),
        .documents = {request.documents().begin(), request.documents().end()},
        .texts = TextsOf(request)};
    auto feed = std::make_shared<EventFeed>(std::move(options), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Pump();
    });
    bool is_gone = false;
    if (absl::Status status = hub_.Add(feed); !status.ok()) return End(status);
    {
      absl::MutexLock lock(&mutex_);
      is_gone = is_finished_;
      if (!is_gone) feed_ = feed;
    }
    if (is_gone) return hub_.Remove(feed);
    Pump();  // What came between.
  }

  // Writes the next message, unless a write is in flight: its end comes here again.
  void Pump() {
    std::shared_ptr<EventFeed> feed;
    EventFeed::Taken taken;
    {
      absl::MutexLock lock(&mutex_);
      if (feed_ == nullptr || is_finished_) return;
      if (is_writing_) {
        // OnCancel() ends it: nothing else does while the client takes nothing.
        if (feed_->IsCutOff()) context_.TryCancel();
        return;
      }
      feed = feed_;
      taken = feed_->Take();
      if (taken.message) {
        is_writing_ = true;
        buffer_ = ToByteBuffer(*taken.message);
        // Not without the lock: after Finish() gRPC may have done with this call.
        StartWrite(&buffer_,
                   taken.has_more ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions());
      }
    }
    if (taken.message) return;
    if (!taken.ended.ok()) return End(taken.ended);
    if (taken.wants_page) hub_.Drained(feed);
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
    std::shared_ptr<EventFeed> feed;
    {
      absl::MutexLock lock(&mutex_);
      feed = std::move(feed_);
    }
    if (feed != nullptr) hub_.Remove(feed);
    self_.reset();
  }

  void End(const absl::Status& why) {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(why));
  }

  Gate& gate_;
  EventHub& hub_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  std::shared_ptr<SubscribeStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::shared_ptr<EventFeed> feed_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;
};

}  // namespace

EventService::EventService(Gate& gate, EventHub& hub) {
  const int index = MethodOf(*v1::SubscribeRequest::descriptor()).index();
  MarkMethodRawCallback(
      index,
      new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
          [&gate, &hub](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
            auto stream = std::make_shared<SubscribeStream>(gate, hub, *context);
            stream->Start(*request);
            return stream.get();
          }));
}

}  // namespace coterie::rpc
