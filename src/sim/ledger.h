#pragma once

// What the whole cluster has ever done, seen from outside, and the promises of Raft checked against
// it after every step (Raft paper, figure 3), with what every acknowledgement rests on looked up in
// the simulated disks themselves:
//   Election Safety, Leader Append-Only, Log Matching, Leader Completeness, State Machine Safety;
//   what is committed is durable on a majority of disks; a vote is durable before it is told, one
//   per disk and term, was asked for, and goes to nobody who lacks what the voter holds; nothing
//   that was committed, or applied, is taken back; the members are those that the log says, in
//   memory and where a disk's log begins; no disk looks damaged that nobody has damaged.
// Owner: the run.

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "io/faulty_file.h"
#include "node/peer_codec.h"
#include "node/replica.h"
#include "raft/core.h"
#include "sim/disk_image.h"
#include "sim/schedule.h"
#include "sim/trace.h"

namespace coterie::sim {

class Ledger {
 public:
  struct Counts {
    std::uint64_t leaders = 0;
    std::uint64_t starts = 0;
    std::uint64_t votes = 0;
    std::uint64_t losses = 0;
    std::uint64_t disks_read = 0;
  };

  Ledger(const Schedule& schedule, Trace& trace, std::uint64_t seed);
  void SetDisks(std::function<Disk(NodeId)> find_disk) { find_disk_ = std::move(find_disk); }

  void OnStart(NodeId id, const node::Replica& replica);
  void OnFailedStart(NodeId id, bool has_crashed, const absl::Status& status);
  // The disk is about to be lost or damaged: what it held was there when it was counted.
  void OnLoss(NodeId id, const io::FaultyDirectory& files, Incarnation incarnation);
  // The disk was rewritten, with all that it held.
  void OnRewrite(NodeId id) { images_.erase(id); }
  // It says that its log or its state is damaged.
  void OnComplaint(NodeId id, const absl::Status& status);
  void OnSend(NodeId from, Incarnation incarnation, const io::FaultyDirectory& files,
              std::string_view frame);
  void OnCore(NodeId id, Incarnation incarnation, const raft::Core& core);
  void OnApply(NodeId id, const node::Replica& replica);

  // Index 1 first.
  const std::vector<raft::EntryRef>& committed() const { return committed_; }
  Index highest_commit() const { return Index(committed_.size()); }
  // In force as of the last committed entry, and all that may have been in force since `index`.
  const raft::Configuration& configuration() const { return configurations_.rbegin()->second; }
  void SetFounders(raft::Configuration founders) {
    configurations_.emplace(Index(), std::move(founders));
  }
  const Counts& counts() const { return counts_; }
  // Whether the server's disk holds all that is committed.
  bool IsComplete(NodeId id);

 private:
  const DiskImage& ImageOf(const Disk& disk);
  bool Holds(NodeId id, const raft::EntryRef& entry);
  void CheckDurable(const raft::EntryRef& entry);
  void CheckVote(NodeId from, const Disk& disk, Term term, NodeId vote);
  void CheckChoice(NodeId from, const Disk& disk, Term term, NodeId candidate);
  void CheckDisk(NodeId id, const DiskImage& image);
  void CheckMembers(NodeId id, const raft::Core& core);
  bool AreKnownFromLoss(NodeId id, Index commit, const raft::Configuration& members) const;
  const raft::Configuration& ConfigurationAt(Index index) const;
  void CheckAppend(NodeId from, const raft::Message& message, const raft::AppendRequest& request);
  void CheckLeader(NodeId id, const raft::Core& core);
  void CheckCommits(NodeId id, const raft::Core& core);
  void OnCommitted(const raft::EntryRef& entry, const raft::Core& core);

  const Schedule& schedule_;
  Trace& trace_;
  Prng prng_;
  std::function<Disk(NodeId)> find_disk_;
  Counts counts_;

  std::vector<raft::EntryRef> committed_;
  std::vector<Term> commit_terms_;  // Of who was first seen to know them committed; never falls.
  std::map<Index, raft::Configuration> configurations_;  // By the index they were committed at.
  std::map<Term, NodeId> leaders_;
  std::map<NodeId, raft::LogPosition> leader_last_;  // Of the term that it leads.
  std::map<std::pair<Incarnation, Term>, NodeId> votes_;
  std::map<std::pair<Term, NodeId>, raft::LogPosition> asked_;  // For votes, with what log.
  struct Known {
    std::uint64_t digest = 0;
    Term previous_term;
  };
  std::map<std::pair<Index, Term>, Known> entries_;  // Ever sent in an append.
  std::map<Index, std::uint64_t> digests_;           // Of the state, as first seen.
  std::map<NodeId, Index> checked_;                  // Per life.
  std::map<NodeId, Index> applied_;                  // Per life.
  std::map<NodeId, DiskImage> images_;
  // What a disk held before it was damaged or lost.
  struct Lost {
    std::map<Index, Term> held;
    std::map<Index, raft::Configuration> members;  // As its entries said.
  };
  std::map<NodeId, std::vector<Lost>> lost_;
};

}  // namespace coterie::sim
