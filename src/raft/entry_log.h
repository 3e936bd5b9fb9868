#pragma once

// The log as the core holds it in memory: everything behind the snapshot, with the configurations
// that stand in it. Knows nothing of disks or peers. The configuration in force always comes from
// here, by log index, never from what has been applied (etcd #11510, scylla 5550f1766f).
// Owner: the core.

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/mutant.h"
#include "raft/configuration.h"
#include "raft/entry.h"

namespace coterie::raft {

class EntryLog {
 public:
  // `entries` must be contiguous from snapshot.index + 1.
  EntryLog(LogPosition snapshot, Configuration configuration, std::vector<EntryRef> entries);

  LogPosition snapshot() const { return snapshot_; }
  Index first_index() const { return snapshot_.index.Next(); }
  // The snapshot's position if the log is empty: never term 0 after a full compaction (NuRaft
  // #668).
  LogPosition last() const {
    if (!entries_.empty()) return entries_.back().position();
    return IsMutant(9) ? LogPosition{.term = {}, .index = snapshot_.index} : snapshot_;
  }
  // None before the snapshot or behind the end. At index 0 of an uncompacted log: term 0.
  std::optional<Term> TermAt(Index index) const;
  // Requires first_index() <= index <= last().index.
  const EntryRef& At(Index index) const;

  // The entry with the highest index <= `bound.index` whose term is at most `bound.term`: where a
  // follower and a leader that disagree at `bound` may agree. At least the snapshot's position.
  LogPosition LastAtMost(LogPosition bound) const;

  // From `first`, while `bytes_max` lasts, up to `last`; at least one entry if first <= last.
  std::vector<EntryRef> Slice(Index first, Index last, std::size_t bytes_max) const;

  // Requires entry.index == last().index + 1.
  void Append(EntryRef entry);
  // Drops `from` and everything behind it. Requires from > snapshot().index.
  void TruncateFrom(Index from);
  // Forgets everything up to `index`, which must be in the log (or the snapshot's).
  void CompactTo(Index index);
  // Replaces everything by a snapshot.
  void Reset(LogPosition snapshot, Configuration configuration);

  // In force with the last entry appended; its index is that of its entry, or the snapshot's.
  const Configuration& configuration() const;
  Index configuration_index() const;
  const Configuration& ConfigurationAt(Index index) const;

  std::size_t size() const { return entries_.size(); }

 private:
  LogPosition snapshot_;
  std::deque<EntryRef> entries_;
  // By the index of the entry; the first one is that of the snapshot.
  std::map<Index, Configuration> configurations_;
};

}  // namespace coterie::raft
