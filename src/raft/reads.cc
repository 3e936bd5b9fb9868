// Linearizable reads without writing: the leader notes its commit index, makes sure by one round of
// heartbeats that it still leads, and answers. One round serves all reads that came before it; it
// is known by a number that only grows within a leadership, so no late answer confirms a later read
// (etcd #20418). Source: thesis 6.4; the counter as in scylla's read_id.

#include <algorithm>
#include <utility>
#include <vector>

#include "base/mutant.h"
#include "raft/core.h"
#include "raft/quorum.h"

namespace coterie::raft {

void Core::Read(std::uint64_t id) {
  is_dirty_ = true;
  const std::size_t waiting = new_reads_.size() + pending_reads_.size() + reads_to_forward_.size();
  if (waiting >= options_.reads_pending_max) {
    effects_.reads.push_back({.id = id});
  } else if (role_ == Role::kLeader) {
    new_reads_.push_back({.id = id});
  } else {
    reads_to_forward_.push_back(id);
  }
}

void Core::Handle(const Message& message, const ReadIndexRequest& request) {
  const PendingRead read{.requester = message.from, .id = request.id};
  const bool is_full = new_reads_.size() + pending_reads_.size() >= options_.reads_pending_max;
  if (role_ != Role::kLeader || is_full) {
    Answer(read, Index());
  } else {
    new_reads_.push_back(read);
  }
}

void Core::FlushReads() {
  if (role_ != Role::kLeader) {
    ForwardReads();
    return;
  }
  if (IsMutant(21) || IsMutant(22) || IsMutant(23)) {
    AnswerByLease();
    return;
  }
  // Before it has committed in its term a leader may not know the newest commit (etcd #7331).
  if (!new_reads_.empty() && (HasCommittedInTerm() || IsMutant(18))) {
    ++read_sequence_;
    for (PendingRead& read : new_reads_) {
      read.sequence = read_sequence_;
      // What is committed, though this disk may not have it yet (redpanda 20330df1fe).
      read.index = IsMutant(20) ? std::min(commit_, durable_) : commit_;
      pending_reads_.push_back(read);
    }
    new_reads_.clear();
    BroadcastHeartbeat();
  }
  ConfirmReads();
}

std::uint64_t Core::ConfirmedReadSequence() const {
  const auto acknowledged = [this](NodeId id) {
    if (id == options_.id) return read_sequence_;
    const auto found = peers_.find(id);
    return found == peers_.end() ? std::uint64_t{0} : found->second.read_acked;
  };
  return QuorumValue<std::uint64_t>(log_.configuration(), acknowledged);
}

void Core::ConfirmReads() {
  if (pending_reads_.empty()) return;
  const std::uint64_t confirmed = ConfirmedReadSequence();
  while (!pending_reads_.empty() && pending_reads_.front().sequence <= confirmed) {
    Answer(pending_reads_.front(), pending_reads_.front().index);
    pending_reads_.pop_front();
  }
}

// Only mutants read so, each with a fault of its own: without asking, because a quorum has promised
// not to vote for a while. 23 trusts CheckQuorum and stopped ticks. The other two count half an
// election timeout from when the heartbeat was sent that a quorum has answered (it carries the tick
// as its number); 21 forgets that a restarted node has forgotten its promise, as our nodes do; with
// the other two it keeps it (HearsLeader), and 22 trusts it while it hands leadership over.
void Core::AnswerByLease() {
  read_sequence_ = std::max(read_sequence_, now_.value());
  const bool is_quorum_bound =
      read_sequence_ - ConfirmedReadSequence() < options_.election_timeout.value() / 2;
  const bool is_staying = transfer_target_.IsNone() || IsMutant(22);
  if (!HasCommittedInTerm() || !is_staying || !(is_quorum_bound || IsMutant(23))) return;
  for (const PendingRead& read : new_reads_) Answer(read, commit_);
  new_reads_.clear();
}

void Core::Answer(const PendingRead& read, Index index) {
  if (read.requester.IsNone()) {
    effects_.reads.push_back({.id = read.id, .index = index});
  } else {
    SendNow(read.requester, ReadIndexReply{.id = read.id, .index = index, .last = log_.last()});
  }
}

// --- Follower ---

void Core::ForwardReads() {
  if (reads_to_forward_.empty()) return;
  if (leader_.IsNone()) {
    RefuseReads(reads_to_forward_);
    return;
  }
  const std::uint64_t request = next_read_request_++;
  SendNow(leader_, ReadIndexRequest{.id = request});
  forwarded_reads_[request] = {.ids = std::exchange(reads_to_forward_, {}), .since = now_};
}

void Core::Handle(const Message&, const ReadIndexReply& reply) {
  LearnExtent(reply);
  const auto found = forwarded_reads_.find(reply.id);
  if (found == forwarded_reads_.end()) return;
  for (const std::uint64_t id : found->second.ids) {
    effects_.reads.push_back({.id = id, .index = reply.index});
  }
  forwarded_reads_.erase(found);
}

void Core::TickReads() {
  for (auto at = forwarded_reads_.begin(); at != forwarded_reads_.end();) {
    if (now_ - at->second.since < options_.election_timeout.value()) return;  // So are the others.
    RefuseReads(at->second.ids);
    at = forwarded_reads_.erase(at);
  }
}

// Whom they were sent to leads no more; the caller asks again.
void Core::RefuseForwardedReads() {
  for (auto& [request, forwarded] : forwarded_reads_) RefuseReads(forwarded.ids);
  forwarded_reads_.clear();
}

void Core::RefuseReads(std::vector<std::uint64_t>& ids) {
  for (const std::uint64_t id : ids) effects_.reads.push_back({.id = id});
  ids.clear();
}

void Core::RefuseAllReads() {
  for (const PendingRead& read : new_reads_) Answer(read, Index());
  for (const PendingRead& read : pending_reads_) Answer(read, Index());
  new_reads_.clear();
  pending_reads_.clear();
}

}  // namespace coterie::raft
