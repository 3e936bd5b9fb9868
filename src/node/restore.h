#pragma once

// A new cluster from a backup: every founder begins with the same file, and so with the same state,
// whose log goes on at an index that the old cluster cannot have reached. Nothing is left of the
// old cluster's log, members and sessions. Called before anything of the node runs.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "node/state_storage.h"
#include "raft/configuration.h"
#include "state/machine.h"
#include "wal/log.h"

namespace coterie::node {

// Of how many changes the old cluster may go on after the backup, before a number would mean two
// things. As etcd's advice for --bump-revision.
inline constexpr std::uint64_t kRevisionsSkipped = 1'000'000'000;

// Whether the file is a whole backup, and of another cluster. Reads all of it; changes nothing, so
// that a folder for which this fails is as new as before. kInvalidArgument: no backup, or of a
// cluster with this very number. kDataLoss: it is damaged.
absl::Status CheckBackup(const std::string& path, std::uint64_t cluster_id);

// Puts the backup's state into `storage`, which is then open, and says where the new log begins: to
// be made durable last, so that a crash in between leaves a folder in which this can be done again.
// Requires CheckBackup(); a file that has changed since is kDataLoss, and not taken over.
absl::StatusOr<wal::SnapshotMark> Restore(const std::string& path, std::uint64_t cluster_id,
                                          const raft::Configuration& founders,
                                          const state::Machine::Options& options,
                                          StateStorage& storage);

}  // namespace coterie::node
