// Elections: PreVote, votes, becoming leader, and handing leadership over.
// Sources: Raft paper 5.2 and 5.4.1; thesis 3.10 (transfer), 4.2.3 (disturbance), 9.6 (PreVote).

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/core.h"
#include "raft/quorum.h"

namespace coterie::raft {

void Core::ResetElectionTimer() {
  const std::uint64_t timeout = options_.election_timeout.value();
  campaign_at_ = now_ + (timeout + prng_.Below(timeout));
}

// The configuration in force is the newest in the log, committed or not (thesis 4.1).
const Configuration& Core::Electorate() const {
  return IsMutant(3) ? log_.ConfigurationAt(applied_) : log_.configuration();
}

// The same one. The mutant's candidates come forward, and ask, by the newest that is committed.
const Configuration& Core::Candidates() const {
  return IsMutant(4) ? log_.ConfigurationAt(commit_) : Electorate();
}

// One that leaves may be the only one that can be elected until that is committed (thesis 4.2.2).
// It asks those who stay, and its own vote does not count.
bool Core::CanCampaign() const {
  const bool may_be_elected =
      Candidates().IsVoter(options_.id) || log_.ConfigurationAt(commit_).IsVoter(options_.id);
  return may_be_elected && !installing_ && !is_disk_stalled_ && !IsMissingEntries();
}

bool Core::HearsLeader() const {
  if (role_ == Role::kLeader) return true;
  // These two mutants' leases have their own faults: not that a restarted node has forgotten whom
  // it heard (mutant 21).
  if ((IsMutant(22) || IsMutant(23)) && now_ < options_.election_timeout) return true;
  return !leader_.IsNone() && now_ - heard_leader_at_ < options_.election_timeout.value();
}

void Core::StartPreVote() {
  role_ = Role::kPreCandidate;
  leader_ = NodeId();
  votes_.clear();
  vote_kind_ = VoteKind::kPreVote;
  ResetElectionTimer();
  RequestVotes(VoteKind::kPreVote);
  RecordVote(options_.id, true);  // Promises nothing, so it need not be durable.
}

void Core::StartVote(VoteKind kind) {
  BecomeFollower(term_.Next(), NodeId());
  role_ = Role::kCandidate;
  vote_ = options_.id;
  vote_kind_ = kind;
  // The own vote counts when it is durable: Step(AppendDone).
  RequestVotes(kind);
}

void Core::RequestVotes(VoteKind kind) {
  for (const Member& member : Candidates().members) {
    if (member.id == options_.id || !Candidates().IsVoter(member.id)) continue;
    const VoteRequest request{.kind = kind, .last = log_.last()};
    if (kind == VoteKind::kPreVote) {
      SendNow(member.id, term_.Next(), request);
    } else {
      SendAfterDurable(member.id, request);
    }
  }
}

void Core::Handle(const Message& message, const VoteRequest& request) {
  const bool is_fresh = request.last >= std::max(log_.last(), promised_);
  if (request.kind == VoteKind::kPreVote) {
    const bool granted = message.term > term_ && is_fresh && !HearsLeader();
    const VoteReply reply{.kind = VoteKind::kPreVote, .granted = granted};
    // A refusal tells our term; a consent repeats the one that was asked about.
    SendNow(message.from, granted ? message.term : term_, reply);
    return;
  }
  const bool is_free = vote_ == message.from || (vote_.IsNone() && leader_.IsNone());
  // A request that comes again is judged by the log again (hashicorp #661).
  const bool is_granted_again = IsMutant(10) && vote_ == message.from;
  const bool granted = is_free && (is_fresh || is_granted_again);
  if (granted) {
    vote_ = message.from;
    ResetElectionTimer();
  }
  SendAfterDurable(message.from, VoteReply{.kind = request.kind, .granted = granted});
}

void Core::Handle(const Message& message, const VoteReply& reply) {
  // Answers to a phase that is over count for nothing (scylla bd168d57ff, raft-rs #83).
  const bool is_pre_vote = reply.kind == VoteKind::kPreVote;
  if (role_ != (is_pre_vote ? Role::kPreCandidate : Role::kCandidate) && !IsMutant(27)) return;
  if (role_ != Role::kPreCandidate && role_ != Role::kCandidate) return;
  const bool is_about_next = is_pre_vote && reply.granted && role_ == Role::kPreCandidate;
  if (message.term != (is_about_next ? term_.Next() : term_)) return;
  if (reply.kind != vote_kind_ && !IsMutant(27)) return;
  RecordVote(message.from, reply.granted);
}

void Core::RecordVote(NodeId voter, bool granted) {
  votes_.emplace(voter, granted);
  const auto voted = [this](bool value) {
    return [this, value](NodeId id) {
      const auto found = votes_.find(id);
      return found != votes_.end() && found->second == value;
    };
  };
  if (HasQuorum(Electorate(), voted(true))) {
    if (role_ == Role::kPreCandidate) {
      StartVote(VoteKind::kVote);
    } else {
      BecomeLeader();
    }
    return;
  }
  // Lost once those who have not refused are no quorum any more.
  const auto refused = voted(false);
  const auto may_grant = [&refused](NodeId id) { return !refused(id); };
  if (!HasQuorum(Electorate(), may_grant)) BecomeFollower(term_, NodeId());
}

void Core::BecomeLeader() {
  CHECK(role_ == Role::kCandidate);
  role_ = Role::kLeader;
  leader_ = options_.id;
  votes_.clear();
  read_sequence_ = 0;
  next_transfer_id_ = 1;
  office_since_ = now_;
  heartbeat_at_ = now_ + options_.heartbeat_interval.value();
  uncommitted_bytes_ = 0;
  for (Index index = commit_.Next(); index <= log_.last().index; ++index) {
    uncommitted_bytes_ += log_.At(index).size_bytes();
  }
  peers_.clear();
  OnConfigurationChanged();
  // Lets it commit what earlier terms left, and read (thesis 6.4).
  AppendToLog({.term = term_, .index = log_.last().index.Next(), .type = EntryType::kNoop});
}

// --- Handing over ---

NodeId Core::BestSuccessor() const {
  NodeId best;
  Index best_match;
  for (const auto& [id, progress] : peers_) {
    const bool answers = now_ - progress.last_heard < options_.election_timeout.value();
    const auto& voters = log_.configuration().voters;
    if (!answers || !std::ranges::binary_search(voters, id)) continue;
    if (!best.IsNone() && progress.match <= best_match) continue;
    best = id;
    best_match = progress.match;
  }
  return best;
}

std::optional<Refusal> Core::Transfer(NodeId target) {
  if (role_ != Role::kLeader) return Refusal::kNotLeader;
  if (target.IsNone()) target = BestSuccessor();
  const auto& voters = log_.configuration().voters;
  if (target == options_.id || !std::ranges::binary_search(voters, target)) {
    return Refusal::kInvalidChange;
  }
  is_dirty_ = true;
  transfer_target_ = target;
  transfer_since_ = now_;
  return std::nullopt;
}

// Once the target has everything, at each Drain() until it takes over or the time is up: the
// message may be lost.
void Core::SendTimeoutNow() {
  const auto target = peers_.find(transfer_target_);
  if (target == peers_.end()) {
    transfer_target_ = NodeId();
    return;
  }
  if (target->second.match == log_.last().index) SendNow(transfer_target_, TimeoutNow{});
}

void Core::TickTransfer() {
  if (transfer_target_.IsNone()) return;
  if (now_ - transfer_since_ >= options_.election_timeout.value()) transfer_target_ = NodeId();
}

void Core::Handle(const Message& message, const TimeoutNow&) {
  if (leader_ == message.from && CanCampaign()) StartVote(VoteKind::kTransfer);
}

}  // namespace coterie::raft
