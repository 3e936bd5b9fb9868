#include "rpc/cluster_view.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/overload.h"
#include "rpc/cluster_service.h"

namespace coterie::rpc {
namespace {

// Leaders and candidates hear from everybody several times in this time.
constexpr absl::Duration kSilentMax = absl::Milliseconds(600);

v1::NodeRole ToProto(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return v1::NODE_ROLE_FOLLOWER;
    case raft::Role::kPreCandidate:
    case raft::Role::kCandidate:
      return v1::NODE_ROLE_CANDIDATE;
    case raft::Role::kLeader:
      return v1::NODE_ROLE_LEADER;
  }
  return v1::NODE_ROLE_UNSPECIFIED;
}

v1::VoteKind ToProto(raft::VoteKind kind) {
  switch (kind) {
    case raft::VoteKind::kPreVote:
      return v1::VOTE_KIND_PRE_VOTE;
    case raft::VoteKind::kVote:
      return v1::VOTE_KIND_VOTE;
    case raft::VoteKind::kTransfer:
      return v1::VOTE_KIND_TRANSFER;
  }
  return v1::VOTE_KIND_UNSPECIFIED;
}

bool IsCandidate(const node::Status& status) {
  return status.role == raft::Role::kPreCandidate || status.role == raft::Role::kCandidate;
}

// Whether something should come from `peer` all the time. Who has just begun to ask for votes has
// asked for no answer before.
bool IsExpected(const node::Status& status, NodeId peer, absl::Duration office_age) {
  if (IsCandidate(status)) return office_age > kSilentMax;
  return status.role != raft::Role::kLeader && peer == status.leader;
}

void DescribeLink(const node::Status& status, const node::Journal::Traffic& traffic,
                  absl::Duration office_age, v1::PeerLink& link) {
  link.set_appends_sent(traffic.appends_sent);
  link.set_appends_acknowledged(traffic.appends_acknowledged);
  if (IsExpected(status, traffic.peer, office_age)) {
    link.set_is_heard(absl::Microseconds(traffic.silent_us) < kSilentMax);
  }
}

}  // namespace

v1::WatchedNode DescribeOwn(const node::Status& status,
                            const std::vector<node::Journal::Traffic>& traffic,
                            absl::Duration office_age) {
  v1::WatchedNode own;
  const v1::GetStatusResponse described = Describe(status);
  for (const v1::NodeStatus& node : described.nodes()) {
    if (node.node_id() == status.id.value()) *own.mutable_status() = node;
  }
  own.mutable_status()->set_node_id(status.id.value());
  // What is applied is as of now, the rest as of the last look of the core's: it is that far.
  const std::uint64_t commit = std::max(status.commit, status.applied).value();
  own.mutable_status()->set_commit_index(commit);
  own.mutable_status()->set_last_index(std::max(status.last.value(), commit));
  own.set_leader_id(status.leader.value());
  for (const raft::Member& member : status.configuration.members) {
    if (member.id == status.id) continue;
    v1::PeerLink& link = *own.add_links();
    link.set_node_id(member.id.value());
    const auto found = std::find_if(traffic.begin(), traffic.end(),
                                    [&](const auto& each) { return each.peer == member.id; });
    node::Journal::Traffic never{.peer = member.id, .silent_us = ~std::uint64_t{0} / 2};
    DescribeLink(status, found == traffic.end() ? never : *found, office_age, link);
    for (const node::Status::Peer& peer : status.peers) {
      if (peer.id != member.id) continue;
      link.set_is_heard(peer.is_reachable);
      link.set_match_index(peer.match.value());
    }
  }
  return own;
}

v1::Happening ToProto(const node::Happening& happening, NodeId node, std::uint64_t started_ms) {
  v1::Happening proto;
  proto.set_node_id(node.value());
  proto.set_started_ms(started_ms);
  proto.set_number(happening.number);
  proto.set_time_ms(happening.time_ms);
  proto.set_term(happening.term.value());
  std::visit(Overload{[&](const node::OfficeChanged& office) {
                        proto.mutable_office()->set_role(ToProto(office.role));
                        proto.mutable_office()->set_leader_id(office.leader.value());
                        proto.mutable_office()->set_silent_ms(office.silent_ms);
                      },
                      [&](const node::VoteAsked& asked) {
                        proto.mutable_vote_asked()->set_kind(ToProto(asked.kind));
                      },
                      [&](const node::VoteAnswered& answered) {
                        v1::VoteAnswered& answer = *proto.mutable_vote_answered();
                        answer.set_kind(ToProto(answered.kind));
                        answer.set_candidate_id(answered.candidate.value());
                        answer.set_voter_id(answered.voter.value());
                        answer.set_is_granted(answered.is_granted);
                      },
                      [&](const node::ContactChanged& contact) {
                        proto.mutable_contact()->set_peer_id(contact.peer.value());
                        proto.mutable_contact()->set_is_heard(contact.is_heard);
                      }},
             happening.body);
  return proto;
}

