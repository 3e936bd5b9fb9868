#pragma once

// coterie.v1.ClusterService: how the cluster is, and changing its members. What this node cannot
// know of the others it asks them, in the caller's name. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/cluster.pb.h"
#include "rpc/call.h"
#include "rpc/node_calls.h"

namespace coterie::rpc {

class ClusterService {
 public:
  // `subscriptions` says how many there are now; any thread. `credentials`: towards the other
  // nodes' ports for clients.
  ClusterService(const NodeCalls& calls, std::shared_ptr<grpc::ChannelCredentials> credentials,
                 std::function<std::size_t()> subscriptions)
      : calls_(calls),
        credentials_(std::move(credentials)),
        subscriptions_(std::move(subscriptions)) {}

  void GetStatus(const Call& call, v1::GetStatusRequest request,
                 Reply<v1::GetStatusResponse> reply);
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
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);

  const NodeCalls& calls_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::function<std::size_t()> subscriptions_;
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mutex_);
};

// What `status` says of the members; all that is known here of the others is little.
v1::GetStatusResponse Describe(const node::Status& status);

}  // namespace coterie::rpc
