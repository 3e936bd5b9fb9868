#pragma once

// node::Peers over gRPC: two lanes to every member, and pieces of snapshots on request. Any thread,
// but FetchSnapshot, which blocks and belongs to the snapshot thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coterie/internal/v1/peer.grpc.pb.h"
#include "node/peers.h"
#include "rpc/peer_greeting.h"
#include "rpc/peer_lane.h"

namespace coterie::rpc {

class PeerStreams final : public node::Peers {
 public:
  PeerStreams(std::uint64_t cluster_id, NodeId self,
              std::shared_ptr<grpc::ChannelCredentials> credentials,
              PeerTrouble::Say on_notice = nullptr)
      : greeting_{.cluster_id = cluster_id},
        self_(self),
        credentials_(std::move(credentials)),
        on_notice_(std::move(on_notice)) {}
  // Ends all streams, and waits for that.
  ~PeerStreams() override;

  void Send(std::vector<node::Frame> frames) override;
  void SetFounding(std::uint32_t founding) override { greeting_.founding = founding; }
  void SetMembers(const std::vector<raft::Member>& members) override;
  // kNotFound: the leader has no such transfer. kDataLoss: a piece was damaged on its way.
  absl::StatusOr<SnapshotSlice> FetchSnapshot(NodeId leader, Term term, std::uint64_t transfer_id,
                                              std::uint64_t offset) override;

 private:
  struct Peer {
    std::string address;
    std::shared_ptr<PeerLane> control;
    std::shared_ptr<PeerLane> appends;
    std::shared_ptr<grpc::Channel> snapshots;  // Made when first needed.
  };
  void Close(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  PeerGreeting greeting_;  // Constant from the first SetMembers() on.
  const NodeId self_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const PeerTrouble::Say on_notice_;  // May be empty. On the lanes' threads.
  absl::Mutex mutex_;
  std::map<NodeId, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  // Closed; who waits for their threads is not who changes the members.
  std::vector<std::shared_ptr<PeerLane>> closing_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::rpc
