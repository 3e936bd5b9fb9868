// What a node says of itself where it is no member, or where a change of members is not possible.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "node/replica.h"
#include "node/testing_cluster.h"

namespace coterie::node {
namespace {

const NodeId kOne(1);
const NodeId kTwo(2);

state::Command LoginAs(const std::string& user) {
  return {.body = state::Login{.user = user,
                               .verified_hash = "hash",
                               .create_user = true,
                               .create_as_admin = true,
                               .token_hash = std::string(32, 't'),
                               .lifetime_ms = 1'000'000'000}};
}

bool Serves(TestingCluster& cluster, NodeId at, const std::string& user) {
  const absl::StatusOr<state::Outcome> login = cluster.Propose(at, LoginAs(user));
  return login.ok() && login->ok();
}

bool HasAlarm(TestingCluster& cluster, NodeId at, const std::string& alarm) {
  const std::vector<std::string> alarms = cluster.replica(at).status().alarms;
  return std::ranges::count(alarms, alarm) > 0;
}

absl::Status Change(TestingCluster& cluster, const raft::MembershipChange& change) {
  const NodeId leader = cluster.AwaitLeader();
  std::optional<absl::Status> answer;
  cluster.replica(leader).Reconfigure(
      change, TestingCluster::kTimeout,
      [&](const absl::StatusOr<Revision>& got) { answer = got.status(); });
  cluster.Run(1'000);
  return answer.value_or(absl::DeadlineExceededError("no answer"));
}

// Nothing is proposed, read or waited for there; the caller goes to another node.
void ExpectRefusedAtOnce(TestingCluster& cluster, NodeId at, const std::string& why) {
  std::optional<absl::Status> wrote;
  cluster.replica(at).Propose(LoginAs("tom"), TestingCluster::kTimeout,
                              [&](const auto& outcome) { wrote = outcome.status(); });
  ASSERT_TRUE(wrote.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*wrote)) << *wrote;
  EXPECT_NE(wrote->message().find(why), std::string::npos) << *wrote;
  std::optional<absl::Status> read;
  cluster.replica(at).Read(
      Consistency::kLinearizable, TestingCluster::kTimeout, [](const state::Machine&) {},
      [&](const auto& revision) { read = revision.status(); });
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*read)) << *read;
}

TEST(NoMember, ANodeThatLostItsDiskSaysSo) {
  TestingCluster cluster(3);
  NodeId leader = cluster.AwaitLeader();
  const NodeId lost = leader == kOne ? kTwo : kOne;
  ASSERT_TRUE(Serves(cluster, leader, "ann"));
  cluster.Run(3'000);  // The founders have been told apart by their disks.
  cluster.Kill(lost);
  cluster.LoseDisk(lost);
  cluster.Start(lost);
  cluster.Run(2'000);

  EXPECT_TRUE(HasAlarm(cluster, lost, "OTHER_DISK"));
  ExpectRefusedAtOnce(cluster, lost, "has not the disk");
  leader = cluster.AwaitLeader();
  EXPECT_FALSE(HasAlarm(cluster, leader, "OTHER_DISK"));
  EXPECT_TRUE(Serves(cluster, leader, "eve"));
}

TEST(NoMember, ARemovedNodeKnowsAlsoIfItWasAway) {
  for (const bool is_away : {false, true}) {
    TestingCluster cluster(3);
    const NodeId leader = cluster.AwaitLeader();
    const NodeId gone = leader == kOne ? kTwo : kOne;
    ASSERT_TRUE(Serves(cluster, leader, "ann"));
    cluster.Run(1'000);
    if (is_away) cluster.Kill(gone);
    EXPECT_TRUE(Change(cluster, {.remove = {gone}}).ok());
    if (is_away) cluster.Start(gone);
    cluster.Run(3'000);

    EXPECT_TRUE(HasAlarm(cluster, gone, "NOT_MEMBER")) << is_away;
    ExpectRefusedAtOnce(cluster, gone, "no member");
    EXPECT_FALSE(HasAlarm(cluster, cluster.AwaitLeader(), "NOT_MEMBER"));
  }
}

TEST(NoMember, OneThatJoinsIsToldToWaitUntilItIsAdded) {
  TestingCluster cluster(3);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  const NodeId joins(4);
  ASSERT_TRUE(Serves(cluster, kOne, "ann"));
  cluster.AddServer(joins);
  cluster.Start(joins);
  cluster.Run(500);
  EXPECT_TRUE(HasAlarm(cluster, joins, "NOT_MEMBER"));
  ExpectRefusedAtOnce(cluster, joins, "yet to be added");

  EXPECT_TRUE(Change(cluster, {.add_learners = {{.id = joins, .address = "node4"}}}).ok());
  cluster.Run(1'000);
  EXPECT_FALSE(HasAlarm(cluster, joins, "NOT_MEMBER"));
  EXPECT_TRUE(Serves(cluster, joins, "eve"));
}

TEST(Change, OfANodeThatIsNotKnownIsRefusedWithTheReason) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  ASSERT_TRUE(Serves(cluster, kOne, "ann"));
  const absl::Status stranger = Change(cluster, {.promote = {NodeId(9)}});
  EXPECT_TRUE(absl::IsInvalidArgument(stranger)) << stranger;
  EXPECT_NE(stranger.message().find("no member"), std::string::npos) << stranger;

  EXPECT_TRUE(Change(cluster, {.add_learners = {{.id = kTwo, .address = "node2"}}}).ok());
  const absl::Status silent = Change(cluster, {.promote = {kTwo}});
  EXPECT_TRUE(absl::IsUnavailable(silent)) << silent;
  EXPECT_NE(silent.message().find("not been heard of"), std::string::npos) << silent;
}

TEST(Notices, AreMadeOfWhatHappens) {
  TestingCluster cluster(0);
  std::vector<std::string> lines;
  cluster.options.on_notice = [&](const Notice& line) { lines.push_back(line.text); };
  cluster.Found(2);
  cluster.AwaitLeader();
  cluster.Run(1'000);
  EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("leads in term") != std::string::npos;
  }));
}

}  // namespace
}  // namespace coterie::node
