#pragma once

// One running member of the cluster, as the rest of the process sees it: propose a command, read,
// subscribe, ask how things are. Owns the Replica and the threads that pump it (threads.cc); every
// public member may be called from any thread and returns at once, and callbacks run on the apply
// or core thread and must return at once too. Knows no gRPC: what goes to other nodes goes through
// Peers, what comes from them is handed to Deliver().

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "node/counters.h"
#include "node/peer_codec.h"
#include "node/peers.h"
#include "node/sessions.h"
#include "node/state_storage.h"
#include "raft/configuration.h"
#include "raft/effects.h"
#include "state/command.h"
#include "state/event.h"
#include "state/machine.h"
#include "state/outcome.h"
#include "wal/log.h"

namespace coterie::node {

class Journal;
// A line for the operator's log.
struct Notice {
  enum class Level : std::uint8_t { kInfo, kWarning };
  Level level = Level::kInfo;
  std::string text;
};

struct Options {
  std::string data_path;  // A folder of this node's own: log/ and state/.
  NodeId id;
  std::uint64_t cluster_id = 0;
  // Who founds the cluster. Used only when the data folder is new; empty = this node joins an
  // existing cluster and waits to be added by its leader.
  std::vector<raft::Member> founders;
  // A file that the founders begin with (node/restore.h); empty = with nothing.
  std::string restore_from;
  std::string peer_address;    // Where other nodes reach this one, "host:port".
  std::string client_address;  // Where clients do.
  absl::Duration tick = absl::Milliseconds(10);
  std::uint64_t election_timeout_ticks = 20;
  std::uint64_t heartbeat_interval_ticks = 4;
  // The log is compacted when it holds more than either.
  std::uint64_t log_entries_max = 100'000;
  std::uint64_t log_bytes_max = 256 << 20;
  // What it keeps then, for followers that are only a little behind.
  std::uint64_t log_trailing_entries_max = 5'000;
  wal::Options log;
  // Proposals beyond this many bytes that no majority has yet are refused.
  std::size_t uncommitted_bytes_max = 64 << 20;
  std::size_t append_bytes_max = 1 << 20;  // Per message to a follower; one entry may exceed it.
  // How often the leader has everybody compare the digest of what was applied.
  std::uint64_t digest_interval_entries = 1'024;
  state::Machine::Options machine;
  // What it reads and writes; less: as an older program, in tests of upgrades.
  std::uint8_t peer_version_newest = kPeerVersionNewest;
  // What happens in the cluster (node/watch.h); may be empty. On the core thread: must not block.
  std::function<void(const Notice&)> on_notice;
};

enum class Consistency : std::uint8_t { kLinearizable, kStale };

// Why a proposal or a read got no answer. Its outcome may be unknown (kUnavailable after it was
// sent, kDeadlineExceeded): retry with the same request id.
//   kUnavailable        no leader, or it changed; retry. With kUpgradingPayload: some member could
//                       not read it yet; nothing was done.
//   kDeadlineExceeded   no answer in time.
//   kResourceExhausted  a queue or the disk is full; nothing was done.
//   kFailedPrecondition this node is fenced (diverged) or stopping, or no member: ask another.
inline constexpr char kUpgradingPayload[] = "coterie.dev/upgrading";
// Of kResourceExhausted: no room on the leader's disk, whichever node says so.
inline constexpr char kNoSpacePayload[] = "coterie.dev/no_space";
template <class T>
using Done = std::function<void(absl::StatusOr<T>)>;

// The state as of a revision, frozen, as one stream of bytes. Read it on any one thread.
struct StateBackup {
  std::shared_ptr<StateCopy> copy;
  Revision revision;
};

struct Status {
  NodeId id;
  std::uint64_t cluster_id = 0;
  raft::Role role = raft::Role::kFollower;
  NodeId leader;
  Term term;
  Index commit;
  Index applied;
  Index first;
  Index last;
  std::uint64_t log_bytes = 0;
  std::uint64_t store_bytes = 0;
  std::uint64_t sessions = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t uptime_ms = 0;
  raft::Configuration configuration;
  std::vector<std::string> alarms;
  struct Peer {
    NodeId id;
    Index match;
    bool is_reachable = false;
  };
  std::vector<Peer> peers;  // Leader only.
};

class Node {
 public:
  // Opens the data folder, recovers and starts the threads. `peers` outlives the node.
  static absl::StatusOr<std::unique_ptr<Node>> Start(Options options, Peers& peers);
  // Stops the threads; callers that wait are answered kUnavailable.
  ~Node();

