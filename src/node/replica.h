#pragma once

// One member of the cluster without threads: raft::Core, wal::Log and state::Machine, glued by
// inboxes. Each Pump... handles what its inbox holds and returns; threads.cc runs each in a thread
// of its own, a simulator calls them in any order on one. Callers from outside (any thread) only
// ever push to an inbox or ask one of the small shared tables (Waiters, SessionDirectory,
// PresenceBoard).
//
//   caller -> core inbox -> Core -> Effects -> log inbox -> wal::Log -> AppendDone -> core inbox
//                                           -> apply inbox -> Machine -> answers, events
//                                           -> snapshot inbox -> StateStorage -> SnapshotTaken ...
//
// What dies loudly: a failed write or sync of the log, a committed entry that cannot be applied.
// Source: docs/architecture.md, "Threads and what each owns".

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "io/clock.h"
#include "io/file.h"
#include "node/journal.h"
#include "node/leases.h"
#include "node/node.h"
#include "node/peer_codec.h"
#include "node/peers.h"
#include "node/presence_board.h"
#include "node/renewals.h"
#include "node/round_pace.h"
#include "node/sessions.h"
#include "node/state_storage.h"
#include "node/transfers.h"
#include "node/waiters.h"
#include "node/watch.h"
#include "raft/core.h"
#include "runtime/inbox.h"
#include "state/machine.h"
#include "wal/log.h"

namespace coterie::node {

// Where a replica stands in the world. All outlive it.
struct World {
  Peers& peers;
  const io::Clock& clock;
  io::Directory& log_directory;
  StateStorage& storage;
  std::uint64_t seed = 0;
  Incarnation incarnation;
  // The log can no longer be trusted: stop the process. Returns only in a simulator.
  std::function<void(const absl::Status&)> on_fatal;
  // Damage was found and is being repaired: tell the operator. May be empty.
  std::function<void(const absl::Status&)> on_damage;
  // A frame of a version that is not known was refused, for the first time. May be empty.
  std::function<void()> on_newer_frame;
};

class Replica {
 public:
  // Damage is repaired (node/repair.h). kFailedPrecondition: the disk belongs to another node, or
  // its state is of a version of this program that this one does not read.
  static absl::StatusOr<std::unique_ptr<Replica>> Open(const Options& options, World world);
  ~Replica();

  // --- Any thread; see node.h. Timeouts are by the world's clock ---
  void Propose(const state::Command& command, absl::Duration timeout, Done<state::Outcome> done);
  void Read(Consistency consistency, absl::Duration timeout, Node::Query query,
            Done<Revision> done);
  const SessionDirectory& sessions() const { return sessions_; }
  PresenceBoard& presence() { return presence_; }
  const PresenceBoard& presence() const { return presence_; }
  std::uint64_t Subscribe(Node::Listener listener);
  void Unsubscribe(std::uint64_t id);
  Status status() const;
  const Counters& counters() const { return counters_; }
  Journal& journal() { return journal_; }
  void Reconfigure(const raft::MembershipChange& change, absl::Duration timeout,
                   Done<Revision> done);
  void TransferLeadership(NodeId target, absl::Duration timeout, Done<NodeId> done);
  void TakeSnapshot(absl::Duration timeout, Done<Revision> done);
  void TakeBackup(Done<StateBackup> done);
  void Deliver(std::string_view frame);
  void SendGossip(const std::string& bytes);
  void OnGossip(Node::GossipListener listener);
  absl::StatusOr<Peers::SnapshotSlice> ReadSnapshot(NodeId reader, Term term,
                                                    std::uint64_t transfer_id, std::uint64_t offset,
                                                    std::size_t size);

  // --- The pumps, each for one owner; wait at most `wait` for input; return whether there was any
  // ---
  bool PumpCore(absl::Duration wait);
  bool PumpLog(absl::Duration wait);
  bool PumpApply(absl::Duration wait);
  bool PumpSnapshots(absl::Duration wait);

  // Which pumps have input, for a simulator that calls each when it has.
  struct Waiting {
    bool core = false;
    bool log = false;
    bool apply = false;
    bool snapshots = false;
  };
  Waiting waiting() const;
  // For the checkers of a simulator, between pumps.
  const raft::Core& core() const { return *core_; }
  const state::Machine& machine() const { return *machine_; }

  // Nothing new is accepted and the pumps return at once. Who still waits is told by Finish(),
  // which is called when no pump runs any more.
  void Close();
  void Finish();

