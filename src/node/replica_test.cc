// A cluster of replicas in one thread: real log files, no clock but ours.

#include "node/replica.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "node/testing_cluster.h"

namespace coterie::node {
namespace {

const NodeId kOne(1);
const NodeId kTwo(2);
const NodeId kThree(3);

state::Command LoginAs(const std::string& user) {
  return {.body = state::Login{.user = user,
                               .verified_hash = "hash",
                               .create_user = true,
                               .create_as_admin = true,
                               .token_hash = std::string(32, 't'),
                               .lifetime_ms = 1'000'000'000}};
}

// A session at work: numbers its requests, so that each happens once.
class Writer {
 public:
  Writer(TestingCluster& cluster, NodeId at) : cluster_(cluster) {
    const absl::StatusOr<state::Outcome> login = cluster.Propose(at, LoginAs("ann"));
    EXPECT_TRUE(login.ok() && login->ok()) << login.status();
    if (login.ok()) session_ = login->session;
  }
  state::Command Make(state::CommandBody body) {
    return {.session = session_,
            // Far fewer than a hundred are ever on their way.
            .request = {.client = ClientId(9),
                        .sequence = ++sequence_,
                        .acked_below = sequence_ > 100 ? sequence_ - 100 : 0},
            .body = std::move(body)};
  }
  state::Outcome Do(NodeId at, state::CommandBody body) {
    const absl::StatusOr<state::Outcome> outcome = cluster_.Propose(at, Make(std::move(body)));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (!outcome.ok()) return {};
    EXPECT_TRUE(outcome->ok()) << outcome->message;
    return *outcome;
  }
  DocId Create(NodeId at, const std::string& name) {
    return Do(at, state::CreateDocument{.name = name}).doc;
  }
  void Add(NodeId at, DocId doc, const std::string& text) {
    Do(at, state::Append{.doc = doc, .text = text});
  }
  SessionId session() const { return session_; }

 private:
  TestingCluster& cluster_;
  SessionId session_;
  std::uint64_t sequence_ = 0;
};

std::string TextOf(TestingCluster& cluster, NodeId at, DocId doc,
                   Consistency consistency = Consistency::kLinearizable) {
  std::string text = "no answer";
  const absl::Status read = cluster.Read(at, consistency, [&](const state::Machine& machine) {
    text = machine.TextAt(doc, Revision()).value_or("no such document");
  });
  return read.ok() ? text : read.ToString();
}

TEST(Replica, OneNodeServes) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kOne, "notes");
  ann.Add(kOne, doc, "hello");
  EXPECT_EQ(TextOf(cluster, kOne, doc), "hello");
}

TEST(Replica, AnyNodeTakesWritesAndReadsThem) {
  TestingCluster cluster(3);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kTwo, "notes");
  ann.Add(kThree, doc, "a");
  EXPECT_EQ(TextOf(cluster, kOne, doc), "a");
  ann.Add(kOne, doc, "b");
  EXPECT_EQ(TextOf(cluster, kTwo, doc), "ab");
  EXPECT_EQ(TextOf(cluster, kThree, doc), "ab");
}

TEST(Replica, NothingIsLostWhenTheLeaderDies) {
  TestingCluster cluster(3);
  const NodeId first = cluster.AwaitLeader();
  Writer ann(cluster, first);
  const DocId doc = ann.Create(first, "notes");
  ann.Add(first, doc, "before ");
  cluster.Kill(first);
  const NodeId second = cluster.AwaitLeader();
  ASSERT_FALSE(second.IsNone());
  EXPECT_EQ(TextOf(cluster, second, doc), "before ");
  ann.Add(second, doc, "after");
  cluster.Start(first);
  cluster.Run(1'000);
  EXPECT_EQ(TextOf(cluster, first, doc), "before after");
}

TEST(Replica, AProposalOutlivesTheLeaderItWasSentTo) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  const NodeId follower = leader == kOne ? kTwo : kOne;
  // The leader never gets it, or its answer never comes back.
  cluster.cuts.insert({follower, leader});
  std::optional<absl::StatusOr<state::Outcome>> answer;
  cluster.replica(follower).Propose(
      ann.Make(state::Append{.doc = doc, .text = "once"}), TestingCluster::kTimeout,
      [&answer](absl::StatusOr<state::Outcome> got) { answer = std::move(got); });
  cluster.Work();
  EXPECT_FALSE(answer.has_value());
  cluster.Kill(leader);
  cluster.cuts.clear();
  cluster.Run(3'000);
  ASSERT_TRUE(answer.has_value());
  ASSERT_TRUE(answer->ok()) << answer->status();
  EXPECT_EQ(TextOf(cluster, follower, doc), "once");
}

TEST(Replica, AFollowerSendsAProposalOnWithoutItsCore) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  const NodeId follower = leader == kOne ? kTwo : kOne;
  const auto frames = [&cluster] {
    std::uint64_t sent = 0;
    for (const auto& [version, count] : cluster.frames_of_version) sent += count;
    return sent;
  };
  const std::uint64_t frames_before = frames();

  bool is_answered = false;
  cluster.replica(follower).Propose(
      ann.Make(state::Append{.doc = doc, .text = "x"}), TestingCluster::kTimeout,
      [&is_answered](const absl::StatusOr<state::Outcome>& got) { is_answered = got.ok(); });

  EXPECT_EQ(frames(), frames_before + 1);
  EXPECT_FALSE(cluster.replica(follower).waiting().core);
  cluster.Work();
  EXPECT_TRUE(is_answered);
  EXPECT_EQ(TextOf(cluster, leader, doc), "x");
}

TEST(Replica, WithoutAMajorityNothingIsAcknowledged) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  for (const NodeId id : {kOne, kTwo, kThree}) {
    if (id != leader) cluster.Kill(id);
  }
  bool is_answered = false;
  cluster.replica(leader).Propose(
      ann.Make(state::Append{.doc = doc, .text = "x"}), TestingCluster::kTimeout,
      [&is_answered](const absl::StatusOr<state::Outcome>& got) { is_answered = got.ok(); });
  bool was_read = false;
  cluster.replica(leader).Read(
      Consistency::kLinearizable, TestingCluster::kTimeout, [](const state::Machine&) {},
      [&was_read](const absl::StatusOr<Revision>& got) { was_read = got.ok(); });
  cluster.Run(3'000);
  EXPECT_FALSE(is_answered);
  EXPECT_FALSE(was_read);
  EXPECT_EQ(TextOf(cluster, leader, doc, Consistency::kStale), "");
}

TEST(Replica, EventsComeOnceAndInOrder) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  std::vector<Revision> seen;
  cluster.replica(kTwo).Subscribe([&](const state::EventBatch& batch, const state::Machine&) {
    seen.push_back(batch.revision);
  });
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  for (int i = 0; i < 20; ++i) ann.Add(kThree, doc, "x");
  cluster.Run(100);
  ASSERT_GE(seen.size(), 21u);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_LT(seen[i - 1], seen[i]);
}

