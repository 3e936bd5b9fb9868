#include "rpc/backup_service.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backup/backup_file.h"
#include "coterie/v1/backup.pb.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr absl::Duration kStepTimeout = absl::Seconds(10);

// One reader. Kept alive by gRPC (self_) until OnDone(), and by callbacks that are on their way.
class BackupStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public std::enable_shared_from_this<BackupStream> {
 public:
  BackupStream(Gate& gate, node::Node& node, std::atomic<int>& running)
      : gate_(gate), node_(node), running_(running) {}
  ~BackupStream() override {
    if (has_place_) running_.fetch_sub(1);
  }
  BackupStream(const BackupStream&) = delete;
  BackupStream& operator=(const BackupStream&) = delete;

  void Start(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes) {
    self_ = shared_from_this();
    static const Policy& policy = *FindPolicy("coterie.v1.BackupService.TakeBackup");
    v1::TakeBackupRequest request;
    absl::Status status = gate_.Enter(policy, bytes.Length());
    if (status.ok()) {
      gate_.Leave(bytes.Length());
      status = Parse(bytes, request);
    }
    if (!status.ok()) return End(status);
    gate_.authenticator().Admit(policy, AuthorizationOf(context), absl::Now() + kStepTimeout,
                                [self = shared_from_this()](const absl::StatusOr<Caller>& caller) {
                                  if (!caller.ok()) return self->End(caller.status());
                                  self->Begin();
                                });
  }

 private:
  void Begin() {
    if (running_.fetch_add(1) >= BackupService::kBackupsMax) {
      running_.fetch_sub(1);
      return End(Overloaded("This node is making 2 backups already; wait, or ask another node.",
                            absl::Seconds(5)));
    }
    has_place_ = true;
    // First this node catches up with everything that anybody has been answered.
    node_.Read(
        node::Consistency::kLinearizable, absl::Now() + kStepTimeout, [](const state::Machine&) {},
        [self = shared_from_this()](const absl::StatusOr<Revision>& read) {
          if (!read.ok()) {
            return self->End(FromNode(read.status(), Effect::kNone, self->node_.status()));
          }
          self->node_.TakeBackup([self](absl::StatusOr<node::StateBackup> taken) {
            if (!taken.ok()) {
              return self->End(FromNode(taken.status(), Effect::kNone, self->node_.status()));
            }
            self->Send(*std::move(taken));
          });
        });
  }

  void Send(node::StateBackup taken) {
    absl::MutexLock lock(&mutex_);
    copy_ = std::move(taken.copy);
    encoder_.emplace(
        backup::Header{.cluster_id = node_.status().cluster_id,
                       .revision = taken.revision.value(),
                       .taken_at_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now())),
                       .state_bytes = copy_->total_bytes()});
    Write(encoder_->Head());
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return OnCancel();
    absl::MutexLock lock(&mutex_);
    if (offset_ == copy_->total_bytes()) {
      if (std::exchange(has_tail_, true)) return Close(absl::OkStatus());
      return Write(encoder_->Tail());
    }
    absl::StatusOr<std::string> piece = copy_->Read(offset_, kPieceBytes);
    if (piece.ok() && piece->empty())
      piece = absl::DataLossError("the copy is shorter than it was");
    if (!piece.ok()) return Close(piece.status());
    offset_ += piece->size();
    encoder_->Add(*piece);
    Write(*std::move(piece));
  }

  void Write(std::string bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_finished_) return;
    v1::TakeBackupResponse message;
    message.set_data(std::move(bytes));
    buffer_ = Serialize(message);
    StartWrite(&buffer_);
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    Close(status);
  }
  void Close(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(is_finished_, true)) Finish(ToGrpc(status));
  }
  void OnCancel() override { End(absl::CancelledError("the client has gone")); }
  void OnDone() override { self_.reset(); }

  Gate& gate_;
  node::Node& node_;
  std::atomic<int>& running_;
  std::atomic<bool> has_place_{false};
  std::shared_ptr<BackupStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::shared_ptr<node::StateCopy> copy_ ABSL_GUARDED_BY(mutex_);
  std::optional<backup::Encoder> encoder_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t offset_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_tail_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;
};

}  // namespace

BackupService::BackupService(Gate& gate, node::Node& node) {
  const int index = MethodOf(*v1::TakeBackupRequest::descriptor()).index();
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [this, &gate, &node](grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request) {
                   auto stream = std::make_shared<BackupStream>(gate, node, running_);
                   stream->Start(*context, *request);
                   return stream.get();
                 }));
}

}  // namespace coterie::rpc
