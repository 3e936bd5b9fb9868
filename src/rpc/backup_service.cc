#include "rpc/backup_service.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "coterie/v1/backup.pb.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {
namespace {

absl::Status Stalled(absl::Duration stalled_max) {
  return absl::AbortedError(
      absl::StrCat("The client took nothing of the backup for ", absl::FormatDuration(stalled_max),
                   ", and this node has given up its copy. What was received is cut off and worth "
                   "nothing; begin again, into a file or a pipe that keeps up."));
}

// One reader. Kept alive by gRPC (self_) until OnDone(), and by callbacks that are on their way.
class BackupStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public std::enable_shared_from_this<BackupStream> {
 public:
  BackupStream(Gate& gate, Backups& backups, absl::Duration stalled_max,
               grpc::CallbackServerContext& context)
      : gate_(gate), backups_(backups), stalled_max_(stalled_max), context_(context) {}

  void Start(const grpc::ByteBuffer& bytes) {
    self_ = shared_from_this();
    static const Policy& policy = *FindPolicy("coterie.v1.BackupService.TakeBackup");
    v1::TakeBackupRequest request;
    absl::Status status = gate_.Enter(policy, bytes.Length());
    if (status.ok()) {
      gate_.Leave(bytes.Length());
      status = Parse(bytes, request);
    }
    if (!status.ok()) return End(status);
    backups_.Begin(AuthorizationOf(context_),
                   [self = shared_from_this()](absl::StatusOr<std::shared_ptr<BackupRun>> run) {
                     if (!run.ok()) return self->End(run.status());
                     absl::MutexLock lock(&self->mutex_);
                     if (self->is_finished_) return;
                     self->run_ = *std::move(run);
                     self->WriteNext();
                   });
  }

 private:
  void OnWriteDone(bool ok) override {
    if (!ok) return OnCancel();
    absl::MutexLock lock(&mutex_);
    if (run_ == nullptr) return Close(Stalled(stalled_max_));  // Written too late.
    WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (const absl::Status status = backups_.Check(*run_); !status.ok()) return Close(status);
    absl::StatusOr<std::string> piece = run_->Next();
    if (!piece.ok()) return Close(piece.status());
    if (piece->empty()) return Close(absl::OkStatus());
    Write(*std::move(piece));
  }

  void Write(std::string bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_finished_) return;
    v1::TakeBackupResponse message;
    message.set_data(std::move(bytes));
    buffer_ = Serialize(message);
    StartWrite(&buffer_);
    ++writes_;
    alarm_.emplace();  // Each rings once.
    alarm_->Set(absl::ToChronoTime(absl::Now() + stalled_max_),
                [weak = weak_from_this(), write = writes_](bool has_rung) {
                  if (!has_rung) return;
                  if (const auto self = weak.lock()) self->OnAlarm(write);
                });
  }

  // Nothing else ends this while the client takes nothing and its connection lives.
  void OnAlarm(std::uint64_t write) {
    absl::MutexLock lock(&mutex_);
    if (is_finished_ || write != writes_) return;
    GiveBack();
    // Finish() would wait behind the write. This overtakes it; of the status it takes along only
    // code and text. OnCancel() follows.
    const grpc::Status status = ToGrpc(Stalled(stalled_max_));
    const grpc_call_error error =
        grpc_call_cancel_with_status(context_.c_call(), GRPC_STATUS_ABORTED,
                                     status.error_message().c_str(), /*reserved=*/nullptr);
    CHECK(error == GRPC_CALL_OK);
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    Close(status);
  }
  void Close(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    GiveBack();
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(status));
  }
  void GiveBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    alarm_.reset();
    run_.reset();
  }
  void OnCancel() override { End(absl::CancelledError("the client has gone")); }
  void OnDone() override { self_.reset(); }

  Gate& gate_;
  Backups& backups_;
  const absl::Duration stalled_max_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  std::shared_ptr<BackupStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::shared_ptr<BackupRun> run_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);  // Of the write that is in flight.
  std::uint64_t writes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;
};

}  // namespace

BackupService::BackupService(Gate& gate, Backups& backups, absl::Duration stalled_max) {
  const int index = MethodOf(*v1::TakeBackupRequest::descriptor()).index();
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [&gate, &backups, stalled_max](grpc::CallbackServerContext* context,
                                                const grpc::ByteBuffer* request) {
                   auto stream =
                       std::make_shared<BackupStream>(gate, backups, stalled_max, *context);
                   stream->Start(*request);
                   return stream.get();
                 }));
}

}  // namespace coterie::rpc
