#include "rpc/cluster_service.h"

#include <absl/strings/numbers.h>
#include <absl/time/clock.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "node/journal.h"
#include "rpc/status_map.h"
#include "runtime/version.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kSurveyTimeout = absl::Milliseconds(300);
// The others say what they have five times a second.
constexpr absl::Duration kDurabilityPatience = absl::Milliseconds(500);
constexpr std::uint32_t kPortMax = 65'535;

v1::NodeRole RoleOf(const node::Status& status, NodeId id) {
  if (id == status.leader) return v1::NODE_ROLE_LEADER;
  if (!status.configuration.IsVoter(id)) return v1::NODE_ROLE_LEARNER;
  const bool is_candidate =
      status.role == raft::Role::kCandidate || status.role == raft::Role::kPreCandidate;
  return id == status.id && is_candidate ? v1::NODE_ROLE_CANDIDATE : v1::NODE_ROLE_FOLLOWER;
}

void DescribeSelf(const node::Status& status, v1::NodeStatus& proto) {
  proto.set_is_reachable(true);
  proto.set_term(status.term.value());
  proto.set_commit_index(status.commit.value());
  proto.set_applied_index(status.applied.value());
  proto.set_process_id(static_cast<std::uint64_t>(getpid()));
  proto.set_version(runtime::kProgramVersion);
  proto.set_first_index(status.first.value());
  proto.set_last_index(status.last.value());
  proto.set_log_bytes(status.log_bytes);
  proto.set_store_bytes(status.store_bytes);
  proto.set_sessions(status.sessions);
  proto.set_subscriptions(status.subscriptions);
  proto.set_uptime_ms(status.uptime_ms);
  for (const std::string& alarm : status.alarms) proto.add_alarms(alarm);
}

absl::Status CheckNode(std::uint64_t id) {
  if (id != 0) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
               "The request names no node; give its id, a number above 0.");
}

absl::Status CheckAddress(const std::string& what, const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::uint32_t port = 0;
  const bool has_port = colon != std::string::npos && colon > 0 &&
                        absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
                        port <= kPortMax;
  if (has_port && address.size() <= raft::kAddressBytesMax &&
      address.find_first_of(" \t\r\n/") == std::string::npos) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
               "The " + what + " address must be HOST:PORT of at most 256 bytes.");
}

void FillLag(v1::GetStatusResponse& response) {
  std::uint64_t commit = 0;
  for (const v1::NodeStatus& node : response.nodes()) {
    commit = std::max(commit, node.commit_index());
  }
  for (v1::NodeStatus& node : *response.mutable_nodes()) {
    // Of one that says nothing the leader knows the match; the rest is unknown.
    const std::uint64_t has = std::max(node.applied_index(), node.last_index());
    const std::uint64_t reached = node.is_reachable() ? node.applied_index() : has;
    node.set_lag_entries(commit > reached ? commit - reached : 0);
  }
}

}  // namespace

v1::GetStatusResponse Describe(const node::Status& status) {
  v1::GetStatusResponse response;
  response.set_leader_id(status.leader.value());
  response.set_answering_node_id(status.id.value());
  response.set_cluster_id(status.cluster_id);
  for (const raft::Member& member : status.configuration.members) {
    v1::NodeStatus& node = *response.add_nodes();
    node.set_node_id(member.id.value());
    node.set_role(RoleOf(status, member.id));
    node.set_client_address(member.client_address);
    node.set_peer_address(member.address);
    if (member.id == status.id) DescribeSelf(status, node);
    for (const node::Status::Peer& peer : status.peers) {
      if (peer.id != member.id) continue;
      node.set_is_reachable(peer.is_reachable);
      node.set_last_index(peer.match.value());
    }
  }
  if (!status.configuration.IsMember(status.id)) {
    v1::NodeStatus& self = *response.add_nodes();  // That it is none is among its alarms.
    self.set_node_id(status.id.value());
    DescribeSelf(status, self);
  }
  FillLag(response);
  return response;
}

