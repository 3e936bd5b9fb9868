#include "rpc/assist_binding.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kQueuedMax = 256;

// The client's own deadline, but no later than the policy allows; without one, as late as that.
absl::Time StreamDeadlineOf(const grpc::CallbackServerContext& context, const Policy& policy) {
  return std::min(absl::FromChrono(context.deadline()),
                  absl::Now() + absl::Seconds(policy.seconds_max));
}

// One task's stream. Kept alive by gRPC (self_) until OnDone(), and by the task.
class AssistStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public AssistSink,
                           public std::enable_shared_from_this<AssistStream> {
 public:
  using Body = std::function<absl::Status(AssistTask&)>;

  AssistStream(Gate& gate, WorkThreads& threads, grpc::CallbackServerContext& context)
      : gate_(gate), threads_(threads), context_(context) {}

  // The request has been parsed into `body`, or `status` says why not.
  void Start(const Policy& policy, const absl::Status& status, Body body) {
    self_ = shared_from_this();
    if (!status.ok()) return End(status);
    const absl::Time deadline = StreamDeadlineOf(context_, policy);
    const std::string authorization = AuthorizationOf(context_);
    gate_.authenticator().Admit(
        policy, authorization, deadline,
        [self = shared_from_this(), deadline, authorization,
         body = std::move(body)](absl::StatusOr<Caller> caller) {
          if (!caller.ok()) return self->End(caller.status());
          self->Begin(
              {.caller = *std::move(caller), .deadline = deadline, .authorization = authorization},
              body);
        });
  }

  void Put(const v1::AssistEvent& event) override {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &AssistStream::HasRoom));
      if (is_finished_) return;
      queue_.push_back(Serialize(event));
    }
    Pump();
  }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_finished_ || queue_.size() < kQueuedMax;
  }

  void Begin(Call call, const Body& body) {
    const bool is_taken =
        threads_.TryRun([self = shared_from_this(), call = std::move(call), body] {
          AssistTask task{.call = call, .cancellation = self->cancellation_, .sink = *self};
          const absl::Status status = self->cancellation_.IsCancelled()
                                          ? absl::CancelledError("the caller has gone")
                                          : body(task);
          self->EndAfterQueue(status);
        });
    if (is_taken) return;
    End(Overloaded("This node is busy with as many questions to the model as it takes; try again.",
                   absl::Seconds(5)));
  }

  // Writes the next event, unless a write is in flight: its end comes here again.
  void Pump() {
    bool ends = false;
    {
      absl::MutexLock lock(&mutex_);
      if (is_writing_ || is_finished_) return;
      ends = queue_.empty() && has_result_;
      if (queue_.empty() && !ends) return;
      if (!ends) {
        buffer_.Swap(&queue_.front());
        queue_.pop_front();
        is_writing_ = true;
      }
    }
    if (ends) return End(result_);
    StartWrite(&buffer_);
  }

  void EndAfterQueue(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      result_ = status;
      has_result_ = true;
    }
    Pump();
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (std::exchange(is_finished_, true)) return;
    }
    Finish(ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
    }
    if (ok) return Pump();
    cancellation_.Cancel();
    End(absl::CancelledError("the caller has gone"));
  }
  void OnCancel() override {
    cancellation_.Cancel();
    End(absl::CancelledError("the caller has gone"));
  }
  void OnDone() override { self_.reset(); }

  Gate& gate_;
  WorkThreads& threads_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone(); used in Start() alone.
  Cancellation cancellation_;
  std::shared_ptr<AssistStream> self_;
  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_result_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status result_;  // Constant once has_result_.
  grpc::ByteBuffer buffer_;
};

template <class Request>
auto* HandlerOf(Gate& gate, const AssistService& service, WorkThreads& threads) {
  static const Policy& policy = *FindPolicy(MethodOf(*Request::descriptor()).full_name());
  return new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
      [&gate, &service, &threads](grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* bytes) {
        auto stream = std::make_shared<AssistStream>(gate, threads, *context);
        Request request;
        absl::Status status = gate.Enter(policy, bytes->Length());
        if (status.ok()) {
          gate.Leave(bytes->Length());
          status = Parse(*bytes, request);
        }
        stream->Start(policy, status, [&service, request = std::move(request)](AssistTask& task) {
          return service.Run(task, request);
        });
        return stream.get();
      });
}

}  // namespace

AssistBinding::AssistBinding(Gate& gate, const AssistService& service, WorkThreads& threads)
    : BoundService(gate) {
  const auto index_of = [](const google::protobuf::Descriptor* request) {
    return MethodOf(*request).index();
  };
  MarkMethodRawCallback(index_of(v1::AskRequest::descriptor()),
                        HandlerOf<v1::AskRequest>(gate, service, threads));
  MarkMethodRawCallback(index_of(v1::SummarizeRequest::descriptor()),
                        HandlerOf<v1::SummarizeRequest>(gate, service, threads));
  MarkMethodRawCallback(index_of(v1::GrammarRequest::descriptor()),
                        HandlerOf<v1::GrammarRequest>(gate, service, threads));
  MarkMethodRawCallback(index_of(v1::EnhanceRequest::descriptor()),
                        HandlerOf<v1::EnhanceRequest>(gate, service, threads));
  MarkMethodRawCallback(index_of(v1::ContinueRequest::descriptor()),
                        HandlerOf<v1::ContinueRequest>(gate, service, threads));
}

}  // namespace coterie::rpc
