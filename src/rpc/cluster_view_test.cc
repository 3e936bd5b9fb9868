#include "rpc/cluster_view.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace coterie::rpc {
namespace {

using Traffic = node::Journal::Traffic;

const NodeId kOne(1);
const NodeId kTwo(2);
const NodeId kThree(3);
const absl::Time kBegin = absl::UnixEpoch() + absl::Hours(1);

// Of node 1 of three, as it is when that node leads, or who else.
node::Status StatusOfOne(NodeId leader, std::uint64_t applied) {
  node::Status status{.id = kOne,
                      .cluster_id = 7,
                      .role = leader == kOne ? raft::Role::kLeader : raft::Role::kFollower,
                      .leader = leader,
                      .term = Term(4),
                      .commit = Index(applied),
                      .applied = Index(applied),
                      .last = Index(applied)};
  for (const NodeId id : {kOne, kTwo, kThree}) {
    status.configuration.members.push_back({.id = id, .client_address = "host:1"});
    status.configuration.voters.push_back(id);
  }
  if (leader == kOne) {
    status.peers = {{.id = kTwo, .match = Index(applied), .is_reachable = true},
                    {.id = kThree, .match = Index(1), .is_reachable = false}};
  }
  return status;
}

v1::WatchClusterResponse WordOf(NodeId id, std::uint64_t applied,
                                v1::NodeRole role = v1::NODE_ROLE_FOLLOWER) {
  v1::WatchClusterResponse word;
  v1::WatchedNode& node = *word.add_nodes();
  node.mutable_status()->set_node_id(id.value());
  node.mutable_status()->set_role(role);
  node.mutable_status()->set_is_reachable(true);
  node.mutable_status()->set_commit_index(applied);
  node.mutable_status()->set_applied_index(applied);
  return word;
}

v1::Happening HappeningOf(NodeId id, std::uint64_t started_ms, std::uint64_t number) {
  v1::Happening happening;
  happening.set_node_id(id.value());
  happening.set_started_ms(started_ms);
  happening.set_number(number);
  return happening;
}

class View : public testing::Test {
 protected:
  View() { BeOne(kTwo, 10); }
  void BeOne(NodeId leader, std::uint64_t applied) {
    const node::Status status = StatusOfOne(leader, applied);
    view_.SetOwn(status, DescribeOwn(status, {}, absl::Seconds(10)));
  }
  v1::WatchedNode At(NodeId id, absl::Duration later) const {
    const v1::WatchClusterResponse all = view_.Compose(WatchScope::kCluster, 0, kBegin + later);
    for (const v1::WatchedNode& node : all.nodes()) {
      if (node.status().node_id() == id.value()) return node;
    }
    return {};
  }

