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

#include "backup/backup_file.h"
#include "base/check.h"
#include "coterie/v1/backup.pb.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr absl::Duration kStepTimeout = absl::Seconds(10);

absl::Status Stalled(absl::Duration stalled_max) {
  return absl::AbortedError(
      absl::StrCat("The client took nothing of the backup for ", absl::FormatDuration(stalled_max),
                   ", and this node has given up its copy. What was received is cut off and worth "
                   "nothing; begin again, into a file or a pipe that keeps up."));
}

// One of the kBackupsMax that a node makes at once; given back by whoever destroys it.
class Place {
 public:
  // Null when all are taken.
  static std::unique_ptr<Place> Take(std::shared_ptr<std::atomic<int>> taken) {
    if (taken->fetch_add(1) < BackupService::kBackupsMax) {
      return std::unique_ptr<Place>(new Place(std::move(taken)));
    }
    taken->fetch_sub(1);
    return nullptr;
  }
  ~Place() { taken_->fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  explicit Place(std::shared_ptr<std::atomic<int>> taken) : taken_(std::move(taken)) {}
  const std::shared_ptr<std::atomic<int>> taken_;
};

// One reader. Kept alive by gRPC (self_) until OnDone(), and by callbacks that are on their way.
class BackupStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                           public std::enable_shared_from_this<BackupStream> {
 public:
  BackupStream(Gate& gate, node::Node& node, absl::Duration stalled_max,
               grpc::CallbackServerContext& context)
      : gate_(gate), node_(node), stalled_max_(stalled_max), context_(context) {}

  void Start(const grpc::ByteBuffer& bytes, const std::shared_ptr<std::atomic<int>>& places_taken) {
    self_ = shared_from_this();
    static const Policy& policy = *FindPolicy("coterie.v1.BackupService.TakeBackup");
    v1::TakeBackupRequest request;
    absl::Status status = gate_.Enter(policy, bytes.Length());
    if (status.ok()) {
      gate_.Leave(bytes.Length());
      status = Parse(bytes, request);
    }
    if (!status.ok()) return End(status);
    gate_.authenticator().Admit(
        policy, AuthorizationOf(context_), absl::Now() + kStepTimeout,
        [self = shared_from_this(), places_taken](const absl::StatusOr<Caller>& caller) {
          if (!caller.ok()) return self->End(caller.status());
          self->Begin(places_taken);
        });
  }

 private:
  void Begin(const std::shared_ptr<std::atomic<int>>& places_taken) {
    std::unique_ptr<Place> place = Place::Take(places_taken);
    if (place == nullptr) {
      return End(Overloaded("This node is making 2 backups already; wait, or ask another node.",
                            absl::Seconds(5)));
    }
    {
      absl::MutexLock lock(&mutex_);
      if (is_finished_) return;
      place_ = std::move(place);
    }
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
    if (is_finished_) return;
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
    if (copy_ == nullptr) return Close(Stalled(stalled_max_));  // Written too late.
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
    copy_.reset();
    place_.reset();
  }
  void OnCancel() override { End(absl::CancelledError("the client has gone")); }
  void OnDone() override { self_.reset(); }

  Gate& gate_;
  node::Node& node_;
  const absl::Duration stalled_max_;
  grpc::CallbackServerContext& context_;  // gRPC's, until OnDone().
  std::shared_ptr<BackupStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  std::unique_ptr<Place> place_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<node::StateCopy> copy_ ABSL_GUARDED_BY(mutex_);
  std::optional<backup::Encoder> encoder_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);  // Of the write that is in flight.
  std::uint64_t writes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t offset_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_tail_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer buffer_;
};

}  // namespace

BackupService::BackupService(Gate& gate, node::Node& node, absl::Duration stalled_max) {
  const int index = MethodOf(*v1::TakeBackupRequest::descriptor()).index();
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [this, &gate, &node, stalled_max](grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request) {
                   auto stream = std::make_shared<BackupStream>(gate, node, stalled_max, *context);
                   stream->Start(*request, places_taken_);
                   return stream.get();
                 }));
}

}  // namespace coterie::rpc
