#include "node/repair.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/configuration.h"

namespace coterie::node {
namespace {

using raft::EntryRef;
using raft::LogPosition;

std::vector<EntryRef> After(const std::vector<EntryRef>& entries, Index index) {
  std::vector<EntryRef> kept;
  for (const EntryRef& entry : entries) {
    if (entry.index > index) kept.push_back(entry);
  }
  return kept;
}

// Where the log continues from, if from the state. Its members are those that were committed up to
// there: an entry of the log that says otherwise may never be, and would be believed for ever.
wal::SnapshotMark MarkOf(const state::Applied& applied, const raft::Configuration& otherwise) {
  wal::SnapshotMark mark{.last = {.term = applied.term, .index = applied.index},
                         .configuration = otherwise};
  if (applied.configuration.empty()) return mark;
  if (auto configuration = raft::DecodeConfiguration(applied.configuration)) {
    mark.configuration = *std::move(configuration);
  }
  return mark;
}

LogPosition LastOf(const wal::SnapshotMark& mark, const std::vector<EntryRef>& entries) {
  return entries.empty() ? mark.last : entries.back().position();
}

}  // namespace

std::optional<Repaired> Repair(const wal::Recovered& recovered, const state::Applied& applied) {
  const Index start = recovered.snapshot.last.index;
  const Index prefix_last = start + recovered.entries.size();
  const bool fits = start <= applied.index && applied.index <= prefix_last;
  if (recovered.damage.empty() && fits) return std::nullopt;

  Repaired repaired{.hard_state = recovered.hard_state};
  const std::vector<EntryRef>& tail = recovered.tail;
  const bool joins_tail = !tail.empty() && tail.front().index <= applied.index.Next() &&
                          tail.back().index >= applied.index;
  if (joins_tail || applied.index >= prefix_last) {
    // Whatever is missing has been applied: the state holds it.
    repaired.mark = MarkOf(applied, recovered.snapshot.configuration);
    if (joins_tail) repaired.entries = After(tail, applied.index);
  } else if (applied.index >= start) {
    repaired.mark = recovered.snapshot;
    repaired.entries = recovered.entries;
  } else {
    // The state is lost, and with it what the log had been relieved of: nothing is left to join to.
    repaired.mark.configuration = recovered.snapshot.configuration;
  }
  const LogPosition known = std::max({recovered.hard_state.promised, recovered.last_known,
                                      LastOf(recovered.snapshot, recovered.entries)});
  if (LastOf(repaired.mark, repaired.entries) < known) repaired.hard_state.promised = known;
  CHECK(repaired.entries.empty() ||
        repaired.entries.front().index == repaired.mark.last.index.Next());
  return repaired;
}

// Every entry was durable in the log, and with it its term, before it was applied.
bool IsLogLost(const wal::Recovered& recovered, const state::Applied& applied) {
  return recovered.damage.empty() && recovered.hard_state.term < applied.term;
}

absl::Status LostLogError(const std::string& data_path) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the log in ", data_path, "/log is gone, and the state in ", data_path,
      "/state is not: without its log a node has forgotten whom it voted for. Put the log back if "
      "you have it; else remove this node (`coterie cluster remove`), and add one under a new id "
      "with an empty folder"));
}

}  // namespace coterie::node
