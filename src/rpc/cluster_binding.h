#pragma once

// ClusterService on gRPC: its unary methods, and WatchCluster (cluster_watch.h) as a server stream.
// gRPC's threads.

#include "coterie/v1/cluster.grpc.pb.h"
#include "rpc/cluster_watch.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {

class ClusterBinding final : public BoundService<v1::ClusterService> {
 public:
  // Both outlive the server that this is registered with.
  ClusterBinding(Gate& gate, ClusterWatch& watch);
};

}  // namespace coterie::rpc