void ClusterView::SetOwn(const node::Status& status, v1::WatchedNode own) {
  CHECK(status.id == self_);
  status_ = status;
  own_ = std::move(own);
  std::erase_if(words_,
                [&](const auto& word) { return !status.configuration.IsMember(word.first); });
}

void ClusterView::Hear(NodeId node, const v1::WatchClusterResponse& word, absl::Time now) {
  for (const v1::WatchedNode& each : word.nodes()) {
    // Of itself alone, and it is who was asked: the address of a node may be another one's now.
    if (each.status().node_id() != node.value() || node == self_) continue;
    words_[node] = {.node = each, .heard = now, .is_connected = true};
  }
  for (const v1::Happening& happening : word.happenings()) {
    if (happening.node_id() == node.value()) Add(happening);
  }
}

void ClusterView::Lose(NodeId node) {
  const auto found = words_.find(node);
  if (found != words_.end()) found->second.is_connected = false;
}

void ClusterView::HearNothing(NodeId node, absl::Time now) { mute_[node] = now; }

void ClusterView::ForgetOthers() {
  words_.clear();
  mute_.clear();
}

bool ClusterView::Add(const v1::Happening& happening) {
  LastHappening& last = last_happenings_[NodeId(happening.node_id())];
  if (last.started_ms == happening.started_ms() && happening.number() <= last.number) return false;
  last = {.started_ms = happening.started_ms(), .number = happening.number()};
  if (happenings_.size() == kHappeningsMax) happenings_.pop_front();
  happenings_.push_back(happening);
  ++happened_;
  return true;
}

bool ClusterView::IsFresh(const Word& word, absl::Time now) const {
  return word.is_connected && now - word.heard < kFresh;
}

bool ClusterView::IsHeardByLeader(NodeId node, absl::Time now) const {
  const auto says_so = [node](const v1::WatchedNode& leader) {
    return std::any_of(leader.links().begin(), leader.links().end(), [node](const auto& link) {
      return link.node_id() == node.value() && link.is_heard();
    });
  };
  if (status_.role == raft::Role::kLeader) return says_so(own_);
  const auto found = words_.find(status_.leader);
  return found != words_.end() && IsFresh(found->second, now) &&
         found->second.node.status().role() == v1::NODE_ROLE_LEADER && says_so(found->second.node);
}

// `known`: what this node has of it without its word.
v1::WatchedNode ClusterView::Describe(const v1::NodeStatus& known, absl::Time now) const {
  const NodeId id(known.node_id());
  v1::WatchedNode node;
  const auto mute = mute_.find(id);
  bool is_reachable = id == self_ || IsHeardByLeader(id, now) ||
                      (mute != mute_.end() && now - mute->second < kFresh);
  if (id == self_) {
    node = own_;
    node.set_age_ms(0);
  } else if (const auto word = words_.find(id); word != words_.end()) {
    node = word->second.node;
    node.set_age_ms(static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, absl::ToInt64Milliseconds(now - word->second.heard))));
    is_reachable = is_reachable || IsFresh(word->second, now);
  } else {
    *node.mutable_status() = known;
  }
  node.mutable_status()->set_is_reachable(is_reachable);
  node.set_is_voter(status_.configuration.IsVoter(id));
  return node;
}

v1::WatchClusterResponse ClusterView::Compose(WatchScope scope, std::uint64_t seen,
                                              absl::Time now) const {
  v1::WatchClusterResponse response;
  response.set_answering_node_id(self_.value());
  response.set_cluster_id(status_.cluster_id);
  response.set_leader_id(status_.leader.value());
  const v1::GetStatusResponse known = rpc::Describe(status_);
  std::uint64_t commit = 0;
  for (const v1::NodeStatus& each : known.nodes()) {
    if (scope == WatchScope::kNode && each.node_id() != self_.value()) continue;
    *response.add_nodes() = Describe(each, now);
    commit = std::max(commit, response.nodes().rbegin()->status().commit_index());
  }
  for (v1::WatchedNode& node : *response.mutable_nodes()) {
    const std::uint64_t applied = node.status().applied_index();
    node.mutable_status()->set_lag_entries(commit > applied ? commit - applied : 0);
  }
  const std::uint64_t first = happened_ - happenings_.size();  // Kept are those from here on.
  for (std::uint64_t i = std::max(seen, first); i < happened_; ++i) {
    const v1::Happening& happening = happenings_[i - first];
    if (scope == WatchScope::kNode && happening.node_id() != self_.value()) continue;
    *response.add_happenings() = happening;
  }
  return response;
}

std::vector<NodeId> ClusterView::Holders(Index index) const {
  std::vector<NodeId> holders;
  for (const NodeId id : status_.configuration.voters) {
    const auto word = words_.find(id);
    const v1::WatchedNode* node = id == self_ ? &own_ : nullptr;
    if (word != words_.end()) node = &word->second.node;
    if (node != nullptr && node->status().applied_index() >= index.value()) holders.push_back(id);
  }
  return holders;
}

}  // namespace coterie::rpc
