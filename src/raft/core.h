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
#include "raft/message.h"

namespace coterie::raft {

// No defaults for what safety or liveness rests on: the caller states them.
struct Options {
  NodeId id;
  Incarnation incarnation;
  Ticks election_timeout;    // Randomised in [timeout, 2 * timeout). At least 3 heartbeats.
  Ticks heartbeat_interval;  // At least 1.
  std::size_t append_bytes_max = 1 << 20;             // Per AppendRequest; one entry may exceed it.
  std::size_t in_flight_messages_max = 64;            // Per peer.
  std::size_t in_flight_bytes_max = 8 << 20;          // Per peer.
  std::size_t uncommitted_bytes_max = 64 << 20;       // Proposals beyond this are refused.
  std::size_t unapplied_bytes_max = 64 << 20;         // Handed to apply and not yet done.
  std::size_t append_jobs_in_flight_max = 4;          // Handed to the log and not yet durable.
  std::size_t reads_pending_max = 100'000;            // Reads beyond this are refused.
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
  kTransferring,      // Leadership is being handed over: ask again in a moment.
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
  // Moves the effects out; `effects` must be empty but may bring capacity.
  void Drain(Effects& effects);

  // --- Queries ---
  Role role() const;
  Term term() const;
  NodeId leader() const;  // None if unknown.
  Index commit_index() const;
  Index applied_index() const;
  LogPosition last() const;
  Index first_index() const;
  Index durable_index() const;
  const Configuration& configuration() const;
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
  // To be filled in by the implementation.
};

}  // namespace coterie::raft
