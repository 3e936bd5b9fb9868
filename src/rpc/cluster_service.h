#pragma once

// coterie.v1.ClusterService: how the cluster is, and changing its members. What this node cannot
// know of the others it asks them, in the caller's name. Any thread.

#include <cstddef>
#include <functional>
#include <utility>

#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "rpc/call.h"
#include "rpc/cluster_watch.h"
#include "rpc/node_calls.h"
#include "rpc/node_channels.h"

namespace coterie::rpc {

class ClusterService {
 public:
  // All outlive it. `subscriptions` says how many there are now; any thread.
  ClusterService(const NodeCalls& calls, NodeChannels& channels, ClusterWatch& watch,
                 std::function<std::size_t()> subscriptions)
      : calls_(calls),
        channels_(channels),
        watch_(watch),
        subscriptions_(std::move(subscriptions)) {}

  void GetStatus(const Call& call, v1::GetStatusRequest request,
                 Reply<v1::GetStatusResponse> reply);
  void GetDurability(const Call& call, v1::GetDurabilityRequest request,
                     Reply<v1::GetDurabilityResponse> reply);
  void AddNode(const Call& call, v1::AddNodeRequest request, Reply<v1::AddNodeResponse> reply);
  void PromoteNode(const Call& call, v1::PromoteNodeRequest request,
                   Reply<v1::PromoteNodeResponse> reply);
  void RemoveNode(const Call& call, v1::RemoveNodeRequest request,
                  Reply<v1::RemoveNodeResponse> reply);
  void TransferLeadership(const Call& call, v1::TransferLeadershipRequest request,
                          Reply<v1::TransferLeadershipResponse> reply);
  void TakeSnapshot(const Call& call, v1::TakeSnapshotRequest request,
                    Reply<v1::TakeSnapshotResponse> reply);

 private:
  class Survey;

  template <class Response>
  void Reconfigure(const Call& call, const raft::MembershipChange& change, Reply<Response> reply);

  const NodeCalls& calls_;
  NodeChannels& channels_;
  ClusterWatch& watch_;
  const std::function<std::size_t()> subscriptions_;
};

// What `status` says of the members; all that is known here of the others is little.
v1::GetStatusResponse Describe(const node::Status& status);

}  // namespace coterie::rpc
