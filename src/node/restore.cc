#include "node/restore.h"

#include <absl/strings/str_cat.h>

#include <memory>

#include "backup/backup_file.h"
#include "runtime/status_macros.h"

namespace coterie::node {
namespace {

absl::Status Install(backup::Reader& file, StateStorage& storage) {
  RETURN_IF_ERROR(storage.Open(Index()));
  RETURN_IF_ERROR(storage.BeginInstall());
  while (true) {
    ASSIGN_OR_RETURN(const std::string piece, file.Next());
    if (piece.empty()) break;  // And all of it was what had been written.
    RETURN_IF_ERROR(storage.Write(piece));
  }
  RETURN_IF_ERROR(storage.Seal());
  return storage.Swap();
}

}  // namespace

absl::Status CheckBackup(const std::string& path, std::uint64_t cluster_id) {
  ASSIGN_OR_RETURN(const backup::Header header, backup::Verify(path));
  if (header.cluster_id != cluster_id) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, " is a backup of cluster ", cluster_id,
      " itself: give the new one another --cluster-id, so that nodes and programs of the old one "
      "cannot take it for theirs"));
}

absl::StatusOr<wal::SnapshotMark> Restore(const std::string& path, std::uint64_t cluster_id,
                                          const raft::Configuration& founders,
                                          const state::Machine::Options& options,
                                          StateStorage& storage) {
  ASSIGN_OR_RETURN(const std::unique_ptr<backup::Reader> file, backup::Reader::Open(path));
  RETURN_IF_ERROR(Install(*file, storage));

  state::Machine machine(storage.kv(), options);
  if (!machine.why_unreadable().empty() || machine.divergence()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the state in ", path, " cannot be gone on with: ",
                     machine.divergence() ? machine.divergence()->what : machine.why_unreadable()));
  }
  const raft::LogPosition last{.term = Term(1),
                               .index = Index(machine.applied().index.value() + kRevisionsSkipped)};
  machine.BeginAnew({.term = last.term,
                     .index = last.index,
                     .configuration = raft::EncodeConfiguration(founders),
                     // Also of another backup under a number that was used before.
                     .writers_seed = cluster_id * 1'000'003 + file->header().taken_at_ms});
  RETURN_IF_ERROR(storage.Flush());
  return wal::SnapshotMark{.last = last, .configuration = founders};
}

}  // namespace coterie::node