  ClusterView view_{kOne};
};

TEST_F(View, WhoHasSaidNothingIsNotSaidToBeThere) {
  const v1::WatchedNode silent = At(kThree, absl::ZeroDuration());
  EXPECT_FALSE(silent.has_age_ms());
  EXPECT_FALSE(silent.status().is_reachable());
  EXPECT_EQ(silent.status().client_address(), "host:1");
  EXPECT_TRUE(At(kOne, absl::ZeroDuration()).status().is_reachable());
}

TEST_F(View, AWordGrowsOldAndIsShownWithItsAge) {
  view_.Hear(kThree, WordOf(kThree, 8), kBegin);
  EXPECT_TRUE(At(kThree, absl::Seconds(1)).status().is_reachable());
  const v1::WatchedNode old = At(kThree, absl::Seconds(12));
  EXPECT_FALSE(old.status().is_reachable());
  EXPECT_EQ(old.age_ms(), 12'000U);
  EXPECT_EQ(old.status().applied_index(), 8U);
  EXPECT_EQ(old.status().lag_entries(), 2U);
}

TEST_F(View, WhoseConnectionHasEndedIsGoneAtOnce) {
  view_.Hear(kThree, WordOf(kThree, 8), kBegin);
  view_.Lose(kThree);
  EXPECT_FALSE(At(kThree, absl::ZeroDuration()).status().is_reachable());
}

TEST_F(View, WhomTheLeaderHearsIsThere) {
  v1::WatchClusterResponse word = WordOf(kTwo, 10, v1::NODE_ROLE_LEADER);
  v1::PeerLink& link = *word.mutable_nodes(0)->add_links();
  link.set_node_id(kThree.value());
  link.set_is_heard(true);
  view_.Hear(kTwo, word, kBegin);
  EXPECT_TRUE(At(kThree, absl::Seconds(1)).status().is_reachable());
  EXPECT_FALSE(At(kThree, absl::Seconds(2)).status().is_reachable());  // That is an old word, too.
}

TEST_F(View, WhoIsTooOldToSayAnythingIsThereAllTheSame) {
  view_.HearNothing(kThree, kBegin);
  EXPECT_TRUE(At(kThree, absl::Seconds(1)).status().is_reachable());
  EXPECT_FALSE(At(kThree, absl::Seconds(1)).has_age_ms());
  EXPECT_FALSE(At(kThree, absl::Seconds(2)).status().is_reachable());
}

TEST_F(View, NobodySpeaksForAnotherNode) {
  view_.Hear(kThree, WordOf(kTwo, 99), kBegin);
  EXPECT_FALSE(At(kTwo, absl::ZeroDuration()).has_age_ms());
  EXPECT_FALSE(At(kThree, absl::ZeroDuration()).has_age_ms());
  EXPECT_EQ(At(kThree, absl::ZeroDuration()).status().node_id(), kThree.value());
  v1::WatchClusterResponse word = WordOf(kThree, 8);
  *word.add_happenings() = HappeningOf(kTwo, 1, 1);
  view_.Hear(kThree, word, kBegin);
  EXPECT_EQ(view_.happened(), 0U);
}

TEST_F(View, OnlyWhoHasSaidSoHoldsAnEntry) {
  EXPECT_EQ(view_.Holders(Index(10)), std::vector<NodeId>({kOne}));
  view_.Hear(kTwo, WordOf(kTwo, 10), kBegin);
  view_.Hear(kThree, WordOf(kThree, 9), kBegin);
  EXPECT_EQ(view_.Holders(Index(10)), std::vector<NodeId>({kOne, kTwo}));
  EXPECT_EQ(view_.Holders(Index(11)), std::vector<NodeId>());
  view_.Hear(kThree, WordOf(kThree, 10), kBegin);
  EXPECT_EQ(view_.Holders(Index(10)), std::vector<NodeId>({kOne, kTwo, kThree}));
  view_.ForgetOthers();
  EXPECT_EQ(view_.Holders(Index(10)), std::vector<NodeId>({kOne}));
}

TEST_F(View, WhatIsToldAgainHappenedOnce) {
  EXPECT_TRUE(view_.Add(HappeningOf(kTwo, 100, 1)));
  EXPECT_TRUE(view_.Add(HappeningOf(kTwo, 100, 2)));
  EXPECT_FALSE(view_.Add(HappeningOf(kTwo, 100, 1)));
  EXPECT_FALSE(view_.Add(HappeningOf(kTwo, 100, 2)));
  EXPECT_TRUE(view_.Add(HappeningOf(kThree, 100, 1)));
  EXPECT_TRUE(view_.Add(HappeningOf(kTwo, 200, 1)));  // It was started anew.
  EXPECT_EQ(view_.Compose(WatchScope::kCluster, 0, kBegin).happenings_size(), 4);
  EXPECT_EQ(view_.Compose(WatchScope::kCluster, 3, kBegin).happenings_size(), 1);
}

TEST_F(View, RemembersTheNewest) {
  for (std::uint64_t i = 1; i <= 2 * ClusterView::kHappeningsMax; ++i) {
    view_.Add(HappeningOf(kTwo, 100, i));
  }
  const v1::WatchClusterResponse all = view_.Compose(WatchScope::kCluster, 0, kBegin);
  EXPECT_EQ(all.happenings_size(), static_cast<int>(ClusterView::kHappeningsMax));
  EXPECT_EQ(all.happenings().rbegin()->number(), 2 * ClusterView::kHappeningsMax);
  EXPECT_EQ(view_.Compose(WatchScope::kCluster, view_.happened() - 2, kBegin).happenings_size(), 2);
}

TEST_F(View, WhatANodeTellsOthersIsOfItself) {
  view_.Add(HappeningOf(kOne, 100, 1));
  view_.Add(HappeningOf(kTwo, 100, 1));
  view_.Hear(kTwo, WordOf(kTwo, 10), kBegin);
  const v1::WatchClusterResponse own = view_.Compose(WatchScope::kNode, 0, kBegin);
  ASSERT_EQ(own.nodes_size(), 1);
  EXPECT_EQ(own.nodes(0).status().node_id(), kOne.value());
  ASSERT_EQ(own.happenings_size(), 1);
  EXPECT_EQ(own.happenings(0).node_id(), kOne.value());
}

TEST(DescribeOwn, ALeaderSaysWhatWentToEverybodyAndWhatCameBack) {
  const std::vector<Traffic> traffic = {
      {.peer = kTwo, .appends_sent = 9, .appends_acknowledged = 8, .silent_us = 1'000}};
  const v1::WatchedNode own = DescribeOwn(StatusOfOne(kOne, 10), traffic, absl::Seconds(1));
  EXPECT_EQ(own.status().role(), v1::NODE_ROLE_LEADER);
  ASSERT_EQ(own.links_size(), 2);
  EXPECT_EQ(own.links(0).appends_sent(), 9U);
  EXPECT_EQ(own.links(0).appends_acknowledged(), 8U);
  EXPECT_EQ(own.links(0).match_index(), 10U);
  EXPECT_TRUE(own.links(0).is_heard());
  EXPECT_TRUE(own.links(1).has_is_heard());
  EXPECT_FALSE(own.links(1).is_heard());
}

TEST(DescribeOwn, WhatIsAppliedIsCommittedAndAppended) {
  node::Status status = StatusOfOne(kTwo, 10);
  status.applied = Index(12);
  const v1::WatchedNode own = DescribeOwn(status, {}, absl::Seconds(1));
  EXPECT_EQ(own.status().commit_index(), 12U);
  EXPECT_EQ(own.status().last_index(), 12U);
}

TEST(DescribeOwn, FollowersExpectToHearFromTheirLeaderAlone) {
  const std::vector<Traffic> traffic = {{.peer = kTwo, .silent_us = 1'000},
                                        {.peer = kThree, .silent_us = 90'000'000}};
  const v1::WatchedNode own = DescribeOwn(StatusOfOne(kTwo, 10), traffic, absl::Seconds(1));
  EXPECT_TRUE(own.links(0).is_heard());
  EXPECT_FALSE(own.links(1).has_is_heard());
}

TEST(DescribeOwn, WhoAsksForVotesLongEnoughKnowsWhoIsSilent) {
  node::Status status = StatusOfOne(NodeId(), 10);
  status.role = raft::Role::kPreCandidate;
  const std::vector<Traffic> traffic = {{.peer = kTwo, .silent_us = 90'000'000}};
  const v1::WatchedNode soon = DescribeOwn(status, traffic, absl::Milliseconds(50));
  EXPECT_FALSE(soon.links(0).has_is_heard());
  const v1::WatchedNode later = DescribeOwn(status, traffic, absl::Seconds(2));
  EXPECT_EQ(later.status().role(), v1::NODE_ROLE_CANDIDATE);
  EXPECT_TRUE(later.links(0).has_is_heard());
  EXPECT_FALSE(later.links(0).is_heard());
  EXPECT_TRUE(later.links(1).has_is_heard());  // Nothing ever came from there.
  EXPECT_FALSE(later.links(1).is_heard());
}

}  // namespace
}  // namespace coterie::rpc