 private:
  // What the core thread is asked.
  struct ProposalInput {
    Blob command;  // Encoded, not stamped.
    NodeId origin;
    std::uint64_t waiter = 0;  // 0 = nobody waits.
  };
  struct ReadInput {
    std::uint64_t waiter = 0;
  };
  struct ReconfigureInput {
    raft::MembershipChange change;
    std::uint64_t deadline_us = 0;
    Done<Revision> done;
  };
  struct TransferInput {
    NodeId target;
    std::uint64_t deadline_us = 0;
    Done<NodeId> done;
  };
  // An entry of this term has been applied here: no older proposal is still on its way in the log.
  struct TermApplied {
    Term term;
  };
  struct ConfigurationApplied {
    Index index;
    bool is_joint = false;
  };
  struct LearnedPeer {
    NodeId id;
    std::string address;
  };
  // It does not know yet what this node reads (peer_codec.h, "Versions").
  struct GreetInput {
    NodeId peer;
  };
  struct DivergedInput {};
  using CoreInput =
      std::variant<raft::Message, ProposalInput, ReadInput, ReconfigureInput, TransferInput,
                   ForwardRefused, raft::AppendDone, raft::SnapshotTaken, raft::SnapshotSent,
                   raft::SnapshotInstalled, TermApplied, ConfigurationApplied, LearnedPeer,
                   GreetInput, DivergedInput>;

  // What the log thread is asked.
  struct InstallLog {
    raft::InstallSnapshotJob job;
  };
  using LogInput = std::variant<raft::AppendJob, raft::Compaction, InstallLog>;

  // What the apply thread is asked.
  struct OfficeInput {
    bool is_leader = false;
  };
  struct StaleRead {
    std::uint64_t waiter = 0;
  };
  struct SwapState {
    raft::InstallSnapshotJob job;
  };
  struct ReadyReads {
    std::vector<raft::ReadReady> reads;
  };

  // What the snapshot thread is asked.
  struct TakeSnapshotInput {
    std::uint64_t deadline_us = 0;
    Done<Revision> done;  // May be empty.
  };
  struct TakeBackupInput {
    Done<StateBackup> done;
  };
  using SnapshotInput = std::variant<TakeSnapshotInput, TakeBackupInput, raft::SendSnapshotJob,
                                     raft::InstallSnapshotJob>;

  // What the apply thread hands on to it, once what has been applied by then is stored.
  struct StoreFirst {
    SnapshotInput then;
  };
  using ApplyInput =
      std::variant<raft::ApplyJob, ReadyReads, StaleRead, OfficeInput, SwapState, StoreFirst>;

  struct PendingProposal {
    Done<state::Outcome> done;
    std::uint64_t deadline_us = 0;
    Blob command;
    bool is_repeatable = false;
    Term sent_term;  // None = it has not left this node's core thread yet.
    std::uint64_t sent_us = 0;
  };
  struct PendingRead {
    Node::Query query;
    Done<Revision> done;
    std::uint64_t deadline_us = 0;
  };

  Replica(const Options& options, World world, wal::Log::Opened opened,
          std::unique_ptr<state::Machine> machine, bool is_founding);
  static absl::Status FoundCluster(const Options& options, const World& world,
                                   wal::Log::Opened& opened);
  static absl::Status RepairLog(const Options& options, const World& world,
                                wal::Log::Opened& opened);

  // replica_core.cc
  void Handle(const raft::Message& message);
  void MaybeTellStranger(const raft::Message& message);
  absl::Status CheckNewMembers(const raft::MembershipChange& change) const;
  void MaybeWatch(std::uint64_t now_us);
  void Handle(ProposalInput& input);
  bool MayHold(const ProposalInput& input);
  void ReleaseHeld();
  void Take(ProposalInput& input);
  void Handle(const ReadInput& input);
  void Handle(ReconfigureInput& input);
  void Handle(TransferInput& input);
  void Handle(const ForwardRefused& refused);
  void Handle(const raft::AppendDone& done);
  void Handle(const raft::SnapshotTaken& taken);
  void Handle(const raft::SnapshotSent& sent);
  void Handle(const raft::SnapshotInstalled& installed);
  void Handle(const TermApplied& applied);
  void Handle(const ConfigurationApplied& applied);
  void Handle(const LearnedPeer& peer);
  void Handle(const GreetInput& greet);
  void Handle(const DivergedInput& diverged);
  void NoteApplyDone();
  void RenewLeasesAtLeader(std::uint64_t now_us);
  void TickCore();
  void SweepWaiters(std::uint64_t now_us);
  void ResendProposals();
  void ForwardOrPropose(ProposalInput& input);
  bool MayStayOrGo(const ProposalInput& input);
  std::uint64_t LevelReadByAll() const;
  std::optional<NodeId> FindOutdated(const raft::MembershipChange& change) const;
  void Refuse(const ProposalInput& input, ForwardRefusal reason);
  void FailProposal(std::uint64_t waiter, absl::Status status);
  void DrainCore();
  bool IsNeedlessAnswer(const raft::Message& message);
  void OnRoleChange(const raft::RoleChange& change);
  void OnReads(std::vector<raft::ReadReady>& reads);
  void UpdateMembers();
  void PublishStatus();

