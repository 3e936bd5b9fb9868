// What nodes of a cluster in one thread note of elections and of each other.

#include "node/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "node/testing_cluster.h"

namespace coterie::node {
namespace {

const NodeId kOne(1);
const NodeId kTwo(2);
const NodeId kThree(3);

NodeId NextAfter(NodeId id) { return NodeId(id.value() % 3 + 1); }

template <class Body>
std::vector<Happening> Of(Replica& replica) {
  std::vector<Happening> all = replica.journal().After(0);
  std::erase_if(all,
                [](const Happening& each) { return !std::holds_alternative<Body>(each.body); });
  return all;
}

bool Has(const std::vector<Happening>& all, Term term, const HappeningBody& body) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Happening& each) { return each.term == term && each.body == body; });
}

Index Write(TestingCluster& cluster, NodeId at, const std::string& user) {
  const absl::StatusOr<state::Outcome> outcome =
      cluster.Propose(at, {.body = state::CreateUser{.name = user, .password_hash = "hash"}});
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return cluster.replica(at).status().applied;
}

void CutOff(TestingCluster& cluster, NodeId id) {
  for (const NodeId other : {kOne, kTwo, kThree}) {
    if (other == id) continue;
    cluster.cuts.insert({id, other});
    cluster.cuts.insert({other, id});
  }
}

TEST(Journal, AnElectionIsSeenByWhoAsksAndByWhoVotes) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  cluster.Run(500);
  const Term term = cluster.replica(leader).status().term;

  const std::vector<Happening> seen = cluster.replica(leader).journal().After(0);
  EXPECT_TRUE(Has(seen, term, VoteAsked{.kind = raft::VoteKind::kPreVote}));
  EXPECT_TRUE(Has(seen, term, VoteAsked{.kind = raft::VoteKind::kVote}));
  EXPECT_TRUE(Has(seen, term, OfficeChanged{.role = raft::Role::kLeader, .leader = leader}));
  for (const NodeId voter : {NextAfter(leader), NextAfter(NextAfter(leader))}) {
    const VoteAnswered granted{
        .kind = raft::VoteKind::kVote, .candidate = leader, .voter = voter, .is_granted = true};
    const std::vector<Happening> its = cluster.replica(voter).journal().After(0);
    EXPECT_TRUE(Has(its, term, granted)) << voter;
    EXPECT_TRUE(Has(its, term, OfficeChanged{.role = raft::Role::kFollower, .leader = leader}));
  }
  // One was enough; the other one's came when the office was taken already, or before.
  EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [&](const Happening& each) {
    const auto* answer = std::get_if<VoteAnswered>(&each.body);
    return answer != nullptr && answer->kind == raft::VoteKind::kVote && answer->is_granted;
  }));
}

TEST(Journal, NumbersAscendAndNoneIsToldAgain) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  Journal& journal = cluster.replica(leader).journal();
  const std::vector<Happening> seen = journal.After(0);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].number, i + 1);
  EXPECT_TRUE(journal.After(seen.back().number).empty());

  cluster.Kill(NextAfter(leader));
  cluster.Run(2'000);
  const std::vector<Happening> news = journal.After(seen.back().number);
  ASSERT_FALSE(news.empty());
  EXPECT_EQ(news[0].number, seen.back().number + 1);
  EXPECT_GT(news[0].time_ms, seen.back().time_ms);
}

