// What the log thread and the snapshot thread do: make entries durable, and make, serve, fetch and
// install copies of the state.

#include <absl/strings/str_cat.h>

#include <utility>

#include "base/mutant.h"
#include "base/overload.h"
#include "node/replica.h"
#include "runtime/status_macros.h"

namespace coterie::node {
namespace {

constexpr std::uint64_t kTakeSnapshotPollUs = 1'000'000;
constexpr int kFetchAttemptsMax = 5;
constexpr std::uint64_t kRestAfterUs = 100'000;
// How often it looks how full the disk is, and tries again what found no room.
constexpr std::uint64_t kLookIntervalUs = 200'000;

}  // namespace

// --- Log thread ---

bool Replica::PumpLog(absl::Duration wait) {
  if (!appending_.empty() || unwritten_) {
    // What comes meanwhile waits behind it. Raft takes it for a disk that hangs.
    log_inbox_.WaitAndTakeAll(log_inputs_, std::min(wait, absl::Microseconds(kLookIntervalUs)));
  } else if (log_inputs_.empty()) {
    log_inbox_.WaitAndTakeAll(log_inputs_, wait);
  }
  const bool has_input = !log_inputs_.empty();
  MaybeLookAtDisk();
  if (!WriteWhatFoundNoRoom()) return false;
  if (!has_input) MaybeRestLog();
  while (!log_inputs_.empty()) {
    // All jobs in a row become durable by one sync (group commit).
    while (!log_inputs_.empty() && std::holds_alternative<raft::AppendJob>(log_inputs_.front())) {
      appending_.push_back(std::move(std::get<raft::AppendJob>(log_inputs_.front())));
      log_inputs_.pop_front();
    }
    if (appending_.empty()) {
      unwritten_ = std::move(log_inputs_.front());
      log_inputs_.pop_front();
    }
    if (!WriteWhatFoundNoRoom()) break;
  }
  return has_input;
}

// Whether nothing is left to be written before the inputs are: see wal::Log, "Write errors".
bool Replica::WriteWhatFoundNoRoom() {
  if (!appending_.empty()) return AppendJobs();
  if (!unwritten_) return true;
  LogInput input = *std::exchange(unwritten_, std::nullopt);
  std::visit(Overload{[](raft::AppendJob&) {}, [this](auto& value) { Handle(value); }}, input);
  return !unwritten_;
}

// Others fill disks, too; and a full one takes no writes, so that no write would ever find it to
// have room again.
void Replica::MaybeLookAtDisk() {
  if (Now() - looked_us_ < kLookIntervalUs) return;
  looked_us_ = Now();
  log_->LookAtDisk();
  store_wants_bytes_ = world_.storage.wanted_bytes();
  NoteLogSize();
}

// Whether it went on: not, if there is no room. Then the call is to be made again.
bool Replica::MayGoOn(const absl::Status& written) {
  if (absl::IsResourceExhausted(written)) {
    NoteLogSize();
    return false;
  }
  if (!written.ok()) world_.on_fatal(written);
  return true;
}

bool Replica::AppendJobs() {
  const std::uint64_t begun_us = Now();
  const absl::Status appended = log_->Append(appending_);
  if (!MayGoOn(appended)) return false;
  std::vector<raft::AppendJob> jobs = std::exchange(appending_, {});
  if (!appended.ok()) return true;
  // Only now may anybody learn of it, and the own core first: it must not hear from a voter what
  // came of its candidacy before it hears that its own vote is durable.
  // Mostly it has nothing to do then, and is left asleep: a follower until it is told what is
  // committed. It says so before it looks into its inbox for the last time, and is asked after
  // the value is there, so that one of them sees the other's.
  core_inbox_.PushQuietly(raft::AppendDone{.sequence = jobs.back().sequence});
  if (is_disk_awaited_.load()) core_inbox_.Wake();
  for (raft::AppendJob& job : jobs) SendRaft(job.after_durable);
  appended_us_ = Now();
  counters_.log_append.Observe(static_cast<double>(appended_us_ - begun_us) / 1e6);
  NoteLogSize();
  return true;
}

// Once per idle time: what is at rest can then be told from what was never finished.
void Replica::MaybeRestLog() {
  if (appended_us_ == 0 || Now() - appended_us_ < kRestAfterUs) return;
  appended_us_ = 0;
  if (const absl::Status rested = log_->Rest(); !rested.ok()) world_.on_fatal(rested);
}

void Replica::NoteLogSize() {
  const bool has_room = log_->HasRoom(store_wants_bytes_) && !world_.storage.lacks_room();
  has_room_.store(has_room, std::memory_order_relaxed);
  log_bytes_.store(log_->size_bytes(), std::memory_order_relaxed);
}

void Replica::Handle(const raft::Compaction& compaction) {
  const absl::Status compacted =
      log_->Compact({.last = compaction.last, .configuration = compaction.configuration},
                    wal::Log::Keep::kSuffix);
  if (!MayGoOn(compacted)) {
    unwritten_ = compaction;
    return;
  }
  NoteLogSize();
}

void Replica::Handle(const InstallLog& install) {
  const absl::Status reset =
      log_->Compact({.last = install.job.last, .configuration = install.job.configuration},
                    wal::Log::Keep::kNothing);
  if (!MayGoOn(reset)) {
    unwritten_ = install;
    return;
  }
  if (!reset.ok()) return;
  NoteLogSize();
  // From here on a restart finishes the swap by itself (StateStorage::Open).
  apply_inbox_.Push(SwapState{.job = install.job});
}

// --- Snapshot thread ---

bool Replica::PumpSnapshots(absl::Duration wait) {
  if (snapshot_inputs_.empty()) {
    snapshot_inbox_.WaitAndTakeAll(snapshot_inputs_,
                                   std::min(wait, absl::Microseconds(kTakeSnapshotPollUs)));
  }
  const bool has_input = !snapshot_inputs_.empty();
  while (!snapshot_inputs_.empty()) {
    SnapshotInput input = std::move(snapshot_inputs_.front());
    snapshot_inputs_.pop_front();
    std::visit([this](auto& value) { Handle(value); }, input);
  }
  for (const raft::SnapshotSent& abandoned : transfers_.TakeAbandoned(Now())) {
    core_inbox_.Push(raft::SnapshotSent(abandoned));
  }
  return has_input;
}

std::optional<raft::SnapshotTaken> Replica::Describe(
    const std::optional<std::string>& applied_value) const {
  if (!applied_value) return std::nullopt;
  const std::optional<state::Applied> applied = state::DecodeApplied(*applied_value);
  if (!applied || applied->index.IsNone()) return std::nullopt;
  raft::SnapshotTaken taken{.last = {.term = applied->term, .index = applied->index},
                            .configuration = base_configuration_};
  if (!applied->configuration.empty()) {
    std::optional<raft::Configuration> configuration =
        raft::DecodeConfiguration(applied->configuration);
    if (!configuration) return std::nullopt;
    taken.configuration = *std::move(configuration);
  }
  if (!taken.configuration.IsValid()) return std::nullopt;  // Nobody has told us who is a member.
  return taken;
}

absl::StatusOr<raft::SnapshotTaken> Replica::MakeDurable() {
  const absl::Status flushed = world_.storage.Flush();
  if (!flushed.ok() && !IsMutant(13)) return flushed;
  ASSIGN_OR_RETURN(std::optional<std::string> value, world_.storage.GetDurable(state::kAppliedKey));
  // The mutant goes on as if that were durable which is not.
  if (!flushed.ok()) value = world_.storage.kv().Get(state::kAppliedKey);
  std::optional<raft::SnapshotTaken> taken = Describe(value);
  if (!taken) return absl::FailedPreconditionError("nothing has been applied yet");
  return *std::move(taken);
}

void Replica::Handle(TakeSnapshotInput& input) {
  absl::StatusOr<raft::SnapshotTaken> taken = MakeDurable();
  if (!input.done) snapshot_pending_.store(false);
  if (taken.ok()) core_inbox_.Push(raft::SnapshotTaken(*taken));
  if (!input.done) return;
  if (taken.ok()) {
    input.done(taken->last.index);
  } else {
    input.done(taken.status());
  }
}

void Replica::Handle(TakeBackupInput& input) {
  if (is_fenced_.load()) {
    return input.done(absl::FailedPreconditionError(
        "this node's state has diverged from the cluster's; back up another node"));
  }
  input.done([this]() -> absl::StatusOr<StateBackup> {
    ASSIGN_OR_RETURN(std::unique_ptr<StateCopy> copy, world_.storage.Copy());
    ASSIGN_OR_RETURN(const std::optional<std::string> value, copy->Get(state::kAppliedKey));
    const std::optional<raft::SnapshotTaken> inside = Describe(value);
    if (!inside) return absl::UnavailableError("nothing has been applied here yet");
    return StateBackup{.copy = std::move(copy), .revision = inside->last.index};
  }());
}

void Replica::Handle(const raft::SendSnapshotJob& job) {
  const auto offer = [&]() -> absl::StatusOr<raft::SnapshotOffer> {
    if (!transfers_.HasPlaceFor(job.peer, Now())) {
      return absl::ResourceExhaustedError("too many snapshot transfers at once");
    }
    const auto is_outdated = [&] { return VersionFor(job.peer) < level_applied_.load(); };
    const absl::Status refusal = absl::FailedPreconditionError("the peer does not read the state");
    if (is_outdated()) return refusal;  // Before the copy, which costs.
    ASSIGN_OR_RETURN(std::unique_ptr<StateCopy> copy, world_.storage.Copy());
    if (is_outdated()) return refusal;
    ASSIGN_OR_RETURN(const std::optional<std::string> value, copy->Get(state::kAppliedKey));
    std::optional<raft::SnapshotTaken> inside = Describe(value);
    if (!inside) return absl::FailedPreconditionError("the copy holds no applied position");
    if (!transfers_.Offer({.peer = job.peer, .term = job.term, .id = job.transfer_id},
                          std::move(copy), Now())) {
      return absl::ResourceExhaustedError("too many snapshot transfers at once");
    }
    return raft::SnapshotOffer{.last = inside->last,
                               .configuration = std::move(inside->configuration),
                               .transfer_id = job.transfer_id};
  }();
  if (!offer.ok()) {
    core_inbox_.Push(
        raft::SnapshotSent{.peer = job.peer, .transfer_id = job.transfer_id, .ok = false});
    return;
  }
  std::vector<raft::Message> messages;
  messages.push_back({.group = kTheGroup,
                      .from = options_.id,
                      .to = job.peer,
                      .from_incarnation = world_.incarnation,
                      .term = job.term,
                      .body = *std::move(offer)});
  SendRaft(messages);
}

void Replica::Handle(const raft::InstallSnapshotJob& job) {
  if (ReceiveSnapshot(job).ok()) {
    log_inbox_.Push(InstallLog{.job = job});
    return;
  }
  core_inbox_.Push(raft::SnapshotInstalled{.leader = job.leader,
                                           .term = job.term,
                                           .transfer_id = job.transfer_id,
                                           .last = job.last,
                                           .configuration = job.configuration,
                                           .ok = false});
}

absl::Status Replica::ReceiveSnapshot(const raft::InstallSnapshotJob& job) {
  RETURN_IF_ERROR(world_.storage.BeginInstall());
  std::uint64_t offset = 0;
  int attempts_left = kFetchAttemptsMax;
  while (true) {
    absl::StatusOr<Peers::SnapshotSlice> slice =
        world_.peers.FetchSnapshot(job.leader, job.term, job.transfer_id, offset);
    if (!slice.ok()) {
      if (--attempts_left == 0 || snapshot_inbox_.IsClosed()) return slice.status();
      continue;  // From where it broke off.
    }
    RETURN_IF_ERROR(world_.storage.Write(slice->bytes));
    offset += slice->bytes.size();
    if (offset >= slice->total_bytes) break;
    if (slice->bytes.empty()) return absl::DataLossError("the snapshot ended early");
  }
  if (IsMutant(33)) return absl::OkStatus();  // The log is reset first: see Handle(SwapState).
  RETURN_IF_ERROR(world_.storage.Seal());
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   world_.storage.GetIncoming(state::kAppliedKey));
  const std::optional<raft::SnapshotTaken> inside = Describe(value);
  if (!inside || inside->last != job.last) {
    return absl::DataLossError("the snapshot does not hold what its offer said");
  }
  return absl::OkStatus();
}

}  // namespace coterie::node