  // Any thread.
  Standing standing() const;
  absl::Status CheckServes() const;
  struct Office {
    NodeId leader;  // None = nobody else leads, or it is not known who.
    Term term;
    friend bool operator==(const Office&, const Office&) = default;
  };
  Office FollowedOffice() const;
  void SendRaft(std::vector<raft::Message>& messages);
  void SendTo(NodeId to, PeerBody body);
  PeerMessage Envelope(PeerBody body) const;
  std::vector<NodeId> OtherMembers() const;
  void NoteAddress(NodeId from, const std::string& address);
  void NoteVersion(const PeerMessage& message);
  bool HasOutdatedMember(const raft::Configuration& configuration) const;
  std::uint8_t VersionFor(NodeId peer) const;
  bool HasHeardOf(NodeId peer) const;
  bool IsReadBy(NodeId peer, const raft::Message& message) const;
  void NoteNewerFrame();

  // replica_apply.cc
  void Handle(raft::ApplyJob& job);
  void Handle(ReadyReads& ready);
  void Handle(const StaleRead& read);
  void Handle(const OfficeInput& office);
  void Handle(SwapState& swap);
  void Handle(StoreFirst& store);
  void Store();
  void StoreIfDue();
  void ApplyRange(const std::vector<raft::EntryRef>& entries, std::size_t first, std::size_t end);
  void Publish(const std::vector<state::ApplyResult>& results);
  void AnswerReads();
  void RunRead(PendingRead read);
  void TendLeases();
  void JoinAbsent(std::uint64_t now_us);
  void NoteApplied();
  void AfterApply(Index applied);
  void ProposeOwn(state::CommandBody body);

  // replica_disk.cc
  bool AppendJobs();
  bool WriteWhatFoundNoRoom();
  bool MayGoOn(const absl::Status& written);
  void MaybeLookAtDisk();
  void NoteLogSize();
  void MaybeRestLog();
  void Handle(const raft::Compaction& compaction);
  void Handle(const InstallLog& install);
  void Handle(TakeSnapshotInput& input);
  void Handle(TakeBackupInput& input);
  void Handle(const raft::SendSnapshotJob& job);
  void Handle(const raft::InstallSnapshotJob& job);
  absl::StatusOr<raft::SnapshotTaken> MakeDurable();
  absl::Status ReceiveSnapshot(const raft::InstallSnapshotJob& job);
  std::optional<raft::SnapshotTaken> Describe(const std::optional<std::string>& applied) const;

  std::uint64_t Now() const { return world_.clock.NowMicros(); }
  std::uint64_t DeadlineAfter(absl::Duration timeout) const;

  // --- Constant after construction ---
  const Options options_;
  const bool is_founding_;  // The log was founded in this life of the process.
  World world_;
  const std::uint64_t tick_us_;
  const std::uint64_t election_timeout_us_;
  const std::uint64_t started_us_;
  // In force while no configuration entry has been applied.
  const raft::Configuration base_configuration_;
  std::string own_address_;

