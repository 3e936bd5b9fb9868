#pragma once

// The receiving end of the other nodes' PeerStreams: hands frames to the node, as they are, and
// serves pieces of snapshots. Refuses whoever must not share a log with it. gRPC's threads.

#include <cstdint>
#include <string>

#include "coterie/internal/v1/peer.grpc.pb.h"
#include "node/node.h"
#include "rpc/peer_greeting.h"

namespace coterie::rpc {

class PeerService final : public internal::v1::PeerService::CallbackService {
 public:
  // `node` outlives the server that this is registered with.
  PeerService(node::Node& node, std::uint64_t cluster_id)
      : node_(node), own_{.cluster_id = cluster_id, .founding = node.founding()} {}

  grpc::ServerReadReactor<internal::v1::FramesRequest>* Appends(
      grpc::CallbackServerContext* context, internal::v1::FramesResponse* response) override;
  grpc::ServerReadReactor<internal::v1::ControlRequest>* Control(
      grpc::CallbackServerContext* context, internal::v1::ControlResponse* response) override;
  grpc::ServerWriteReactor<internal::v1::FetchSnapshotResponse>* FetchSnapshot(
      grpc::CallbackServerContext* context,
      const internal::v1::FetchSnapshotRequest* request) override;

 private:
  node::Node& node_;
  const PeerGreeting own_;
};

}  // namespace coterie::rpc