TEST(Replica, AFollowerThatWasAwayGetsASnapshot) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  const NodeId away = leader == kThree ? kTwo : kThree;
  cluster.Kill(away);
  // More than the log keeps behind a snapshot.
  const std::string piece(8'000, 'x');
  std::string expected;
  for (int i = 0; i < 2'400; ++i) {
    const std::string text = i % 8 == 0 ? piece : "y";
    cluster.replica(leader).Propose(ann.Make(state::Append{.doc = doc, .text = text}),
                                    TestingCluster::kTimeout, [](const auto&) {});
    expected += text;
    if (i % 50 == 0) cluster.Work();
  }
  cluster.Run(100);
  for (int i = 0; i < 3'000; ++i) {
    cluster.replica(leader).Propose(ann.Make(state::Append{.doc = doc, .text = "z"}),
                                    TestingCluster::kTimeout, [](const auto&) {});
    expected += "z";
    if (i % 50 == 0) cluster.Work();
  }
  cluster.Run(100);
  bool is_taken = false;
  cluster.replica(leader).TakeSnapshot(
      TestingCluster::kTimeout, [&](const absl::StatusOr<Revision>& got) { is_taken = got.ok(); });
  cluster.Run(100);
  ASSERT_TRUE(is_taken);
  EXPECT_GT(cluster.replica(leader).status().first, Index(10));
  cluster.Start(away);
  cluster.Run(3'000);
  EXPECT_EQ(cluster.replica(away).status().applied, cluster.replica(leader).status().applied);
  EXPECT_EQ(TextOf(cluster, away, doc) == expected, true);
  // What it installed is durable.
  cluster.Kill(away);
  cluster.Start(away);
  cluster.Run(500);
  EXPECT_EQ(TextOf(cluster, away, doc) == expected, true);
}

TEST(Replica, ANodeIsAddedPromotedAndAnotherRemoved) {
  TestingCluster cluster(3);
  NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  const NodeId fourth(4);
  cluster.AddServer(fourth);
  cluster.Start(fourth);
  cluster.Run(500);
  const auto change = [&](const raft::MembershipChange& wanted) {
    std::optional<absl::StatusOr<Revision>> answer;
    cluster.replica(leader).Reconfigure(
        wanted, TestingCluster::kTimeout,
        [&](absl::StatusOr<Revision> got) { answer = std::move(got); });
    cluster.Run(1'000);
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->ok()) << answer->status();
  };
  change({.add_learners = {{.id = fourth, .incarnation = Incarnation(1004), .address = "node4"}}});
  ann.Add(leader, doc, "text");
  EXPECT_EQ(TextOf(cluster, fourth, doc), "text");
  change({.promote = {fourth}});
  const NodeId old = leader == kOne ? kTwo : kOne;
  change({.remove = {old}});
  cluster.Kill(old);
  ann.Add(fourth, doc, " more");
  EXPECT_EQ(TextOf(cluster, leader, doc), "text more");
  EXPECT_EQ(cluster.replica(leader).status().configuration.voters.size(), 3u);
}

// More than one pump takes: a sweep comes between, and finds in the table what still waits in the
// inbox. Without ids nothing but care keeps a request from happening twice.
TEST(Replica, ASweepDoesNotSendWhatStillWaitsForItsTurn) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kOne, "notes");
  std::size_t acknowledged = 0;
  const auto add_one = [&] {
    cluster.replica(kOne).Propose(
        {.session = ann.session(), .body = state::Append{.doc = doc, .text = "x"}},
        TestingCluster::kTimeout, [&acknowledged](const absl::StatusOr<state::Outcome>& got) {
          if (got.ok() && got->ok()) ++acknowledged;
        });
  };
  // A sweep comes every 100 ms: one of ten ticks meets it.
  for (int tick = 0; tick < 10; ++tick) {
    for (int i = 0; i < 10'010; ++i) add_one();
    cluster.Run(10);
  }
  cluster.Run(2'000);
  EXPECT_GT(acknowledged, 50'000u);
  EXPECT_EQ(TextOf(cluster, kOne, doc).size(), acknowledged);
}

TEST(Replica, LeadershipIsHandedOver) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  const NodeId target = leader == kTwo ? kThree : kTwo;
  std::optional<absl::StatusOr<NodeId>> answer;
  cluster.replica(leader).TransferLeadership(
      target, TestingCluster::kTimeout,
      [&](absl::StatusOr<NodeId> got) { answer = std::move(got); });
  cluster.Run(500);
  ASSERT_TRUE(answer.has_value());
  ASSERT_TRUE(answer->ok()) << answer->status();
  EXPECT_EQ(**answer, target);
  EXPECT_EQ(cluster.AwaitLeader(), target);
}

TEST(Replica, EverybodyRestarts) {
  TestingCluster cluster(3);
  NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  for (int round = 0; round < 5; ++round) {
    ann.Add(leader, doc, "x");
    for (const NodeId id : {kOne, kTwo, kThree}) cluster.Kill(id);
    for (const NodeId id : {kOne, kTwo, kThree}) cluster.Start(id);
    leader = cluster.AwaitLeader();
    ASSERT_FALSE(leader.IsNone());
  }
  EXPECT_EQ(TextOf(cluster, leader, doc), "xxxxx");
}

// Everybody starts again with logs that are cut after a few words.
NodeId KeepShortLogs(TestingCluster& cluster, const std::vector<NodeId>& ids) {
  cluster.options.log_entries_max = 8;
  cluster.options.log_trailing_entries_max = 0;
  for (const NodeId id : ids) cluster.Kill(id);
  for (const NodeId id : ids) cluster.Start(id);
  return cluster.AwaitLeader();
}

// A store writes by itself whenever its buffer is full; whatever it has then fits the log.
TEST(Replica, WhatAStoreHasWrittenByItselfIsNeitherSkippedNorDoneTwice) {
  for (int words = 8; words < 30; words += 4) {
    TestingCluster cluster(3);
    const NodeId leader = cluster.AwaitLeader();
    Writer ann(cluster, leader);
    const DocId doc = ann.Create(leader, "notes");
    for (int i = 0; i < words; ++i) ann.Add(leader, doc, "x");
    const NodeId other = leader == kOne ? kTwo : kOne;
    cluster.Kill(other);
    cluster.Start(other);
    cluster.Run(500);
    const state::Machine& restarted = cluster.replica(other).machine();
    const state::Machine& steady = cluster.replica(leader).machine();
    EXPECT_EQ(restarted.applied().index, steady.applied().index);
    EXPECT_EQ(restarted.digest(), steady.digest()) << words;
  }
}

Index StoredBy(TestingCluster& cluster, NodeId id) {
  const auto copy = cluster.storage(id).Copy();
  CHECK(copy.ok());
  const auto value = (*copy)->Get(state::kAppliedKey);
  CHECK(value.ok());
  return *value ? state::DecodeApplied(**value)->index : Index();
}

TEST(Replica, WhatIsAppliedIsStoredALittleLaterAndLostByNobody) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kOne, "notes");
  cluster.Run(1'000);
  const Index before = StoredBy(cluster, kOne);
  EXPECT_EQ(before, cluster.replica(kOne).status().applied);

  ann.Add(kOne, doc, "one");
  ann.Add(kOne, doc, " two");
  EXPECT_EQ(StoredBy(cluster, kOne), before);
  EXPECT_EQ(TextOf(cluster, kOne, doc), "one two");
  cluster.Run(1'000);
  EXPECT_EQ(StoredBy(cluster, kOne), cluster.replica(kOne).status().applied);

  ann.Add(kOne, doc, " three");
  cluster.Kill(kOne);
  cluster.Start(kOne);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  EXPECT_EQ(TextOf(cluster, kOne, doc), "one two three");
}

TEST(Replica, ABackupAndASnapshotHaveWhatWasAcknowledgedBefore) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kOne, "notes");
  std::optional<Revision> inside;

  ann.Add(kOne, doc, "one");
  cluster.replica(kOne).TakeBackup([&](const absl::StatusOr<StateBackup>& backup) {
    if (backup.ok()) inside = backup->revision;
  });
  cluster.Work();
  EXPECT_EQ(inside, cluster.replica(kOne).status().applied);

  ann.Add(kOne, doc, " two");
  cluster.replica(kOne).TakeSnapshot(TestingCluster::kTimeout,
                                     [&](const absl::StatusOr<Revision>& taken) {
                                       if (taken.ok()) inside = *taken;
                                     });
  cluster.Work();
  EXPECT_EQ(inside, cluster.replica(kOne).status().applied);
}

