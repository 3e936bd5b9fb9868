#pragma once

// How a node reaches the others: one of the four seams with the world. The real form is gRPC
// streams (rpc/peer_streams.h), the simulated one a network with faults. Frames may be lost, late,
// repeated or reordered; the core bears it.

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "raft/configuration.h"

namespace coterie::node {

// Appends must not delay what keeps a leader in office.
enum class Lane : std::uint8_t { kControl, kAppends };

struct Frame {
  NodeId to;
  Lane lane = Lane::kControl;
  std::string bytes;  // One encoded peer message; see peer_codec.h.
};

class Peers {
 public:
  virtual ~Peers() = default;
  // Never blocks; what does not fit into the bounded queue of its peer and lane is dropped. Any
  // thread; frames of one thread to one peer and lane keep their order.
  virtual void Send(std::vector<Frame> frames) = 0;
  // What this node began with, for peers that began with something else to refuse it
  // (node/identity.h); 0 = not known. Called before SetMembers(), once. What carries frames between
  // nodes that are all told the same need not care.
  virtual void SetFounding(std::uint32_t /*founding*/) {}
  // Who may be sent to and where from now on. Streams to others are closed.
  virtual void SetMembers(const std::vector<raft::Member>& members) = 0;
  // Reads a piece of the snapshot that `leader` offered; blocks. Snapshot thread only.
  struct SnapshotSlice {
    std::string bytes;
    std::uint64_t total_bytes = 0;
  };
  virtual absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term,
                                                      std::uint64_t transfer_id,
                                                      std::uint64_t offset) = 0;
};

}  // namespace coterie::node
