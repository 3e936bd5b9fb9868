// Leases in a cluster: who has a stream on some node stays, whatever the nodes are busy with.

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/testing_cluster.h"

namespace coterie::node {
namespace {

class PresenceTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kLeaseMs = 1'000;

  explicit PresenceTest(std::size_t members = 3) : cluster_(members) {
    leader_ = cluster_.AwaitLeader();
    if (members > 1) {
      one_ = leader_ == NodeId(1) ? NodeId(2) : NodeId(1);
      other_ = leader_ == NodeId(3) ? NodeId(2) : NodeId(3);
    }
    cluster_.Run(1'000);  // In office for long enough to have heard of everybody.
    session_ = Do(leader_,
                  state::Login{.user = "ann",
                               .verified_hash = "hash",
                               .create_user = true,
                               .token_hash = std::string(32, 't'),
                               .lifetime_ms = 1'000'000'000},
                  SessionId())
                   .session;
  }
  state::Outcome Do(NodeId at, state::CommandBody body, SessionId session) {
    const absl::StatusOr<state::Outcome> outcome =
        cluster_.Propose(at, {.session = session, .body = std::move(body)});
    EXPECT_TRUE(outcome.ok() && outcome->ok()) << outcome.status();
    return outcome.ok() ? *outcome : state::Outcome();
  }
  void Attach(NodeId at, std::uint64_t lease_ms = kLeaseMs) {
    Do(at, state::Attach{.lease_ms = lease_ms}, session_);
    cluster_.replica(at).presence().StreamOpened(session_);
  }
  // As a stream that its client has closed.
  void Close(NodeId at) {
    cluster_.replica(at).presence().StreamClosed(session_);
    static_cast<void>(cluster_.Propose(
        at,
        {.session = session_,
         .body = state::Leave{
             .session = session_, .attached = Joined(), .reason = state::LeaveReason::kDetached}}));
  }
  // None = it has left.
  Revision Joined() {
    cluster_.Work();
    const auto session = cluster_.replica(leader_).sessions().Find(session_);
    return session ? session->attached : Revision();
  }

  TestingCluster cluster_;
  NodeId leader_;
  NodeId one_;
  NodeId other_;
  SessionId session_;
};

TEST_F(PresenceTest, AStreamOnAnyNodeKeepsItsSessionAndNothingElseDoes) {
  Attach(one_);
  const Revision joined = Joined();
  ASSERT_FALSE(joined.IsNone());
  cluster_.Run(5 * kLeaseMs);
  EXPECT_EQ(Joined(), joined);
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.Run(kLeaseMs - 350);
  EXPECT_EQ(Joined(), joined);
  cluster_.Run(600);
  EXPECT_TRUE(Joined().IsNone());
}

TEST_F(PresenceTest, AStalledApplyThreadOfItsNodeEndsNoLease) {
  Attach(one_);
  const Revision joined = Joined();
  cluster_.stalled.insert(one_);
  cluster_.Run(3 * kLeaseMs);
  EXPECT_EQ(Joined(), joined);
}

// In the middle of a batch: what came meanwhile is not read when it goes on.
TEST_F(PresenceTest, AStalledApplyThreadOfTheLeaderEndsNoLease) {
  Attach(one_);
  const Revision joined = Joined();
  bool has_stalled = false;
  cluster_.replica(leader_).Propose(
      {.session = session_, .body = state::CreateDocument{.name = "notes"}},
      TestingCluster::kTimeout, [&](const absl::StatusOr<state::Outcome>& outcome) {
        EXPECT_TRUE(outcome.ok());
        cluster_.stalled.insert(leader_);
        cluster_.Run(3 * kLeaseMs);
        cluster_.stalled.clear();
        has_stalled = true;
      });
  cluster_.Run(500);
  ASSERT_TRUE(has_stalled);
  EXPECT_EQ(Joined(), joined);
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.Run(kLeaseMs + 250);
  EXPECT_TRUE(Joined().IsNone());
}

TEST_F(PresenceTest, AMachineThatSleptBlamesNobody) {
  Attach(one_);
  const Revision joined = Joined();
  cluster_.Sleep(5 * kLeaseMs);
  // Whichever of its threads wakes up first.
  cluster_.replica(leader_).PumpApply(absl::ZeroDuration());
  cluster_.replica(leader_).PumpCore(absl::ZeroDuration());
  cluster_.replica(leader_).PumpApply(absl::ZeroDuration());
  cluster_.Run(500);
  EXPECT_EQ(Joined(), joined);
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.Run(kLeaseMs + 250);
  EXPECT_TRUE(Joined().IsNone());
}

TEST_F(PresenceTest, ALongerLeaseOfASecondStreamCounts) {
  Attach(one_, kLeaseMs);
  Attach(one_, 60'000);
  const Revision joined = Joined();
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.Run(59'000);
  EXPECT_EQ(Joined(), joined);
  cluster_.Run(1'500);
  EXPECT_TRUE(Joined().IsNone());
}

TEST_F(PresenceTest, AShorterLeaseOfASecondStreamTakesNothingFromTheFirst) {
  Attach(one_, 10'000);
  Attach(other_, kLeaseMs);
  const Revision joined = Joined();
  for (const NodeId at : {one_, other_}) cluster_.replica(at).presence().StreamClosed(session_);
  cluster_.Run(9'000);
  EXPECT_EQ(Joined(), joined);
}

TEST_F(PresenceTest, WhoClosesOneStreamStaysWithTheOtherOnAnotherNode) {
  for (const NodeId second : {leader_, other_}) {
    Attach(one_);
    Attach(second);
    const Revision joined = Joined();
    const DocId doc =
        Do(one_, state::CreateDocument{.name = std::to_string(second.value())}, session_).doc;
    Do(one_, state::Lock{.doc = doc}, session_);
    cluster_.Run(kLeaseMs);
    Close(second);
    EXPECT_EQ(Joined(), joined);
    cluster_.Run(3 * kLeaseMs);
    EXPECT_EQ(Joined(), joined);
    cluster_.replica(one_).presence().StreamClosed(session_);
    cluster_.Run(2 * kLeaseMs);
    EXPECT_TRUE(Joined().IsNone());
  }
}

TEST_F(PresenceTest, AStreamThatHasJustBeenOpenedElsewhereCounts) {
  Attach(one_);
  cluster_.Run(3 * kLeaseMs);
  Attach(other_);
  Close(one_);
  EXPECT_FALSE(Joined().IsNone());
}

TEST_F(PresenceTest, WhoClosesTheLastStreamLeavesAtOnce) {
  Attach(one_);
  Attach(one_);
  cluster_.replica(one_).presence().StreamClosed(session_);
  cluster_.Run(100);
  Close(one_);
  EXPECT_TRUE(Joined().IsNone());
  // Also one that was elsewhere before.
  Attach(other_);
  cluster_.Run(100);
  cluster_.replica(other_).presence().StreamClosed(session_);
  Attach(leader_);
  cluster_.Run(2'500);
  Close(leader_);
  EXPECT_TRUE(Joined().IsNone());
}

// Whoever asked for it was told of a change of leaders, and it did not happen.
TEST_F(PresenceTest, WhoHasAStreamIsPresentThoughItsOwnRequestWasLost) {
  cluster_.replica(one_).presence().StreamOpened(session_);
  cluster_.Run(1'500);
  const Revision joined = Joined();
  EXPECT_FALSE(joined.IsNone());
  cluster_.Run(3'000);
  EXPECT_EQ(Joined(), joined);
  Close(one_);
  cluster_.Run(1'500);
  EXPECT_TRUE(Joined().IsNone());
}

class LonelyPresenceTest : public PresenceTest {
 protected:
  LonelyPresenceTest() : PresenceTest(1) {}
};

TEST_F(LonelyPresenceTest, WhoClosesTheLastStreamLeavesAtOnceHoweverNewTheLeaderIs) {
  cluster_.Kill(leader_);
  cluster_.Start(leader_);
  ASSERT_EQ(cluster_.AwaitLeader(), leader_);
  Attach(leader_);
  Close(leader_);
  EXPECT_TRUE(Joined().IsNone());
}

}  // namespace
}  // namespace coterie::node