// Asks all other nodes of themselves and answers when all have answered, or nobody more will.
class ClusterService::Survey : public std::enable_shared_from_this<Survey> {
 public:
  Survey(v1::GetStatusResponse response, Reply<v1::GetStatusResponse> reply)
      : reply_(std::move(reply)), response_(std::move(response)) {}

  void Begin(ClusterService& service, const Call& call) {
    std::vector<std::string> addresses;
    for (const v1::NodeStatus& node : response_.nodes()) {
      const bool is_other = node.node_id() != response_.answering_node_id();
      if (is_other && !node.client_address().empty()) addresses.push_back(node.client_address());
    }
    questions_.resize(addresses.size());
    {
      absl::MutexLock lock(&mutex_);
      open_ = addresses.size() + 1;
    }
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      questions_[i] = std::make_unique<Question>();
      Ask(*questions_[i], v1::ClusterService::NewStub(service.channels_.To(addresses[i])), call);
    }
    Close();
  }

 private:
  struct Question {
    grpc::ClientContext context;
    v1::GetStatusRequest request;
    v1::GetStatusResponse response;
    std::unique_ptr<v1::ClusterService::Stub> stub;
  };

  void Ask(Question& question, std::unique_ptr<v1::ClusterService::Stub> stub, const Call& call) {
    question.stub = std::move(stub);
    question.request.set_local_only(true);
    question.context.set_deadline(
        absl::ToChronoTime(std::min(call.deadline, absl::Now() + kSurveyTimeout)));
    question.context.AddMetadata("authorization", call.authorization);
    question.stub->async()->GetStatus(
        &question.context, &question.request, &question.response,
        [self = shared_from_this(), &question](const grpc::Status& status) {
          if (status.ok()) self->Merge(question.response);
          self->Close();
        });
  }
  // Of each node what it says of itself, but for what its members are: that is ours to say.
  void Merge(const v1::GetStatusResponse& theirs) {
    absl::MutexLock lock(&mutex_);
    for (const v1::NodeStatus& from : theirs.nodes()) {
      if (from.node_id() != theirs.answering_node_id()) continue;
      for (v1::NodeStatus& node : *response_.mutable_nodes()) {
        if (node.node_id() != from.node_id()) continue;
        const v1::NodeRole role = node.role();
        node.MergeFrom(from);
        if (role != v1::NODE_ROLE_UNSPECIFIED) node.set_role(role);
        node.set_is_reachable(true);
      }
    }
  }
  void Close() {
    {
      absl::MutexLock lock(&mutex_);
      if (--open_ > 0) return;
    }
    FillLag(response_);
    reply_(std::move(response_));
  }

  const Reply<v1::GetStatusResponse> reply_;
  std::vector<std::unique_ptr<Question>> questions_;
  absl::Mutex mutex_;
  v1::GetStatusResponse response_;
  std::size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
};

void ClusterService::GetStatus(const Call& call, v1::GetStatusRequest request,
                               Reply<v1::GetStatusResponse> reply) {
  node::Status status = calls_.node().status();
  status.subscriptions = subscriptions_();  // The node only knows the listener that serves all.
  v1::GetStatusResponse response = Describe(status);
  if (request.local_only()) return reply(std::move(response));
  std::make_shared<Survey>(std::move(response), std::move(reply))->Begin(*this, call);
}

