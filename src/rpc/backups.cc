#include "rpc/backups.h"

#include <absl/time/clock.h>

#include <utility>

#include "rpc/status_map.h"

namespace coterie::rpc {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr absl::Duration kStepTimeout = absl::Seconds(10);

}  // namespace

BackupRun::BackupRun(Place place, node::StateBackup taken, std::uint64_t cluster_id)
    : place_(std::move(place)),
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
        TakeCopy(std::move(place), done);
      });
}

// First this node catches up with everything that anybody has been answered.
void Backups::TakeCopy(BackupRun::Place place, Done done) {
  node_.Read(
      node::Consistency::kLinearizable, absl::Now() + kStepTimeout, [](const state::Machine&) {},
      [this, place = std::move(place),
       done = std::move(done)](const absl::StatusOr<Revision>& read) {
        if (!read.ok()) return done(FromNode(read.status(), Effect::kNone, node_.status()));
        node_.TakeBackup([this, place, done](absl::StatusOr<node::StateBackup> taken) {
          if (!taken.ok()) return done(FromNode(taken.status(), Effect::kNone, node_.status()));
          done(std::make_shared<BackupRun>(place, *std::move(taken), node_.status().cluster_id));
        });
      });
}

void Backups::ReadNext(const std::shared_ptr<BackupRun>& run,
                       std::function<void(absl::StatusOr<std::string>)> done) {
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