  // --- Between threads ---
  runtime::Inbox<CoreInput> core_inbox_;
  runtime::Inbox<LogInput> log_inbox_;
  runtime::Inbox<ApplyInput> apply_inbox_;
  runtime::Inbox<SnapshotInput> snapshot_inbox_;
  Waiters<PendingProposal> proposals_;
  Waiters<PendingRead> reads_;
  SessionDirectory sessions_;
  PresenceBoard presence_;
  Renewals renewals_;
  Transfers transfers_;
  std::atomic<bool> has_room_{true};
  std::atomic<bool> is_fenced_{false};
  std::atomic<bool> is_repairing_{false};    // Entries that it may have acknowledged are missing.
  std::atomic<bool> is_disk_awaited_{true};  // The core has something to do when a job is durable.
  std::atomic<bool> is_disk_slow_{false};    // It has hung for an election timeout.
  std::atomic<bool> is_stranger_{false};     // By its own newest configuration.
  std::atomic<Standing> told_standing_{Standing::kMember};  // By a leader,
  std::atomic<std::uint64_t> told_us_{0};                   // then.
  std::atomic<std::uint64_t> log_bytes_{0};
  std::atomic<std::uint64_t> applied_{0};
  std::atomic<std::uint64_t> level_applied_{0};
  std::atomic<bool> has_applied_command_{false};
  std::atomic<std::uint64_t> leader_{0};
  Counters counters_;
  Journal journal_;
  std::atomic<bool> snapshot_pending_{false};
  mutable absl::Mutex status_mutex_;
  Status status_ ABSL_GUARDED_BY(status_mutex_);
  struct KnownPeer {
    std::string address;
    std::uint8_t version = kPeerVersionOldest;  // To write to it in.
    bool is_settled = false;  // That is what it reads, and not for want of word from it.
    std::uint64_t first_heard_us = 0;
    std::uint64_t heard_us = 0;  // When it last said that it reads more than the oldest.
    std::uint64_t greeted_us = 0;
  };
  mutable absl::Mutex known_peers_mutex_;
  std::map<NodeId, KnownPeer> known_peers_ ABSL_GUARDED_BY(known_peers_mutex_);
  std::atomic<std::uint64_t> newer_frame_us_{0};  // When one was refused; 0 = never.
  absl::Mutex gossip_mutex_;
  Node::GossipListener on_gossip_ ABSL_GUARDED_BY(gossip_mutex_);
  absl::Mutex listeners_mutex_;
  std::uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mutex_) = 1;
  std::map<std::uint64_t, Node::Listener> listeners_ ABSL_GUARDED_BY(listeners_mutex_);

  // --- Core thread ---
  std::unique_ptr<raft::Core> core_;
  std::deque<CoreInput> core_inputs_;
  raft::Effects effects_;
  std::uint64_t ticked_us_ = 0;
  std::uint64_t swept_us_ = 0;
  std::uint64_t renewed_us_ = 0;       // 0 = at once.
  std::uint64_t office_began_us_ = 0;  // The leader's that this node knows.
  std::uint64_t stamped_ms_ = 0;
  struct HeartbeatAnswer {
    NodeId to;
    Term term;
    std::uint64_t read_sequence = 0;
    friend bool operator==(const HeartbeatAnswer&, const HeartbeatAnswer&) = default;
  };
  HeartbeatAnswer answered_;  // The newest.
  std::uint64_t answered_us_ = 0;
  std::map<std::uint64_t, std::uint64_t> open_jobs_;  // Sequence -> handed over at, in micros.
  std::vector<std::uint64_t> refused_reads_;
  RoundPace rounds_;
  std::size_t proposed_ = 0;  // Since a round began.
  std::vector<ProposalInput> held_;
  struct PendingChange {
    raft::LogPosition position;
    std::uint64_t deadline_us = 0;
    Done<Revision> done;
  };
  std::optional<PendingChange> pending_change_;
  struct PendingTransfer {
    NodeId target;
    std::uint64_t deadline_us = 0;
    Done<NodeId> done;
  };
  std::optional<PendingTransfer> pending_transfer_;
  std::map<NodeId, raft::Member> learned_;
  std::map<NodeId, std::uint64_t> strangers_told_us_;
  Watch watch_;
  std::uint64_t watched_us_ = 0;

  // --- Log thread ---
  std::unique_ptr<wal::Log> log_;
  std::deque<LogInput> log_inputs_;
  std::vector<raft::AppendJob> appending_;  // Empty, but while it is at it or there is no room.
  std::optional<LogInput> unwritten_;       // A Compaction or InstallLog, likewise.
  std::uint64_t looked_us_ = 0;             // At how full the disk is.
  std::uint64_t store_wants_bytes_ = 0;
  std::uint64_t appended_us_ = 0;  // 0 = the log is at rest.

  // --- Apply thread ---
  std::unique_ptr<state::Machine> machine_;
  std::deque<ApplyInput> apply_inputs_;
  Leases leases_;
  std::multimap<Index, std::uint64_t> waiting_reads_;
  Term applied_term_;
  std::uint64_t tended_us_ = 0;
  std::uint64_t joined_us_ = 0;
  std::set<SessionId> absent_;  // At the last look, though they have streams here.
  // Of what was applied and is not stored yet. 0 = there is none.
  std::uint64_t unstored_since_us_ = 0;
  std::size_t unstored_bytes_ = 0;
  Index digest_proposed_;

  // --- Snapshot thread ---
  std::deque<SnapshotInput> snapshot_inputs_;
};

}  // namespace coterie::node