TEST(Replica, ASnapshotThatADiskHasNoRoomForLeavesTheLog) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  ASSERT_EQ(KeepShortLogs(cluster, {kOne}), kOne);
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kOne, "notes");
  cluster.storage(kOne).SetFull(true);
  for (int i = 0; i < 30; ++i) ann.Add(kOne, doc, "x");
  bool is_refused = false;
  cluster.replica(kOne).TakeSnapshot(
      TestingCluster::kTimeout,
      [&](const absl::StatusOr<Revision>& got) { is_refused = !got.ok(); });
  cluster.Run(100);
  EXPECT_TRUE(is_refused);

  cluster.Kill(kOne);
  cluster.storage(kOne).SetFull(false);
  cluster.Start(kOne);

  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  EXPECT_EQ(TextOf(cluster, kOne, doc), std::string(30, 'x'));
  EXPECT_GT(cluster.replica(kOne).status().first, Index(20));
}

TEST(Replica, AnInstallationMayEndAnywhere) {
  for (std::uint64_t pumps = 26; pumps < 36; ++pumps) {
    TestingCluster cluster(3);
    ASSERT_FALSE(cluster.AwaitLeader().IsNone());
    const NodeId leader = KeepShortLogs(cluster, {kOne, kTwo, kThree});
    ASSERT_FALSE(leader.IsNone());
    Writer ann(cluster, leader);
    const DocId doc = ann.Create(leader, "notes");
    const NodeId away = leader == kThree ? kTwo : kThree;
    cluster.Kill(away);
    for (int i = 0; i < 10; ++i) {
      cluster.replica(leader).Propose(ann.Make(state::Append{.doc = doc, .text = "x"}),
                                      TestingCluster::kTimeout, [](const auto&) {});
    }
    cluster.Run(100);

    cluster.Start(away);
    cluster.KillAfter(away, pumps);
    cluster.Run(200);
    cluster.Kill(away);
    cluster.Start(away);

    // The leader may take a while to give up what it had offered to the one that died.
    const std::string expected(10, 'x');
    for (int i = 0; i < 150 && TextOf(cluster, away, doc, Consistency::kStale) != expected; ++i) {
      cluster.Run(100);
    }
    ASSERT_EQ(TextOf(cluster, away, doc, Consistency::kStale), expected) << pumps;
  }
}

