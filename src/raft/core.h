#pragma once

// Raft as a pure state machine: inputs are values (ticks, peers' messages, disk completions,
// proposals), outputs are values (Effects). No thread, clock, socket, file or random source: the
// same inputs from the same start give the same outputs, which is what lets a simulator own every
// interleaving. Not the driver: node::Replica runs it. Owner: the core thread.
//
// Sources: Ongaro and Ousterhout 2014 ("the paper"), Ongaro 2014 ("the thesis"). The choices beyond
// them, each with its reason, are in docs/architecture.md: PreVote and CheckQuorum always on,
// joint consensus only and adopted at append, local append in parallel with sending and completed
// by sequence number, reads by a counter per leadership, commit of own-term entries only.
//
// Control flow lives in core.cc; election.cc, replication.cc, membership.cc, reads.cc and
// snapshot.cc hold its leaves; invariants.cc says what must hold between any two calls.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "base/prng.h"
#include "raft/configuration.h"
#include "raft/effects.h"
#include "raft/entry.h"
#include "raft/entry_log.h"
#include "raft/message.h"
#include "raft/progress.h"

namespace coterie::raft {

// No defaults for what safety or liveness rests on: the caller states them.
struct Options {
  NodeId id;
  Incarnation incarnation;
  Ticks election_timeout;    // Randomised in [timeout, 2 * timeout). At least 3 heartbeats.
  Ticks heartbeat_interval;  // At least 1.
  std::size_t append_bytes_max = 1 << 20;   // Per AppendRequest; one entry may exceed it.
  std::size_t in_flight_messages_max = 64;  // Per peer.
  // Of those, sent since the last tick. With 1, what is proposed while an append is on its way
  // travels with the next one, which a peer that answers within a tick makes a large one; a peer
  // that is further away is sent one in every tick all the same.
  std::size_t in_flight_per_tick_max = 64;
  std::size_t in_flight_bytes_max = 8 << 20;     // Per peer.
  std::size_t uncommitted_bytes_max = 64 << 20;  // Proposals beyond this are refused.
  std::size_t unapplied_bytes_max = 64 << 20;    // Handed to apply and not yet done.
  std::size_t append_jobs_in_flight_max = 4;     // Handed to the log and not yet durable.
  std::size_t reads_pending_max = 100'000;       // Reads beyond this are refused.
  // What the log keeps behind a snapshot, for followers that are only a little behind.
  std::uint64_t trailing_entries_max = 5'000;
  std::size_t trailing_bytes_max = 16 << 20;
};

// What the disk held at start.
struct Recovered {
  HardState hard_state;
  LogPosition snapshot;  // The log starts behind it; none (0, 0) for a log that begins at 1.
  // In force at `snapshot`. At (0, 0): the founders, the same on each of them; or empty on a node
  // that waits to be added: it campaigns never and learns the members from the leader.
  Configuration snapshot_configuration;
  std::vector<EntryRef> entries;  // Contiguous from snapshot.index + 1.
  Index applied;                  // By the state machine; >= snapshot.index.
  Epoch epoch;
};

enum class Refusal : std::uint8_t {
  kNotLeader,
  kTransferring,  // Leadership is being handed over: ask again in a moment.
  kTooMuchUncommitted,
  kChangeInProgress,  // A configuration change is not finished.
  kTermNotConfirmed,  // No entry of this term is committed yet (raft-dev 2015).
  kInvalidChange,     // Not a member, already one, too many, or would leave no voter.
  kLearnerBehind,     // A learner to be promoted has not caught up.
};
// Where the proposal stands in the log; it commits there in this term or never.
using ProposeResult = std::variant<LogPosition, Refusal>;

class Core {
 public:
  Core(Options options, Recovered recovered, Prng prng);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- Inputs ---
  void Tick();
  void Step(const Message& message);
  void Step(const AppendDone& done);
  void Step(const ApplyDone& done);
  void Step(const SnapshotTaken& taken);
  void Step(const SnapshotSent& sent);
  void Step(const SnapshotInstalled& installed);
  void Step(const DiskStalled& stalled);

  ProposeResult Propose(Blob command);
  // A linearizable read on any node; answered in Effects::reads under `id`, once, in any order.
  void Read(std::uint64_t id);
  // Hands leadership to `target`, a voter (none = the best placed one). Gives up after an election
  // timeout.
  std::optional<Refusal> Transfer(NodeId target);
  ProposeResult Reconfigure(const MembershipChange& change);
  // Starts an election at once; for tests and for a lone first node.
  void Campaign();

