#pragma once

// What goes between nodes, and what disk and state machine report back. All are values. A message
// may be lost, repeated, delayed or reordered; completions (AppendDone and so on) come exactly once
// and in order from this node's own threads, unless the process dies.
// Sources: Raft paper figure 2; thesis 3.10 (transfer), 6.4 (reads), 9.6 (PreVote).

#include <cstdint>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/entry.h"

namespace coterie::raft {

enum class VoteKind : std::uint8_t {
  kPreVote,   // "Would you?" Changes nobody's term (thesis 9.6). `term` is the one to be.
  kVote,      // RequestVote.
  kTransfer,  // RequestVote after TimeoutNow: ignores a live leader (thesis 4.2.3).
};

struct VoteRequest {
  VoteKind kind = VoteKind::kVote;
  LogPosition last;  // Of the candidate's log.
};
struct VoteReply {
  VoteKind kind = VoteKind::kVote;
  bool granted = false;
};
struct AppendRequest {
  LogPosition previous;
  Index commit;
  std::vector<EntryRef> entries;  // Contiguous, from previous.index + 1.
};
struct AppendReply {
  bool success = false;
  // Success: the last index known to match, never beyond previous + entries (redpanda d0e45c0baf).
  Index match;
  // Failure: the follower's hint where to try next: its last entry whose term is at most that of
  // the rejected `previous`, and that entry's term; and which `previous` was rejected.
  Index rejected;
  LogPosition hint;
};
// Kept apart from AppendRequest: never waits for a disk on either side.
struct Heartbeat {
  Index commit;                     // Never beyond what the follower is known to match.
  std::uint64_t read_sequence = 0;  // Highest unconfirmed read of this leadership (scylla read_id).
};
struct HeartbeatReply {
  std::uint64_t read_sequence = 0;
};
// A follower asks for a read index; `id` is its own counter.
struct ReadIndexRequest {
  std::uint64_t id = 0;
};
struct ReadIndexReply {
  std::uint64_t id = 0;
  Index index;  // None = refused: not leader, or no entry of this term committed yet. Ask again.
  LogPosition last;  // The last entry of the leader's log.
};
struct TimeoutNow {};
// The leader offers its snapshot; the data itself goes over a stream of its own, by node/.
struct SnapshotOffer {
  LogPosition last;
  Configuration configuration;
  std::uint64_t transfer_id = 0;  // Unique within the leader's term.
};
struct SnapshotReply {
  std::uint64_t transfer_id = 0;
  bool installed = false;
  Index match;  // If installed: durable up to here.
};

using Body =
    std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, Heartbeat, HeartbeatReply,
                 ReadIndexRequest, ReadIndexReply, TimeoutNow, SnapshotOffer, SnapshotReply>;

struct Message {
  GroupId group = kTheGroup;
  NodeId from;
  NodeId to;
  Incarnation from_incarnation;
  Term term;
  Body body;
};

// --- Completions, from this node's own log, apply and snapshot threads ---

// Everything up to AppendJob number `sequence` is durable. Cumulative.
struct AppendDone {
  std::uint64_t sequence = 0;
};
// The state machine has applied up to here.
struct ApplyDone {
  Index index;
};
// A snapshot of the local state up to `last` is durable: the log may be compacted behind it.
struct SnapshotTaken {
  LogPosition last;
  Configuration configuration;
};
// The stream for `transfer_id` to `peer` ended. A success still awaits the peer's SnapshotReply.
struct SnapshotSent {
  NodeId peer;
  std::uint64_t transfer_id = 0;
  bool ok = false;
};
// The snapshot of an InstallJob is durable and is now the local state; or it could not be had.
struct SnapshotInstalled {
  NodeId leader;
  Term term;
  std::uint64_t transfer_id = 0;
  LogPosition last;
  Configuration configuration;
  bool ok = false;
};
// The oldest unfinished AppendJob is older than an election timeout (etcd #13527).
struct DiskStalled {};

}  // namespace coterie::raft