// Linearizably: whatever the caller was told is saved is in that version, or before it.
void ClusterService::GetDurability(const Call& call, v1::GetDurabilityRequest request,
                                   Reply<v1::GetDurabilityResponse> reply) {
  calls_.Ask<Revision>(
      call, node::Consistency::kLinearizable,
      [caller = call.caller,
       request = std::move(request)](const state::Machine& state) -> absl::StatusOr<Revision> {
        const absl::StatusOr<DocId> id = FindVisible(state, caller, request.document());
        if (!id.ok()) return id.status();
        return state.FindDocument(*id)->revision;
      },
      [this, authorization = call.authorization,
       reply = std::move(reply)](const absl::StatusOr<Revision>& revision) {
        if (!revision.ok()) return reply(revision.status());
        watch_.Ask({.index = *revision,
                    .authorization = authorization,
                    .patience = kDurabilityPatience,
                    .done = [this, revision = *revision,
                             reply](const ClusterWatch::Durability& durability) {
                      v1::GetDurabilityResponse response;
                      response.set_revision(revision.value());
                      response.set_term(calls_.node().journal().TermAt(revision).value());
                      for (const NodeId id : durability.voters) response.add_voter_ids(id.value());
                      for (const NodeId id : durability.holders) {
                        response.add_holder_ids(id.value());
                      }
                      reply(std::move(response));
                    }});
      });
}

template <class Response>
void ClusterService::Reconfigure(const Call& call, const raft::MembershipChange& change,
                                 Reply<Response> reply) {
  node::Node& node = calls_.node();
  node.Reconfigure(change, call.deadline,
                   [&node, reply = std::move(reply)](const absl::StatusOr<Revision>& done) {
                     if (!done.ok()) {
                       return reply(FromNode(done.status(), Effect::kUnknown, node.status()));
                     }
                     Response response;
                     response.set_revision(done->value());
                     reply(std::move(response));
                   });
}

void ClusterService::AddNode(const Call& call, v1::AddNodeRequest request,
                             Reply<v1::AddNodeResponse> reply) {
  absl::Status status = CheckNode(request.node_id());
  status.Update(CheckAddress("peer", request.peer_address()));
  status.Update(CheckAddress("client", request.client_address()));
  if (!status.ok()) return reply(status);
  Reconfigure<v1::AddNodeResponse>(call,
                                   {.add_learners = {{.id = NodeId(request.node_id()),
                                                      .address = request.peer_address(),
                                                      .client_address = request.client_address()}}},
                                   std::move(reply));
}

void ClusterService::PromoteNode(const Call& call, v1::PromoteNodeRequest request,
                                 Reply<v1::PromoteNodeResponse> reply) {
  if (absl::Status status = CheckNode(request.node_id()); !status.ok()) return reply(status);
  Reconfigure<v1::PromoteNodeResponse>(call, {.promote = {NodeId(request.node_id())}},
                                       std::move(reply));
}

void ClusterService::RemoveNode(const Call& call, v1::RemoveNodeRequest request,
                                Reply<v1::RemoveNodeResponse> reply) {
  if (absl::Status status = CheckNode(request.node_id()); !status.ok()) return reply(status);
  Reconfigure<v1::RemoveNodeResponse>(call, {.remove = {NodeId(request.node_id())}},
                                      std::move(reply));
}

void ClusterService::TransferLeadership(const Call& call, v1::TransferLeadershipRequest request,
                                        Reply<v1::TransferLeadershipResponse> reply) {
  node::Node& node = calls_.node();
  node.TransferLeadership(
      NodeId(request.node_id()), call.deadline,
      [&node, reply = std::move(reply)](const absl::StatusOr<NodeId>& leader) {
        if (!leader.ok()) return reply(FromNode(leader.status(), Effect::kUnknown, node.status()));
        v1::TransferLeadershipResponse response;
        response.set_leader_id(leader->value());
        reply(std::move(response));
      });
}

void ClusterService::TakeSnapshot(const Call& call, v1::TakeSnapshotRequest /*request*/,
                                  Reply<v1::TakeSnapshotResponse> reply) {
  node::Node& node = calls_.node();
  node.TakeSnapshot(call.deadline,
                    [&node, reply = std::move(reply)](const absl::StatusOr<Revision>& taken) {
                      if (!taken.ok()) {
                        return reply(FromNode(taken.status(), Effect::kUnknown, node.status()));
                      }
                      v1::TakeSnapshotResponse response;
                      response.set_revision(taken->value());
                      reply(std::move(response));
                    });
}

}  // namespace coterie::rpc