  // --- Outputs ---
  bool HasEffects() const;
  // Moves the effects out; what `effects` held before is dropped, its capacity reused.
  void Drain(Effects& effects);

  // --- Queries ---
  // Whether there is something to do as soon as jobs of the log are durable. If not, AppendDone may
  // come as late as with the next input.
  bool AwaitsDisk() const;
  Role role() const;
  Term term() const;
  NodeId leader() const;  // None if unknown.
  Index commit_index() const;
  Index applied_index() const;
  LogPosition last() const;
  Index first_index() const;
  Index durable_index() const;
  // Up to where the disk may have acknowledged entries that damage took from it; none = nothing is
  // missing.
  LogPosition promised() const { return promised_; }
  const Configuration& configuration() const;
  // Of its entry; that of the snapshot if there is none.
  Index configuration_index() const { return log_.configuration_index(); }
  // Requires first_index() <= index <= last().index.
  const EntryRef& EntryAt(Index index) const { return log_.At(index); }
  struct PeerStatus {
    NodeId id;
    Index match;
    Index next;
    bool recently_active = false;
    bool is_receiving_snapshot = false;
  };
  // Leader only; empty elsewhere.
  std::vector<PeerStatus> Peers() const;

  // Cheap; the driver calls it each pump.
  void CheckInvariants() const;
  // O(log + peers); fixtures and the simulator call it each step.
  void CheckInvariantsDeep() const;

 private:
  // An AppendJob that is not durable yet.
  struct JobInFlight {
    std::uint64_t sequence = 0;
    Index last;  // Of what it writes and of what was not truncated since (redpanda 2327254c25).
    Term term;
    NodeId vote;
  };
  // Replies that rest on jobs already handed over, but on no new one.
  struct HeldMessages {
    std::uint64_t after = 0;
    std::vector<Message> messages;
  };
  struct ApplyInFlight {
    Index last;
    std::size_t bytes = 0;
  };
  struct PendingRead {
    NodeId requester;  // None = this node.
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;  // Confirmed by a quorum that has acknowledged this.
    Index index;
  };
  struct ForwardedRead {
    std::vector<std::uint64_t> ids;
    Ticks since;
  };
  struct Installation {
    NodeId leader;
    std::uint64_t transfer_id = 0;
    Term term;
  };

  // core.cc
  void Flush();
  void MakeAppendJob();
  void MakeApplyJob();
  void SendNow(NodeId to, Body body) { SendNow(to, term_, std::move(body)); }
  void SendNow(NodeId to, Term term, Body body);
  void SendAfterDurable(NodeId to, Body body);
  Message MakeMessage(NodeId to, Term term, Body body) const;
  bool IsAcceptable(const Message& message) const;
  // Whether a message of another term than ours goes on to its handler.
  bool ReconcileTerm(const Message& message);
  void AnswerStale(const Message& message);
  void BecomeFollower(Term term, NodeId leader);
  void FollowLeader(NodeId leader);
  void LeaveOffice();
  void AppendToLog(EntryRef entry);
  void TruncateLog(Index from);
  void AdvanceCommit(Index index);

  // election.cc
  void ResetElectionTimer();
  const Configuration& Electorate() const;
  const Configuration& Candidates() const;
  bool CanCampaign() const;
  bool HearsLeader() const;
  void StartPreVote();
  void StartVote(VoteKind kind);
  void RequestVotes(VoteKind kind);
  void RecordVote(NodeId voter, bool granted);
  void BecomeLeader();
  void Handle(const Message& message, const VoteRequest& request);
  void Handle(const Message& message, const VoteReply& reply);
  void Handle(const Message& message, const TimeoutNow& timeout_now);
  void TickTransfer();
  void SendTimeoutNow();
  NodeId BestSuccessor() const;

