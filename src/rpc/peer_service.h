#pragma once

// The receiving end of the other nodes' PeerStreams: hands frames to the node, as they are, and
// serves pieces of snapshots. Refuses whoever is of another cluster. gRPC's threads.

#include <cstdint>
#include <string>

#include "coterie/internal/v1/peer.grpc.pb.h"
#include "node/node.h"

namespace coterie::rpc {

class PeerService final : public internal::v1::PeerService::CallbackService {
 public:
  // `node` outlives the server that this is registered with.
  PeerService(node::Node& node, std::uint64_t cluster_id) : node_(node), cluster_id_(cluster_id) {}

  grpc::ServerReadReactor<internal::v1::FramesRequest>* Appends(
      grpc::CallbackServerContext* context, internal::v1::FramesResponse* response) override;
  grpc::ServerReadReactor<internal::v1::ControlRequest>* Control(
      grpc::CallbackServerContext* context, internal::v1::ControlResponse* response) override;
  grpc::ServerWriteReactor<internal::v1::FetchSnapshotResponse>* FetchSnapshot(
      grpc::CallbackServerContext* context,
      const internal::v1::FetchSnapshotRequest* request) override;

 private:
  grpc::Status CheckCluster(const grpc::CallbackServerContext& context) const;

  node::Node& node_;
  const std::uint64_t cluster_id_;
};

}  // namespace coterie::rpc