// One node after the other is upgraded while clients work; an older one is never sent what it does
// not read, and newer ones use what they all read.
TEST(Replica, OldAndNewVersionsWorkSideBySide) {
  TestingCluster cluster(3);
  for (const NodeId id : {kOne, kTwo, kThree}) cluster.Kill(id);
  cluster.options.peer_version_newest = kPeerVersionOldest;
  for (const NodeId id : {kOne, kTwo, kThree}) cluster.Start(id);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kTwo, "notes");

  cluster.options.peer_version_newest = kPeerVersionNewest;
  std::string expected;
  for (const NodeId id : {kThree, kTwo, kOne}) {
    cluster.Kill(id);
    cluster.Start(id);
    ASSERT_FALSE(cluster.AwaitLeader().IsNone());
    for (const NodeId at : {kOne, kTwo, kThree}) {
      ann.Add(at, doc, "x");
      expected += "x";
      EXPECT_EQ(TextOf(cluster, at, doc), expected) << "node " << at.value();
    }
    EXPECT_TRUE(cluster.replica(id).status().alarms.empty());
  }
  cluster.Run(2'000);
  EXPECT_GT(cluster.frames_of_version[kPeerVersionNewest], 0u);
  const std::uint64_t before = cluster.frames_of_version[kPeerVersionOldest];
  cluster.Run(2'000);
  EXPECT_EQ(cluster.frames_of_version[kPeerVersionOldest], before);
}

// A request that only this version knows enters the log when all members read it, and not before;
// from then on also while some of them are away.
TEST(Replica, WhatSomeMemberCannotReadIsRefusedUntilAllAreUpgraded) {
  TestingCluster cluster(3);
  for (const NodeId id : {kOne, kTwo, kThree}) cluster.Kill(id);
  cluster.options.peer_version_newest = kPeerVersionOldest;
  for (const NodeId id : {kOne, kTwo, kThree}) cluster.Start(id);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  Writer ann(cluster, kOne);
  const DocId doc = ann.Create(kTwo, "notes");
  const state::EditDelta edit{.doc = doc,
                              .steps = {{.kind = state::StepKind::kInsert, .text = "x"}}};

  cluster.options.peer_version_newest = kPeerVersionNewest;
  for (const NodeId id : {kThree, kTwo}) {
    cluster.Kill(id);
    cluster.Start(id);
    ASSERT_FALSE(cluster.AwaitLeader().IsNone());
    cluster.Run(1'000);
    const absl::StatusOr<state::Outcome> refused = cluster.Propose(id, ann.Make(edit));
    // A leader of the first version can only say that it is busy.
    EXPECT_TRUE(absl::IsUnavailable(refused.status()) ||
                absl::IsResourceExhausted(refused.status()))
        << refused.status();
  }
  cluster.Kill(kOne);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  const absl::StatusOr<state::Outcome> refused = cluster.Propose(kTwo, ann.Make(edit));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(refused.status().GetPayload(kUpgradingPayload).has_value());

  cluster.Start(kOne);
  cluster.Run(2'000);
  ann.Do(kOne, edit);
  EXPECT_EQ(TextOf(cluster, kTwo, doc), "x");
  for (const NodeId id : {kTwo, kThree}) cluster.Kill(id);
  cluster.Kill(kOne);
  cluster.Start(kTwo);
  cluster.Start(kThree);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  ann.Do(kThree, edit);
}

TEST(Replica, ANewClusterWaitsForNobodyWhoHasNotBeenStarted) {
  TestingCluster cluster(3);
  for (const NodeId id : {kOne, kTwo}) {
    cluster.cuts.insert({id, kThree});
    cluster.cuts.insert({kThree, id});
  }
  const NodeId leader = cluster.AwaitLeader();
  ASSERT_FALSE(leader.IsNone());
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  const state::EditDelta edit{.doc = doc,
                              .steps = {{.kind = state::StepKind::kInsert, .text = "x"}}};
  ann.Do(kOne, edit);
  for (const NodeId id : {kOne, kTwo}) cluster.Kill(id);
  for (const NodeId id : {kOne, kTwo}) cluster.Start(id);
  ASSERT_FALSE(cluster.AwaitLeader().IsNone());
  ann.Do(kTwo, edit);
  EXPECT_EQ(TextOf(cluster, kOne, doc), "xx");
}

// A busy leader tells of each commit; to answer each time would cost as much again.
TEST(Replica, HeartbeatsOfOneMomentAreAnsweredOnceAndEveryReadIs) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  const NodeId follower = leader == kOne ? kTwo : kOne;
  const auto sent = [&cluster] {
    std::uint64_t frames = 0;
    for (const auto& [version, count] : cluster.frames_of_version) frames += count;
    return frames;
  };
  const auto hear = [&](std::uint64_t read_sequence) {
    const raft::Message message{.from = leader,
                                .to = follower,
                                .term = cluster.replica(leader).status().term,
                                .body = raft::Heartbeat{.read_sequence = read_sequence}};
    const PeerMessage frame{.cluster_id = cluster.options.cluster_id,
                            .from = leader,
                            .newest = kPeerVersionNewest,
                            .body = message};
    cluster.replica(follower).Deliver(EncodePeerMessage(frame, kPeerVersionNewest));
    cluster.Work();
  };
  hear(900);
  const std::uint64_t before = sent();

  for (int i = 0; i < 5; ++i) hear(900);
  EXPECT_EQ(sent(), before);
  for (std::uint64_t i = 1; i <= 3; ++i) hear(900 + i);
  EXPECT_EQ(sent(), before + 3);
  cluster.Run(20);
  const std::uint64_t later = sent();
  hear(903);
  EXPECT_EQ(sent(), later + 1);
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

TEST(Replica, AChangeThatWasMadeIsAnsweredAlsoWhereItEndsTheLeadersOffice) {
  TestingCluster cluster(5);
  const NodeId leader = cluster.AwaitLeader();
  const NodeId other = leader == kOne ? kTwo : kOne;
  EXPECT_TRUE(Change(cluster, {.remove = {other}}).ok());
  EXPECT_TRUE(Change(cluster, {.remove = {other}}).ok());  // As if the answer had been lost.
  const raft::Configuration& now = cluster.replica(leader).status().configuration;
  EXPECT_TRUE(Change(cluster, {.promote = {now.voters.front()}}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Change(cluster, {.promote = {other}})));

  EXPECT_TRUE(Change(cluster, {.remove = {leader}}).ok());
  EXPECT_NE(cluster.AwaitLeader(), leader);
  EXPECT_TRUE(Change(cluster, {.remove = {leader}}).ok());
}

// The log may reach back to the beginning, or the newcomer may need a snapshot.
TEST(Replica, AnOlderProgramIsAddedButSentNothingThatItDoesNotRead) {
  for (const bool has_snapshots : {false, true}) {
    TestingCluster cluster(3);
    if (has_snapshots) KeepShortLogs(cluster, {kOne, kTwo, kThree});
    const NodeId leader = cluster.AwaitLeader();
    Writer ann(cluster, leader);
    const DocId doc = ann.Create(leader, "notes");
    ann.Do(leader, state::EditDelta{.doc = doc,
                                    .steps = {{.kind = state::StepKind::kInsert, .text = "new"}}});
    for (int i = 0; i < 20; ++i) ann.Add(leader, doc, ".");
    const Index level_raised = cluster.replica(leader).status().applied;

    const NodeId fourth(4);
    cluster.options.peer_version_newest = kPeerVersionOldest;
    cluster.AddServer(fourth);
    cluster.Start(fourth);
    EXPECT_TRUE(Change(cluster, {.add_learners = {{.id = fourth, .address = "node4"}}}).ok());
    cluster.Run(5'000);

    const state::Machine& machine = cluster.replica(fourth).machine();
    EXPECT_EQ(machine.level(), kPeerVersionOldest);
    EXPECT_LT(machine.applied().index, level_raised);
    EXPECT_EQ(cluster.replica(leader).status().alarms, std::vector<std::string>{"OUTDATED_MEMBER"});
    const absl::Status refused = Change(cluster, {.promote = {fourth}});
    EXPECT_TRUE(refused.GetPayload(kUpgradingPayload).has_value()) << refused;
    ann.Add(leader, doc, "!");
    EXPECT_TRUE(Change(cluster, {.remove = {fourth}}).ok());

    cluster.Kill(fourth);
    cluster.options.peer_version_newest = kPeerVersionNewest;
    cluster.Start(fourth);
    EXPECT_TRUE(Change(cluster, {.add_learners = {{.id = fourth, .address = "node4"}}}).ok());
    cluster.Run(1'000);
    EXPECT_TRUE(Change(cluster, {.promote = {fourth}}).ok());
    EXPECT_EQ(TextOf(cluster, fourth, doc), "new" + std::string(20, '.') + "!");
    EXPECT_TRUE(cluster.replica(leader).status().alarms.empty());
  }
}

TEST(Replica, AMessageOfANewerVersionIsRefusedAndSaidToBe) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  std::string frame = EncodePeerMessage(
      {.cluster_id = cluster.options.cluster_id,
       .from = kTwo,
       .newest = kPeerVersionNewest,
       .body =
           raft::Message{.from = kTwo, .to = kOne, .term = Term(99), .body = raft::Heartbeat{}}},
      kPeerVersionNewest);
  frame[0] = static_cast<char>(kPeerVersionNewest + 1);
  const std::uint32_t crc = ExtendCrc32c(ComputeCrc32c(frame.substr(0, 1)), frame.substr(5));
  for (std::size_t i = 0; i < 4; ++i) frame[1 + i] = static_cast<char>(crc >> (8 * i));

  cluster.replica(kOne).Deliver(frame);
  cluster.Work();

  EXPECT_LT(cluster.replica(kOne).status().term, Term(99));
  EXPECT_EQ(cluster.replica(kOne).status().alarms, std::vector<std::string>{"OUTDATED"});
  cluster.Run(11'000);
  EXPECT_TRUE(cluster.replica(kOne).status().alarms.empty());
}

TEST(Replica, ACommandOfANewerProgramDoesNotEnterTheLog) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  cluster.Run(1'000);
  const Index last = cluster.replica(kOne).status().last;
  std::string command = state::EncodeCommand(LoginAs("ann"));
  command[0] = static_cast<char>(command[0] + 1);

  cluster.replica(kOne).Deliver(EncodePeerMessage(
      {.cluster_id = cluster.options.cluster_id,
       .from = kTwo,
       .newest = kPeerVersionNewest,
       .body = ForwardedProposal{.waiter = 5, .command = Blob(std::move(command))}},
      kPeerVersionNewest));
  cluster.Run(100);

  EXPECT_EQ(cluster.replica(kOne).status().last, last);
  Writer ann(cluster, kOne);
}

bool HasAlarm(TestingCluster& cluster, NodeId at, const std::string& alarm) {
  const std::vector<std::string> alarms = cluster.replica(at).status().alarms;
  return std::ranges::count(alarms, alarm) > 0;
}

TEST(FullDisk, IsNoticedWithoutAWriteAndServesReads) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  cluster.low = {kOne, kTwo, kThree};
  cluster.Run(300);

  EXPECT_TRUE(HasAlarm(cluster, leader, "NOSPACE"));
  const auto refused = cluster.Propose(leader, ann.Make(state::Append{.doc = doc, .text = "a"}));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_EQ(TextOf(cluster, leader, doc), "");

  cluster.low = {};
  cluster.Run(300);
  EXPECT_FALSE(HasAlarm(cluster, leader, "NOSPACE"));
  ann.Add(leader, doc, "b");
  EXPECT_EQ(TextOf(cluster, leader, doc), "b");
}

// What the store has yet to write needs room, too.
TEST(FullDisk, HasRoomForWhatTheStoreHasYetToWrite) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  cluster.storage(kOne).wanted = std::uint64_t{1} << 50;
  cluster.Run(300);
  EXPECT_TRUE(HasAlarm(cluster, kOne, "NOSPACE"));
  cluster.storage(kOne).wanted = 0;
  cluster.Run(300);
  EXPECT_FALSE(HasAlarm(cluster, kOne, "NOSPACE"));
}

// Faster than anybody can look: what is on its way then is written once there is room.
TEST(FullDisk, OfAllAtOnceLosesNothingAndEndsByItself) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  std::optional<absl::StatusOr<state::Outcome>> answer;
  cluster.replica(leader).Propose(ann.Make(state::Append{.doc = doc, .text = "a"}),
                                  TestingCluster::kTimeout,
                                  [&](auto outcome) { answer = std::move(outcome); });
  cluster.full = {kOne, kTwo, kThree};
  cluster.Run(2'000);
  EXPECT_FALSE(answer.has_value());

  cluster.full = {};
  cluster.Run(2'000);
  ASSERT_TRUE(answer.has_value() && answer->ok());
  EXPECT_EQ(TextOf(cluster, cluster.AwaitLeader(), doc), "a");
}

TEST(FullDisk, OfTheLeaderMakesAnotherOneLead) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Writer ann(cluster, leader);
  const DocId doc = ann.Create(leader, "notes");
  cluster.replica(leader).Propose(ann.Make(state::Append{.doc = doc, .text = "a"}),
                                  TestingCluster::kTimeout, [](auto) {});
  cluster.full = {leader};
  cluster.Run(2'000);

  const NodeId next = leader == kOne ? kTwo : kOne;
  EXPECT_NE(cluster.AwaitLeader(), leader);
  ann.Add(next, doc, "b");
  cluster.full = {};
  cluster.Run(2'000);
  EXPECT_EQ(TextOf(cluster, leader, doc), TextOf(cluster, next, doc));
}

}  // namespace
}  // namespace coterie::node