  // replication.cc
  void Handle(const Message& message, const AppendRequest& request);
  void Handle(const Message& message, const AppendReply& reply);
  void Handle(const Message& message, const Heartbeat& heartbeat);
  void Handle(const Message& message, const HeartbeatReply& reply);
  void AcceptEntries(const Message& message, const AppendRequest& request);
  void OnMatch(NodeId peer, Progress& progress, Index match);
  void OnRejected(Progress& progress, const AppendReply& reply);
  void OnReplyDuringSnapshot(Progress& progress, const AppendReply& reply);
  void SendSnapshotProbe(NodeId peer, Progress& progress);
  // Whether one more append may be on its way to a peer in kReplicate.
  bool MayBeSentMore(const Progress& progress) const;
  void MaybeSend(NodeId peer, Progress& progress);
  void SendAppend(NodeId peer, Progress& progress);
  void SendHeartbeat(NodeId peer, Progress& progress);
  void BroadcastHeartbeat();
  void TickLeader();
  void MaybeCommit();
  // What a quorum has, if the own log counts up to `own`. Leader only.
  Index AgreedIndex(Index own) const;
  // How far the own log counts.
  Index OwnMatch() const;
  // The peer's progress if this node leads and the peer is a member, noting that it answered.
  Progress* Hear(const Message& message);
  bool HasCommittedInTerm() const;

  // membership.cc
  bool IsChangeInProgress() const;
  LogPosition AppendConfiguration(Configuration configuration);
  void OnConfigurationChanged();
  bool IsBackAgain() const;
  void MaybeLeaveJoint();
  void MaybeResign();
  void MaybePinIncarnations();

  // reads.cc
  void Handle(const Message& message, const ReadIndexRequest& request);
  void Handle(const Message& message, const ReadIndexReply& reply);
  void FlushReads();
  std::uint64_t ConfirmedReadSequence() const;
  void ConfirmReads();
  void AnswerByLease();
  void ForwardReads();
  void Answer(const PendingRead& read, Index index);
  void RefuseAllReads();
  void RefuseForwardedReads();
  void RefuseReads(std::vector<std::uint64_t>& ids);
  void TickReads();

  // damage.cc
  bool IsMissingEntries() const;
  Index LastShownEqual() const;
  void MaybeFulfilPromise();
  void TickPromise();
  void LearnExtent(const ReadIndexReply& reply);

  // snapshot.cc
  void Handle(const Message& message, const SnapshotOffer& offer);
  void Handle(const Message& message, const SnapshotReply& reply);
  void StartSnapshot(NodeId peer, Progress& progress);
  bool HasSnapshotPosition(LogPosition position) const;

  const Options options_;
  Prng prng_;

  // Persistent state (Raft paper, figure 2), and how much of it has been handed to the log.
  Term term_;
  NodeId vote_;
  LogPosition promised_;  // None = nothing is missing; see HardState.
  EntryLog log_;
  HardState handed_over_;
  Index append_next_;    // The first entry not handed over.
  Index truncate_from_;  // A truncation not handed over; none = nothing.
  Epoch epoch_;
  std::uint64_t next_job_ = 1;
  std::deque<JobInFlight> jobs_;
  Index durable_;
  HardState durable_hard_state_;
  std::vector<Message> after_durable_;
  std::deque<HeldMessages> held_;
  bool is_disk_stalled_ = false;

  // Volatile state.
  Role role_ = Role::kFollower;
  NodeId leader_;
  Index commit_;
  Index shown_;  // Up to here appends of this term's leader have shown the log to be equal.
  Index apply_next_;
  Index applied_;
  std::deque<ApplyInFlight> applying_;
  std::size_t applying_bytes_ = 0;
  Ticks now_;
  Ticks heard_leader_at_;
  Ticks campaign_at_;
  std::map<NodeId, bool> votes_;
  VoteKind vote_kind_ = VoteKind::kVote;
  std::optional<Installation> installing_;

  // A leader's state.
  std::map<NodeId, Progress> peers_;
  Ticks office_since_;
  Ticks heartbeat_at_;
  std::size_t uncommitted_bytes_ = 0;
  std::uint64_t next_transfer_id_ = 1;
  NodeId transfer_target_;
  Ticks transfer_since_;

  // The question how far the own log once went; 0 = not asked.
  std::uint64_t extent_request_ = 0;
  Ticks extent_asked_;

  // Reads.
  std::vector<PendingRead> new_reads_;  // Not part of a round yet.
  std::deque<PendingRead> pending_reads_;
  std::uint64_t read_sequence_ = 0;
  std::vector<std::uint64_t> reads_to_forward_;
  std::map<std::uint64_t, ForwardedRead> forwarded_reads_;
  // Starts at random: a reply to a request of an earlier life must not match one of this.
  std::uint64_t next_read_request_;

  Effects effects_;
  bool is_dirty_ = true;
  bool is_configuration_new_ = true;
  RoleChange reported_{.role = Role::kFollower, .term = Term(~0ULL)};
};

}  // namespace coterie::raft