  // --- Commands and reads ---

  // Proposes on the leader, wherever that is. `done` runs once, when this node has applied the
  // command (so that the caller reads its own write here) or it is known to have failed.
  void Propose(const state::Command& command, absl::Time deadline, Done<state::Outcome> done);

  // Runs `query` on the apply thread against a state as fresh as asked for, then `done`: with OK
  // after `query` has run, or with the reason why it has not.
  using Query = std::function<void(const state::Machine&)>;
  void Read(Consistency consistency, absl::Time deadline, Query query, Done<Revision> done);

  // The sessions and users as of the last applied entry, for checking tokens on any thread.
  const SessionDirectory& sessions() const;

  // --- Events ---

  // Live batches in order, each with the machine as of that batch, for filtering; called on the
  // apply thread; must not block. Register, then fetch history up to what the first live batch
  // leaves open with Read + EventsAfter. A batch without events says that the state jumped to that
  // revision (a snapshot was installed): read what lies between with EventsAfter. Returns a number
  // for Unsubscribe, after which (on return) the listener is not called any more.
  using Listener = std::function<void(const state::EventBatch& batch, const state::Machine& state)>;
  std::uint64_t Subscribe(Listener listener);
  void Unsubscribe(std::uint64_t id);

  // --- Presence ---

  // A stream of `session` is open on this node: its lease is renewed at the leader until the same
  // number of StreamClosed calls. Propose Attach first.
  void StreamOpened(SessionId session);
  void StreamClosed(SessionId session);
  bool HasStreams(SessionId session) const;
  // Those with streams here that have left as of `state`, and are to join again. When the state has
  // jumped, no event has told of it.
  std::vector<SessionId> LeftWithStreams(const state::Machine& state) const;
  // What a session with a stream here does now; told to the other nodes.
  void SetActivity(const Presence& presence);
  // Of all nodes, as far as this one knows. kIdle for sessions that have said nothing.
  std::vector<Presence> Activities() const;
  // Called (any thread) when Activities() changed.
  std::uint64_t OnActivity(std::function<void()> listener);
  void ForgetOnActivity(std::uint64_t id);

  // To all other members, outside of the log: may be lost, repeated or late. At most
  // kGossipBytesMax. The listener (one; empty = none) is called on any thread and must not block;
  // when OnGossip() returns, the one before it is not called any more.
  using GossipListener = std::function<void(NodeId from, std::string_view bytes)>;
  void SendGossip(const std::string& bytes);
  void OnGossip(GossipListener listener);

  // --- Cluster ---

  // What it began with (node/identity.h); constant.
  std::uint32_t founding() const;
  Status status() const;  // As of the last pump.
  const Counters& counters() const;
  Journal& journal() const;
  // On the leader; elsewhere kFailedPrecondition with the leader's id in the text. `done` runs when
  // the final (not joint) configuration is committed.
  void Reconfigure(const raft::MembershipChange& change, absl::Time deadline, Done<Revision> done);
  void TransferLeadership(NodeId target, absl::Time deadline, Done<NodeId> done);
  // Makes the local state durable and compacts the local log.
  void TakeSnapshot(absl::Time deadline, Done<Revision> done);
  // Of what this node has applied; its disk keeps it until the copy is destroyed.
  void TakeBackup(Done<StateBackup> done);

  // --- From other nodes ---

  // One frame as another node's Peers::Send got it. A malformed one is counted and dropped.
  void Deliver(std::string_view frame);
  // Serves the snapshot transfer `id` of this leader's `term` to a follower: `read` returns up to
  // `size` bytes at `offset`. kNotFound when there is no such transfer (any more).
  absl::StatusOr<Peers::SnapshotSlice> ReadSnapshot(NodeId reader, Term term,
                                                    std::uint64_t transfer_id, std::uint64_t offset,
                                                    std::size_t size);

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coterie::node
