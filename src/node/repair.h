#pragma once

// What a node goes on with whose disk is damaged: the longest log that is surely good, joined to
// what its state holds, and a promise for what may be missing (raft::HardState::promised). The
// leader then brings it forward as it would any node that is behind. Pure; used once, when a
// replica opens. Source: docs/architecture.md, "Damage".

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <vector>

#include "raft/entry.h"
#include "state/machine.h"
#include "wal/log.h"

namespace coterie::node {

struct Repaired {
  raft::HardState hard_state;
  wal::SnapshotMark mark;
  std::vector<raft::EntryRef> entries;  // Contiguous from mark.last.index + 1.
};

// Nothing: log and state are whole and fit together. `applied`: where the state stands, none if it
// is lost.
std::optional<Repaired> Repair(const wal::Recovered& recovered, const state::Applied& applied);

// Whether nothing is left of the log that this state came from: it is not damaged, but as new, and
// without it nobody knows whom the node has voted for.
bool IsLogLost(const wal::Recovered& recovered, const state::Applied& applied);
// kFailedPrecondition, with what to do.
absl::Status LostLogError(const std::string& data_path);

}  // namespace coterie::node
