#include "rpc/assist_binding.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <grpc/grpc.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

// The client's own deadline, but no later than the policy allows; without one, as late as that.
absl::Time StreamDeadlineOf(const grpc::CallbackServerContext& context, const Policy& policy) {
  return std::min(absl::FromChrono(context.deadline()),
                  absl::Now() + absl::Seconds(policy.seconds_max));
}

// One task's stream. Kept alive by gRPC (self_) until OnDone().
class AssistStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public std::enable_shared_from_this<AssistStream> {
 public:
  explicit AssistStream(grpc::CallbackServerContext& context) : context_(context) {}

  void Start(AssistRuns& runs, const AssistRuns::Method& method, const grpc::ByteBuffer& bytes) {
    self_ = shared_from_this();
    run_ = runs.NewRun({.changed =
                            [weak = weak_from_this()] {
                              if (const auto self = weak.lock()) self->Pump();
                            },
                        .cut_off =
                            [weak = weak_from_this()](const absl::Status& why) {
                              if (const auto self = weak.lock()) self->CutOff(why);
                            }});
    absl::Status status = runs.Enter(method, bytes.Length());
    const AssistRuns::MessagePtr message = method.make_request();
    if (status.ok()) status = Parse(bytes, *message);
    if (!status.ok()) return run_->End(status);
    runs.Start(method,
               {.authorization = AuthorizationOf(context_),
                .deadline = StreamDeadlineOf(context_, *method.policy),
                .message = message},
               run_);
  }

 private:
  // Writes the next event, unless a write is in flight: its end comes here again.
  void Pump() {
    AssistRun::Taken taken;
    {
      absl::MutexLock lock(&mutex_);
      if (is_writing_ || is_finished_) return;
      taken = run_->Take();
      if (taken.event) {
        buffer_ = Serialize(*taken.event);
        is_writing_ = true;
        // Not without the lock: after Finish() gRPC may have done with this call.
        StartWrite(&buffer_);
      }
    }
    if (taken.end) End(*taken.end);
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(status));
  }

  // Finish() would wait behind the write that is in flight. This overtakes it; of the status it
  // takes along only code and text. OnCancel() follows.
  void CutOff(const absl::Status& why) {
    absl::MutexLock lock(&mutex_);
    if (is_finished_) return;
    const grpc::Status status = ToGrpc(why);
    const grpc_call_error error = grpc_call_cancel_with_status(
        context_.c_call(), static_cast<grpc_status_code>(status.error_code()),
        status.error_message().c_str(), /*reserved=*/nullptr);
    CHECK(error == GRPC_CALL_OK);
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
    }
    if (ok) return Pump();
    OnCancel();
  }
  void OnCancel() override {
    run_->Cancel();
    End(absl::CancelledError("the caller has gone"));
  }
  void OnDone() override { self_.reset(); }

  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  std::shared_ptr<AssistStream> self_;
  std::shared_ptr<AssistRun> run_;  // Constant after Start().
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;  // gRPC's while is_writing_.
};

}  // namespace

AssistBinding::AssistBinding(Gate& gate, AssistRuns& runs) : BoundService(gate) {
  for (const auto& [name, method] : runs.methods()) {
    const google::protobuf::MethodDescriptor& descriptor =
        MethodOf(*method.make_request()->GetDescriptor());
    MarkMethodRawCallback(
        descriptor.index(),
        new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
            [&runs, &method = method](grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* bytes) {
              auto stream = std::make_shared<AssistStream>(*context);
              stream->Start(runs, method, *bytes);
              return stream.get();
            }));
  }
}

}  // namespace coterie::rpc
