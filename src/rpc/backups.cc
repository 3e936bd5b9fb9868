#include "rpc/backups.h"

#include <absl/time/clock.h>

#include <optional>
#include <utility>

#include "rpc/authenticate.h"
#include "rpc/status_map.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr absl::Duration kStepTimeout = absl::Seconds(10);

}  // namespace

BackupRun::BackupRun(Place place, SessionId session, node::StateBackup taken,
                     std::uint64_t cluster_id)
    : place_(std::move(place)),
      session_(session),
      copy_(std::move(taken.copy)),
      encoder_({.cluster_id = cluster_id,
                .revision = taken.revision.value(),
                .taken_at_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now())),
                .state_bytes = copy_->total_bytes()}) {}

absl::StatusOr<std::string> BackupRun::Next() {
  if (part_ == Part::kHead) {
    part_ = Part::kState;
    return encoder_.Head();
  }
  if (part_ == Part::kState && offset_ < copy_->total_bytes()) {
    absl::StatusOr<std::string> piece = copy_->Read(offset_, kPieceBytes);
    if (piece.ok() && piece->empty()) {
      return absl::DataLossError("the copy is shorter than it was");
    }
    if (!piece.ok()) return piece;
    offset_ += piece->size();
    encoder_.Add(*piece);
    return piece;
  }
  if (part_ == Part::kState) {
    part_ = Part::kTail;
    return encoder_.Tail();
  }
  part_ = Part::kEnd;
  return std::string();
}

BackupRun::Place Backups::TakePlace() {
  if (places_taken_->fetch_add(1) >= kAtOnceMax) {
    places_taken_->fetch_sub(1);
    return nullptr;
  }
  return {nullptr, [taken = places_taken_](void*) { taken->fetch_sub(1); }};
}

void Backups::Begin(std::string_view authorization, Done done) {
  static const Policy& policy = *FindPolicy("coterie.v1.BackupService.TakeBackup");
  gate_.authenticator().Admit(
      policy, authorization, absl::Now() + kStepTimeout,
      [this, done = std::move(done)](const absl::StatusOr<Caller>& caller) {
        if (!caller.ok()) return done(caller.status());
        BackupRun::Place place = TakePlace();
        if (place.use_count() == 0) {
          return done(
              Overloaded("This node is making 2 backups already; wait, or ask another node.",
                         absl::Seconds(5)));
        }
        TakeCopy(std::move(place), caller->session, done);
      });
}

// First this node catches up with everything that anybody has been answered.
void Backups::TakeCopy(BackupRun::Place place, SessionId session, Done done) {
  node_.Read(
      node::Consistency::kLinearizable, absl::Now() + kStepTimeout, [](const state::Machine&) {},
      [this, place = std::move(place), session,
       done = std::move(done)](const absl::StatusOr<Revision>& read) {
        if (!read.ok()) return done(FromNode(read.status(), Effect::kNone, node_.status()));
        node_.TakeBackup([this, place, session, done](absl::StatusOr<node::StateBackup> taken) {
          if (!taken.ok()) return done(FromNode(taken.status(), Effect::kNone, node_.status()));
          done(std::make_shared<BackupRun>(place, session, *std::move(taken),
                                           node_.status().cluster_id));
        });
      });
}

absl::Status Backups::Check(const BackupRun& run) const {
  const std::optional<state::SessionView> session = node_.sessions().Find(run.session());
  if (!session) return NoSession();
  return session->is_admin ? absl::OkStatus() : NotAnAdmin(session->user);
}

void Backups::ReadNext(const std::shared_ptr<BackupRun>& run,
                       std::function<void(absl::StatusOr<std::string>)> done) {
  if (absl::Status status = Check(*run); !status.ok()) return done(std::move(status));
  const bool is_queued = threads_.TryRun([run = std::shared_ptr<BackupRun>(run), done]() mutable {
    absl::StatusOr<std::string> piece = run->Next();
    run = nullptr;
    done(std::move(piece));
  });
  if (is_queued) return;
  done(Error(absl::StatusCode::kUnavailable, "STOPPING",
             "This node is stopping; begin again on another one."));
}

}  // namespace coterie::rpc