TEST(Journal, ALeaderSaysWhomItHearsNoMoreAndWhomAgain) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  cluster.Run(500);
  EXPECT_TRUE(Of<ContactChanged>(cluster.replica(leader)).empty());
  const NodeId lost = NextAfter(leader);
  cluster.Kill(lost);
  cluster.Run(1'000);
  std::vector<Happening> contacts = Of<ContactChanged>(cluster.replica(leader));
  ASSERT_EQ(contacts.size(), 1U);
  EXPECT_EQ(contacts[0].body, HappeningBody(ContactChanged{.peer = lost, .is_heard = false}));

  cluster.Start(lost);
  cluster.Run(1'000);
  contacts = Of<ContactChanged>(cluster.replica(leader));
  ASSERT_EQ(contacts.size(), 2U);
  EXPECT_EQ(contacts[1].body, HappeningBody(ContactChanged{.peer = lost, .is_heard = true}));
}

TEST(Journal, WhoIsCutOffAsksAgainAndAgainAndSaysItOnce) {
  TestingCluster cluster(3);
  const NodeId alone = NextAfter(cluster.AwaitLeader());
  cluster.Run(500);
  const std::size_t before = Of<VoteAsked>(cluster.replica(alone)).size();
  CutOff(cluster, alone);
  cluster.Run(20'000);
  EXPECT_EQ(Of<VoteAsked>(cluster.replica(alone)).size(), before + 1);
  const std::vector<Happening> offices = Of<OfficeChanged>(cluster.replica(alone));
  const auto& office = std::get<OfficeChanged>(offices.back().body);
  EXPECT_EQ(office.role, raft::Role::kPreCandidate);
  EXPECT_TRUE(office.leader.IsNone());
  EXPECT_GE(office.silent_ms, 150U);  // An election timeout, but for the heartbeat under way.
  EXPECT_LE(office.silent_ms, 450U);
  EXPECT_GT(cluster.replica(alone).journal().office_age_us(), 10'000'000U);
}

TEST(Journal, KeepsTheNewest) {
  TestingCluster cluster(1);
  ASSERT_EQ(cluster.AwaitLeader(), kOne);
  Journal& journal = cluster.replica(kOne).journal();
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    journal.NoteOffice({.role = raft::Role::kFollower, .term = Term(100 + i), .leader = kTwo});
  }
  const std::vector<Happening> all = journal.After(0);
  EXPECT_EQ(all.size(), Journal::kHappeningsMax);
  EXPECT_EQ(all.back().term, Term(1'099));
}

TEST(Journal, KnowsTheTermsOfCommittedEntries) {
  TestingCluster cluster(3);
  const NodeId first = cluster.AwaitLeader();
  const Index early = Write(cluster, first, "ann");
  const Term early_term = cluster.replica(first).status().term;
  cluster.Kill(first);
  cluster.Run(2'000);
  const NodeId second = cluster.AwaitLeader();
  const Index late = Write(cluster, second, "bob");
  const Term late_term = cluster.replica(second).status().term;
  ASSERT_GT(late_term, early_term);

  cluster.Start(first);
  cluster.Run(2'000);
  for (const NodeId id : {second, NextAfter(second)}) {
    if (id == first) continue;
    EXPECT_EQ(cluster.replica(id).journal().TermAt(early), early_term);
    EXPECT_EQ(cluster.replica(id).journal().TermAt(late), late_term);
  }
  // It began again somewhere: what is before that it does not claim to know.
  const Term claimed = cluster.replica(first).journal().TermAt(early);
  EXPECT_TRUE(claimed.IsNone() || claimed == early_term) << claimed;
  EXPECT_EQ(cluster.replica(first).journal().TermAt(late), late_term);
}

TEST(Journal, CountsAppendsAndTheirAnswers) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  for (int i = 0; i < 20; ++i) Write(cluster, leader, "user" + std::to_string(i));
  cluster.Run(100);
  const std::vector<Journal::Traffic> traffic = cluster.replica(leader).journal().traffic();
  ASSERT_EQ(traffic.size(), 2U);
  for (const Journal::Traffic& each : traffic) {
    EXPECT_GE(each.appends_sent, 20U);
    EXPECT_GE(each.appends_acknowledged, 20U);
    EXPECT_LE(each.appends_acknowledged, each.appends_sent);
    EXPECT_LT(each.silent_us, 100'000U);
  }
  cluster.Kill(traffic[0].peer);
  cluster.Run(1'000);
  EXPECT_GT(cluster.replica(leader).journal().traffic()[0].silent_us, 900'000U);
}

TEST(Journal, TellsWhoListens) {
  TestingCluster cluster(3);
  const NodeId leader = cluster.AwaitLeader();
  cluster.Run(500);
  int calls = 0;
  Journal& journal = cluster.replica(leader).journal();
  journal.OnHappening([&] { ++calls; });
  cluster.Run(1'000);
  EXPECT_EQ(calls, 0);
  cluster.Kill(NextAfter(leader));
  cluster.Run(1'000);
  EXPECT_EQ(calls, 1);
  journal.OnHappening(nullptr);
  cluster.Start(NextAfter(leader));
  cluster.Run(1'000);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace coterie::node
