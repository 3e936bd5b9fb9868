#pragma once

// A whole cluster of cores in one thread for tests: disks that hold exactly what was completed, a
// network that is a bag of messages, and the promises of Raft checked after every step. What
// happens is up to the caller; nothing happens by itself. Not the simulator of the product: no log
// format, no state machine, no time but ticks.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "raft/core.h"

namespace coterie::raft::testing {

// What survives a crash.
struct Disk {
  HardState hard_state;
  LogPosition snapshot;
  Configuration snapshot_configuration;
  std::vector<EntryRef> entries;
  Epoch epoch;
  Index applied;                    // By the state machine, with `state`.
  std::map<Index, EntryRef> state;  // Everything that was applied.
};

struct Server {
  Disk disk;
  // The one before it, if it was wiped: what it acknowledged was true when it said so.
  Disk lost;
  Incarnation incarnation;
  std::unique_ptr<Core> core;  // Null while down.
  std::deque<AppendJob> jobs;  // Handed over, not durable.
  std::deque<ApplyJob> applies;
  std::deque<SendSnapshotJob> sends;
  std::deque<InstallSnapshotJob> installs;
  std::deque<SendSnapshotJob> transfers;  // Offered; what became of it is not known yet.
  Effects effects;
  std::map<std::uint64_t, Index> open_reads;  // Id -> highest commit anywhere when it was asked.
};

class Cluster {
 public:
  // `voters` servers 1..voters found it; `servers - voters` more exist and wait to be added.
  Cluster(std::size_t voters, std::size_t servers, std::uint64_t seed);

  // What a test may do to it. Server ids count from 1.
  Server& server(NodeId id) { return servers_.at(id); }
  Core& core(NodeId id) { return *server(id).core; }
  bool IsUp(NodeId id) { return server(id).core != nullptr; }
  std::vector<NodeId> ids() const;
  std::vector<Message>& network() { return network_; }
  void Tick(NodeId id);
  void Deliver(std::size_t position);  // And removes it.
  bool CompleteAppend(NodeId id);      // The oldest job becomes durable; false if there is none.
  bool CompleteApply(NodeId id);
  bool CompleteSend(NodeId id, bool ok);  // Offers the snapshot, or fails.
  // The driver finds out, right or wrong, that a transfer has ended.
  bool CompleteTransfer(NodeId id, bool ok);
  bool CompleteInstall(NodeId id, bool ok);
  void TakeSnapshot(NodeId id);
  bool Propose(NodeId id, std::string payload);
  void Read(NodeId id);
  void Crash(NodeId id);
  void Restart(NodeId id);
  void Wipe(NodeId id);  // A new disk under the old id.
  // A crash, and damage takes the end of the log, down to what is applied at most; the log says how
  // far it went, or that it does not know.
  void Damage(NodeId id);
  void Drain(NodeId id);  // After any direct call of the core.

  // Ticks everybody, delivers everything, completes everything, until a leader has committed an
  // entry of its term and everybody in reach has applied it. False after `rounds` rounds.
  bool Settle(std::size_t rounds = 400);
  NodeId Leader() const;  // Of the highest term; none if there is none.
  Index HighestCommit() const { return highest_commit_; }
  // Told of everything that goes in and out, as one readable line each.
  std::function<void(const std::string&)> trace;
  // A message across a cut is lost. One-way.
  std::set<std::pair<NodeId, NodeId>> cuts;
  std::uint64_t reads_answered = 0;
  std::uint64_t leaders_elected = 0;
  std::uint64_t snapshots_installed = 0;

 private:
  void Boot(NodeId id);
  void Trace(NodeId id, const std::string& what);
  void TraceEffects(NodeId id, const Effects& effects);
  void Persist(Disk& disk, const AppendJob& job);
  void CheckSafety(NodeId id);
  void CheckCommitted(NodeId id);

  Configuration founders_;
  std::map<NodeId, Server> servers_;
  std::vector<Message> network_;
  Prng prng_;
  std::uint64_t next_read_ = 1;
  std::map<Term, NodeId> leaders_;       // Election Safety.
  std::map<Index, EntryRef> committed_;  // State Machine Safety.
  std::map<NodeId, Index> checked_commit_;
  Index highest_commit_;
};

}  // namespace coterie::raft::testing
