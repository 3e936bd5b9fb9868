#pragma once

// What the core wants done: it asks, the driver acts. Drain() moves these out; nothing here has
// happened yet. The order that keeps the promises:
//   1. `send_now` may go at once.
//   2. `append` goes to the log thread, FIFO. When it is durable the log thread hands
//      AppendDone{sequence} back to the core and then sends the job's `after_durable`: in this
//      order, so that no answer to them reaches the core first.
//   3. `apply` goes to the apply thread, FIFO.
// Source: etcd-raft's asynchronous storage writes; Raft thesis 10.2.1.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/entry.h"
#include "raft/message.h"

namespace coterie::raft {

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// One unit for the log. Jobs are numbered from 1 without gap. In this order and as one atomic,
// checksummed batch: truncate the suffix, append the entries, record the hard state.
struct AppendJob {
  std::uint64_t sequence = 0;
  Epoch epoch;                          // Grows with every truncation; stored with the batch.
  std::optional<HardState> hard_state;  // Empty = unchanged.
  Index truncate_from;                  // None = nothing; else drop this index and all after it.
  std::vector<EntryRef> entries;        // Contiguous; may be empty.
  std::vector<Message> after_durable;   // Sent by the log thread, once this batch is durable.
};

// Committed entries, to be applied in order. first == last applied + 1.
struct ApplyJob {
  std::vector<EntryRef> entries;
};

// Send the newest local snapshot to a peer that needs entries we no longer have.
struct SendSnapshotJob {
  NodeId peer;
  Term term;
  std::uint64_t transfer_id = 0;
};

// Fetch and install the snapshot that `leader` offers, replacing the whole local state and log.
// Answered by SnapshotInstalled. A job with a higher term or id supersedes an older one.
struct InstallSnapshotJob {
  NodeId leader;
  Term term;
  std::uint64_t transfer_id = 0;
  LogPosition last;
  Configuration configuration;
};

// The log may forget everything up to and including `last`; `configuration` is the one in force
// there, which the log keeps as the start of its history.
struct Compaction {
  LogPosition last;
  Configuration configuration;
};

// A read asked for by Core::Read(id) may be served once the state machine has applied `index`.
// None = refused: no leader known, or it lost office. The caller may ask again.
struct ReadReady {
  std::uint64_t id = 0;
  Index index;
};

// A proposal that will never commit, or whose fate this node can no longer learn by (term, index):
// another leader's entry took its place, or a snapshot jumped over it.
struct Dropped {
  LogPosition position;
};

struct RoleChange {
  Role role = Role::kFollower;
  Term term;
  NodeId leader;  // None if unknown.
};

// All buffers keep their capacity over Drain() where the driver hands the struct back.
struct Effects {
  std::vector<Message> send_now;
  std::optional<AppendJob> append;
  std::optional<ApplyJob> apply;
  std::vector<SendSnapshotJob> send_snapshots;
  std::optional<InstallSnapshotJob> install_snapshot;
  std::optional<Compaction> compact;
  std::vector<ReadReady> reads;
  std::vector<Dropped> dropped;
  std::optional<RoleChange> role_change;
  std::optional<Configuration> configuration;  // The newest, whenever it changed (peers to dial).
};

}  // namespace coterie::raft
