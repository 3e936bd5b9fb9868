// Snapshots: compacting the own log, and bringing a peer forward that needs what is compacted. The
// data itself is none of the core's business; it only orders and waits.
// Source: Raft paper 7. A snapshot from a leader replaces the whole log, also what lies behind it
// (scylla #9551), and nothing else happens to the log until that is done (camunda #10463).

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/core.h"

namespace coterie::raft {
// --- Local ---

void Core::Step(const SnapshotTaken& taken) {
  is_dirty_ = true;
  Index index = std::min(taken.last.index, applied_);
  if (installing_ || index <= log_.snapshot().index) return;
  if (log_.TermAt(index) == std::nullopt) return;
  std::size_t bytes = 0;
  std::uint64_t kept = 0;
  while (index > log_.snapshot().index && kept < options_.trailing_entries_max) {
    bytes += log_.At(index).size_bytes();
    if (bytes > options_.trailing_bytes_max) break;
    index = index.Previous();
    ++kept;
  }
  if (index <= log_.snapshot().index) return;
  log_.CompactTo(index);
  effects_.compact = {
      .last = log_.snapshot(),
      .configuration = IsMutant(8) ? log_.configuration() : log_.ConfigurationAt(index)};
}

// --- Follower ---

bool Core::HasSnapshotPosition(LogPosition position) const {
  return position.index <= commit_ || log_.TermAt(position.index) == std::optional(position.term);
}

void Core::Handle(const Message& message, const SnapshotOffer& offer) {
  // One at a time: an offer that comes meanwhile is made again when the first has ended.
  if (installing_ || offer.last.term > term_) return;
  if (HasSnapshotPosition(offer.last)) {
    AdvanceCommit(offer.last.index);
    // Not more than is durable: the reply counts towards commits.
    SendNow(message.from, SnapshotReply{.transfer_id = offer.transfer_id,
                                        .installed = true,
                                        .match = std::min(offer.last.index, durable_)});
    return;
  }
  installing_ = {.leader = message.from, .transfer_id = offer.transfer_id, .term = term_};
  // Acknowledgements of entries that are not handed over now (MakeAppendJob) are not given.
  std::erase_if(after_durable_,
                [](const Message& held) { return std::holds_alternative<AppendReply>(held.body); });
  effects_.install_snapshot = {.leader = message.from,
                               .term = term_,
                               .transfer_id = offer.transfer_id,
                               .last = offer.last,
                               .configuration = offer.configuration};
}

void Core::Step(const SnapshotInstalled& installed) {
  is_dirty_ = true;
  if (!installing_ || installing_->transfer_id != installed.transfer_id ||
      installing_->term != installed.term) {
    return;
  }
  // Over, also if another leads by now.
  if (IsMutant(32) && installed.term != term_) return;
  installing_.reset();
  if (installed.ok) {
    CHECK(installed.last.index > commit_);
    for (Index index = applied_.Next(); index <= log_.last().index; ++index) {
      effects_.dropped.push_back({.position = log_.At(index).position()});
    }
    // By the log's index, whatever configuration is being applied just now (etcd #11510).
    const bool is_old_kept = IsMutant(5) && !log_.configuration().voters.empty();
    log_.Reset(installed.last, is_old_kept ? log_.configuration() : installed.configuration);
    for (JobInFlight& job : jobs_) job.last = Index();
    durable_ = commit_ = applied_ = installed.last.index;
    apply_next_ = append_next_ = installed.last.index.Next();
    truncate_from_ = Index();
    applying_.clear();
    applying_bytes_ = 0;
    OnConfigurationChanged();
    MaybeFulfilPromise();
  }
  // To a leader that is gone the answer would mean nothing.
  if (installed.term != term_ || leader_ != installed.leader) return;
  SendNow(installed.leader, SnapshotReply{.transfer_id = installed.transfer_id,
                                          .installed = installed.ok,
                                          .match = installed.ok ? durable_ : Index()});
}

// --- Leader ---

void Core::StartSnapshot(NodeId peer, Progress& progress) {
  // Not to one that does not answer: copying the state for it would be wasted.
  if (now_ - progress.last_heard >= options_.election_timeout.value()) return;
  const std::uint64_t id = next_transfer_id_++;
  progress.BecomeSnapshot(now_, id);
  effects_.send_snapshots.push_back({.peer = peer, .term = term_, .transfer_id = id});
}

void Core::Step(const SnapshotSent& sent) {
  is_dirty_ = true;
  const auto found = peers_.find(sent.peer);
  if (role_ != Role::kLeader || found == peers_.end()) return;
  Progress& progress = found->second;
  if (progress.state != ProgressState::kSnapshot || progress.transfer_id != sent.transfer_id) {
    return;
  }
  progress.BecomeProbe(now_);
  // It has all of it: its own reply settles it, and should that be lost, a probe right behind what
  // it got. After a failure the probe that follows its next answer leads to another snapshot.
  if (sent.ok) progress.next = std::max(progress.next, log_.first_index());
  progress.is_probe_outstanding = true;
}

void Core::Handle(const Message& message, const SnapshotReply& reply) {
  Progress* progress = Hear(message);
  if (progress == nullptr || reply.match > log_.last().index) return;
  const bool is_current =
      progress->state == ProgressState::kSnapshot && progress->transfer_id == reply.transfer_id;
  if (reply.installed) progress->match = std::max(progress->match, reply.match);
  if (progress->state == ProgressState::kReplicate || (!reply.installed && !is_current)) {
    progress->next = std::max(progress->next, progress->match.Next());
    return;
  }
  progress->BecomeProbe(now_);
  progress->is_probe_outstanding = !reply.installed;
}

}  // namespace coterie::raft
