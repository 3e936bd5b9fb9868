// The parts of the core against models so simple that they are plainly right, on random inputs; and
// the core against peers that send anything at all.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/prng.h"
#include "raft/core.h"
#include "raft/entry_log.h"
#include "raft/progress.h"
#include "raft/quorum.h"

namespace coterie::raft {
namespace {

std::vector<NodeId> RandomVoters(Prng& prng, std::size_t smallest) {
  std::set<NodeId> ids;
  const std::uint64_t count = prng.Between(smallest, 7);
  while (ids.size() < count) ids.insert(NodeId(prng.Between(1, 9)));
  return {ids.begin(), ids.end()};
}

// By trying every value: the highest that more than half have reached.
std::uint64_t NaiveReached(const std::vector<NodeId>& voters,
                           const std::map<NodeId, std::uint64_t>& values) {
  std::uint64_t best = 0;
  for (const auto& [candidate, value] : values) {
    std::size_t count = 0;
    for (const NodeId id : voters) count += values.at(id) >= value ? 1 : 0;
    if (2 * count > voters.size()) best = std::max(best, value);
  }
  return best;
}

TEST(Quorum, IsAMajorityOfEachSet) {
  Prng prng(1);
  for (int round = 0; round < 20'000; ++round) {
    Configuration configuration{.voters = RandomVoters(prng, 1)};
    if (prng.Chance(1, 2)) configuration.voters_outgoing = RandomVoters(prng, 1);
    std::map<NodeId, std::uint64_t> values;
    for (std::uint64_t id = 1; id <= 9; ++id) values[NodeId(id)] = prng.Below(6);
    std::uint64_t expected = NaiveReached(configuration.voters, values);
    if (configuration.IsJoint()) {
      expected = std::min(expected, NaiveReached(configuration.voters_outgoing, values));
    }
    const auto reached = [&](NodeId id) { return values.at(id); };
    ASSERT_EQ(QuorumValue<std::uint64_t>(configuration, reached), expected);
    for (std::uint64_t threshold = 0; threshold < 7; ++threshold) {
      const auto agrees = [&](NodeId id) { return values.at(id) >= threshold; };
      ASSERT_EQ(HasQuorum(configuration, agrees), expected >= threshold);
    }
  }
}

TEST(Quorum, AnyTwoMeet) {
  Prng prng(2);
  for (int round = 0; round < 20'000; ++round) {
    Configuration configuration{.voters = RandomVoters(prng, 1)};
    if (prng.Chance(1, 2)) configuration.voters_outgoing = RandomVoters(prng, 1);
    const std::uint64_t side = prng.Next();
    const auto is_left = [&](NodeId id) { return (side >> id.value() & 1) != 0; };
    const auto is_right = [&](NodeId id) { return !is_left(id); };
    ASSERT_FALSE(HasQuorum(configuration, is_left) && HasQuorum(configuration, is_right));
  }
}

TEST(Quorum, NobodyDecidesWithoutAConfiguration) {
  EXPECT_FALSE(HasQuorum(Configuration(), [](NodeId) { return true; }));
}

TEST(InFlight, CountsLikeAList) {
  Prng prng(3);
  for (int round = 0; round < 2'000; ++round) {
    InFlight in_flight;
    struct Sent {
      std::uint64_t last;
      std::size_t bytes;
      std::uint64_t at;
    };
    std::vector<Sent> naive;
    std::uint64_t last = 0;
    std::uint64_t now = 0;
    for (int step = 0; step < 50; ++step) {
      if (prng.Chance(2, 3)) {
        last += prng.Below(4);
        const std::size_t bytes = prng.Below(1'000);
        if (prng.Chance(1, 3)) ++now;
        in_flight.Add(Index(last), bytes, Ticks(now));
        naive.push_back({last, bytes, now});
      } else {
        const std::uint64_t match = prng.Below(last + 2);
        in_flight.FreeUpTo(Index(match));
        while (!naive.empty() && naive.front().last <= match) naive.erase(naive.begin());
      }
      std::size_t bytes = 0;
      std::size_t young = 0;
      for (const Sent& sent : naive) {
        bytes += sent.bytes;
        if (sent.at == now) ++young;
      }
      ASSERT_EQ(in_flight.messages(), naive.size());
      ASSERT_EQ(in_flight.bytes(), bytes);
      ASSERT_EQ(in_flight.empty(), naive.empty());
      ASSERT_EQ(in_flight.MessagesSentAt(Ticks(now)), young);
    }
  }
}

Configuration OnlyVoter(std::uint64_t id) {
  return {.voters = {NodeId(id)}, .members = {{.id = NodeId(id)}}};
}

// Every index ever written, with what stands there now; nothing is clever.
struct NaiveLog {
  std::map<std::uint64_t, EntryRef> entries;
  std::map<std::uint64_t, Configuration> configurations;
  LogPosition snapshot;

  LogPosition last() const {
    return entries.empty() ? snapshot : entries.rbegin()->second.position();
  }
  std::optional<Term> TermAt(std::uint64_t index) const {
    if (index == snapshot.index.value()) return snapshot.term;
    const auto found = entries.find(index);
    if (found == entries.end()) return std::nullopt;
    return found->second.term;
  }
  LogPosition LastAtMost(LogPosition bound) const {
    LogPosition best = snapshot;
    for (const auto& [index, entry] : entries) {
      if (entry.index <= bound.index && entry.term <= bound.term) best = entry.position();
    }
    return best;
  }
};

void CompareLogs(const EntryLog& log, const NaiveLog& naive, Prng& prng) {
  ASSERT_EQ(log.last(), naive.last());
  ASSERT_EQ(log.snapshot(), naive.snapshot);
  ASSERT_EQ(log.size(), naive.entries.size());
  ASSERT_EQ(log.configuration(), naive.configurations.rbegin()->second);
  const Index probe(prng.Below(naive.last().index.value() + 3));
  ASSERT_EQ(log.TermAt(probe), naive.TermAt(probe.value()));
  const LogPosition bound{.term = Term(prng.Below(naive.last().term.value() + 2)), .index = probe};
  ASSERT_EQ(log.LastAtMost(bound), naive.LastAtMost(bound));
}

TEST(EntryLog, BehavesLikeAMap) {
  Prng prng(4);
  for (int round = 0; round < 500; ++round) {
    NaiveLog naive;
    naive.configurations[0] = OnlyVoter(1);
    EntryLog log({}, OnlyVoter(1), {});
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t first = naive.snapshot.index.value() + 1;
      const std::uint64_t last = naive.last().index.value();
      const std::uint64_t dice = prng.Below(10);
      if (dice < 6) {
        EntryRef entry{.term = naive.last().term + prng.Below(2), .index = Index(last + 1)};
        if (prng.Chance(1, 4)) {
          const Configuration configuration = OnlyVoter(prng.Between(1, 9));
          entry.type = EntryType::kConfiguration;
          entry.payload = Blob(EncodeConfiguration(configuration));
          naive.configurations[last + 1] = configuration;
        }
        naive.entries[last + 1] = entry;
        log.Append(entry);
      } else if (dice < 8 && last >= first) {
        const std::uint64_t from = prng.Between(first, last);
        naive.entries.erase(naive.entries.lower_bound(from), naive.entries.end());
        naive.configurations.erase(naive.configurations.lower_bound(from),
                                   naive.configurations.end());
        log.TruncateFrom(Index(from));
      } else if (dice < 9 && last >= first) {
        const std::uint64_t to = prng.Between(first, last);
        naive.snapshot = naive.entries.at(to).position();
        naive.entries.erase(naive.entries.begin(), naive.entries.upper_bound(to));
        log.CompactTo(Index(to));
      } else if (prng.Chance(1, 5)) {
        naive = {.snapshot = {.term = naive.last().term, .index = Index(last + 3)}};
        naive.configurations[last + 3] = OnlyVoter(2);
        log.Reset(naive.snapshot, OnlyVoter(2));
      }
      CompareLogs(log, naive, prng);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Configuration, ReadsBackAsWrittenAndRefusesTheRest) {
  Prng prng(5);
  for (int round = 0; round < 3'000; ++round) {
    Configuration configuration{.voters = RandomVoters(prng, 1)};
    if (prng.Chance(1, 3)) configuration.voters_outgoing = RandomVoters(prng, 1);
    std::set<NodeId> all(configuration.voters.begin(), configuration.voters.end());
    all.insert(configuration.voters_outgoing.begin(), configuration.voters_outgoing.end());
    for (const NodeId id : all) {
      configuration.members.push_back({.id = id,
                                       .incarnation = Incarnation(prng.Next()),
                                       .address = std::string(prng.Below(9), 'a')});
    }
    ASSERT_TRUE(configuration.IsValid());
    std::string bytes = EncodeConfiguration(configuration);
    ASSERT_EQ(DecodeConfiguration(bytes), configuration);
    bytes.resize(prng.Below(bytes.size()));
    ASSERT_EQ(DecodeConfiguration(bytes), std::nullopt);
    Configuration wrong = configuration;
    wrong.learners.push_back(wrong.voters.front());
    ASSERT_FALSE(wrong.IsValid());
    wrong = configuration;
    wrong.members.pop_back();
    ASSERT_FALSE(wrong.IsValid());
  }
}

// --- Peers that send anything ---

EntryRef RandomEntry(Prng& prng, Index index) {
  EntryRef entry{.term = Term(prng.Below(6)), .index = index};
  entry.type = static_cast<EntryType>(prng.Below(4));
  if (entry.type == EntryType::kConfiguration) {
    entry.payload = Blob(prng.Chance(1, 2) ? EncodeConfiguration(OnlyVoter(prng.Between(1, 3)))
                                           : std::string("no configuration"));
  }
  return entry;
}

LogPosition RandomPosition(Prng& prng) {
  if (prng.Chance(1, 20)) return {.term = Term(prng.Next()), .index = Index(prng.Next())};
  return {.term = Term(prng.Below(6)), .index = Index(prng.Below(12))};
}

Body RandomBody(Prng& prng) {
  const LogPosition position = RandomPosition(prng);
  const auto kind = static_cast<VoteKind>(prng.Below(3));
  switch (prng.Below(11)) {
    case 0:
      return VoteRequest{.kind = kind, .last = position};
    case 1:
      return VoteReply{.kind = kind, .granted = prng.Chance(1, 2)};
    case 2:
    case 3: {
      AppendRequest request{.previous = position, .commit = RandomPosition(prng).index};
      Index index = position.index;
      for (std::uint64_t count = prng.Below(4); count > 0; --count) {
        index = prng.Chance(1, 10) ? Index(prng.Below(12)) : index.Next();
        request.entries.push_back(RandomEntry(prng, index));
      }
      return request;
    }
    case 4:
      return AppendReply{.success = prng.Chance(1, 2),
                         .match = RandomPosition(prng).index,
                         .rejected = RandomPosition(prng).index,
                         .hint = position};
    case 5:
      return Heartbeat{.commit = position.index, .read_sequence = prng.Below(4)};
    case 6:
      return HeartbeatReply{.read_sequence = prng.Chance(1, 5) ? prng.Next() : prng.Below(4)};
    case 7:
      return ReadIndexRequest{.id = prng.Next()};
    case 8:
      return TimeoutNow{};
    case 9:
      return SnapshotOffer{.last = position,
                           .configuration = prng.Chance(1, 2) ? OnlyVoter(1) : Configuration(),
                           .transfer_id = prng.Below(3)};
    default:
      return SnapshotReply{
          .transfer_id = prng.Below(3), .installed = prng.Chance(1, 2), .match = position.index};
  }
}

// Not that lies do no harm (Raft trusts its members), but that they bring no node down.
TEST(Core, NothingThatAPeerSendsBringsItDown) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    Configuration founders{.voters = {NodeId(1), NodeId(2), NodeId(3)},
                           .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
    Core core({.id = NodeId(1),
               .incarnation = Incarnation(9),
               .election_timeout = Ticks(10),
               .heartbeat_interval = Ticks(2),
               .trailing_entries_max = 2},
              {.snapshot_configuration = founders}, Prng(seed + 1));
    Effects effects;
    std::vector<std::uint64_t> jobs;
    for (int step = 0; step < 400; ++step) {
      const std::uint64_t dice = prng.Below(20);
      if (dice == 0) core.Campaign();
      if (dice < 3) core.Tick();
      if (dice == 3) core.Propose(Blob("x"));
      if (dice == 4) core.Read(static_cast<std::uint64_t>(step));
      if (dice >= 5) {
        const bool is_current = prng.Chance(4, 5);
        core.Step(Message{.group = prng.Chance(1, 50) ? GroupId(7) : kTheGroup,
                          .from = NodeId(prng.Below(5)),
                          .to = NodeId(prng.Chance(1, 50) ? 2 : 1),
                          .from_incarnation = Incarnation(prng.Below(3)),
                          .term = is_current ? core.term() : Term(prng.Below(8)),
                          .body = RandomBody(prng)});
      }
      core.Drain(effects);
      if (effects.append) jobs.push_back(effects.append->sequence);
      if (!jobs.empty() && prng.Chance(1, 2)) {
        core.Step(AppendDone{.sequence = jobs.front()});
        jobs.erase(jobs.begin());
      }
      if (effects.apply) core.Step(ApplyDone{.index = effects.apply->entries.back().index});
      core.CheckInvariantsDeep();
    }
  }
}

// The pre-vote asks the same, so only a message that skips it shows that the vote asks too (Raft
// paper 5.4.1).
TEST(Core, VotesForNobodyWhoKnowsLess) {
  for (const bool is_fresh : {false, true}) {
    const Configuration founders{
        .voters = {NodeId(1), NodeId(2), NodeId(3)},
        .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
    Core core(
        {.id = NodeId(1), .election_timeout = Ticks(10), .heartbeat_interval = Ticks(2)},
        {.hard_state = {.term = Term(2)},
         .snapshot_configuration = founders,
         .entries = {{.term = Term(1), .index = Index(1)}, {.term = Term(2), .index = Index(2)}}},
        Prng(1));
    const LogPosition last = is_fresh ? LogPosition{.term = Term(2), .index = Index(2)}
                                      : LogPosition{.term = Term(1), .index = Index(9)};
    core.Step(Message{.from = NodeId(2),
                      .to = NodeId(1),
                      .term = Term(3),
                      .body = VoteRequest{.kind = VoteKind::kVote, .last = last}});
    Effects effects;
    core.Drain(effects);
    ASSERT_TRUE(effects.append && effects.append->after_durable.size() == 1);
    const auto* reply = std::get_if<VoteReply>(&effects.append->after_durable[0].body);
    ASSERT_NE(reply, nullptr);
    EXPECT_EQ(reply->granted, is_fresh);
    EXPECT_EQ(effects.append->hard_state->vote, is_fresh ? NodeId(2) : NodeId());
  }
}

// What the log thread is handed during an installation would come to it behind the reset of the
// log.
TEST(Core, HandsNoEntriesToTheLogDuringAnInstallation) {
  const Configuration founders{
      .voters = {NodeId(1), NodeId(2), NodeId(3)},
      .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
  Core core({.id = NodeId(1),
             .election_timeout = Ticks(10),
             .heartbeat_interval = Ticks(2),
             .append_jobs_in_flight_max = 1},
            {.hard_state = {.term = Term(2)}, .snapshot_configuration = founders}, Prng(1));
  const auto receive = [&core](Body body) {
    core.Step(
        Message{.from = NodeId(2), .to = NodeId(1), .term = Term(2), .body = std::move(body)});
    Effects effects;
    core.Drain(effects);
    return effects;
  };
  const Effects first = receive(AppendRequest{.entries = {{.term = Term(2), .index = Index(1)}}});
  ASSERT_TRUE(first.append.has_value());
  receive(AppendRequest{.previous = {.term = Term(2), .index = Index(1)},
                        .entries = {{.term = Term(2), .index = Index(2)}}});

  const Effects offered = receive(SnapshotOffer{
      .last = {.term = Term(2), .index = Index(9)}, .configuration = founders, .transfer_id = 1});
  ASSERT_TRUE(offered.install_snapshot.has_value());
  core.Step(AppendDone{.sequence = first.append->sequence});
  Effects effects;
  core.Drain(effects);

  EXPECT_FALSE(effects.append.has_value());
  for (const Message& sent : effects.send_now) {
    const auto* reply = std::get_if<AppendReply>(&sent.body);
    EXPECT_TRUE(reply == nullptr || reply->match < Index(2));
  }
}

// It was away while node 2 lost its disk, was taken out, added again, promoted and elected.
TEST(Core, FollowsALeaderWhoseNewDiskItDoesNotKnow) {
  const Configuration known{.voters = {NodeId(1), NodeId(2), NodeId(3)},
                            .members = {{.id = NodeId(1), .incarnation = Incarnation(11)},
                                        {.id = NodeId(2), .incarnation = Incarnation(12)},
                                        {.id = NodeId(3), .incarnation = Incarnation(13)}}};
  Core core({.id = NodeId(1), .election_timeout = Ticks(10), .heartbeat_interval = Ticks(2)},
            {.hard_state = {.term = Term(2)}, .snapshot_configuration = known}, Prng(1));
  const Message from_the_new{.from = NodeId(2),
                             .to = NodeId(1),
                             .from_incarnation = Incarnation(99),
                             .term = Term(3),
                             .body = Heartbeat{}};
  core.Step(from_the_new);
  EXPECT_EQ(core.leader(), NodeId(2));

  Message vote = from_the_new;  // But the new disk gets no vote of a node that knows the old.
  vote.term = Term(4);
  vote.body = VoteRequest{.kind = VoteKind::kTransfer};
  core.Step(vote);
  EXPECT_EQ(core.term(), Term(3));
}

// A divergent tail behind what the request has shown to be equal is not acknowledged (redpanda
// d0e45c0baf).
TEST(Core, AcknowledgesOnlyWhatItWasShown) {
  const Configuration founders{
      .voters = {NodeId(1), NodeId(2), NodeId(3)},
      .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
  Core core({.id = NodeId(1), .election_timeout = Ticks(10), .heartbeat_interval = Ticks(2)},
            {.hard_state = {.term = Term(1)},
             .snapshot_configuration = founders,
             .entries = {{.term = Term(1), .index = Index(1)},
                         {.term = Term(1), .index = Index(2)},
                         {.term = Term(1), .index = Index(3)}}},
            Prng(1));
  core.Step(Message{.from = NodeId(2),
                    .to = NodeId(1),
                    .term = Term(2),
                    .body = AppendRequest{.previous = {.term = Term(1), .index = Index(1)},
                                          .entries = {{.term = Term(1), .index = Index(2)}}}});
  Effects effects;
  core.Drain(effects);
  ASSERT_TRUE(effects.append && effects.append->after_durable.size() == 1);
  const auto* reply = std::get_if<AppendReply>(&effects.append->after_durable[0].body);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->success);
  EXPECT_EQ(reply->match, Index(2));
}

// The disk of node 1 has lost all of term 2: its own entries, and the truncation that had made room
// for them. The leader, which knows what it had acknowledged, names entry 3 as committed and means
// another one than damage has left there (coterie-sim --profile damage --seed 640).
TEST(Core, CommitsNothingThatDamageHasLeftInTheWay) {
  const Configuration founders{
      .voters = {NodeId(1), NodeId(2), NodeId(3)},
      .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
  Core core({.id = NodeId(1), .election_timeout = Ticks(10), .heartbeat_interval = Ticks(2)},
            {.hard_state = {.term = Term(2), .promised = {.term = Term(2), .index = Index(5)}},
             .snapshot_configuration = founders,
             .entries = {{.term = Term(1), .index = Index(1)},
                         {.term = Term(1), .index = Index(2)},
                         {.term = Term(1), .index = Index(3)}}},
            Prng(1));
  const auto step = [&core](Body body) {
    core.Step(
        Message{.from = NodeId(2), .to = NodeId(1), .term = Term(2), .body = std::move(body)});
  };

  step(Heartbeat{.commit = Index(3)});
  EXPECT_EQ(core.commit_index(), Index());
  step(AppendRequest{.previous = {.term = Term(1), .index = Index(1)},
                     .entries = {{.term = Term(2), .index = Index(2)}}});
  step(Heartbeat{.commit = Index(3)});

  EXPECT_EQ(core.commit_index(), Index(2));
  EXPECT_EQ(core.last(), (LogPosition{.term = Term(2), .index = Index(2)}));
}

// 60 days of ticks of 10 ms, in steps: no counter is narrow (NuRaft 92fce2f).
TEST(Core, TimeDoesNotRunOut) {
  const Configuration founders = OnlyVoter(1);
  Core core({.id = NodeId(1), .election_timeout = Ticks(15), .heartbeat_interval = Ticks(3)},
            {.snapshot_configuration = founders}, Prng(1));
  Effects effects;
  for (std::uint64_t tick = 0; tick < 5'000'000; ++tick) {
    core.Tick();
    if (tick > 1'000 && tick % 64 != 0) continue;
    core.Drain(effects);
    if (effects.append) core.Step(AppendDone{.sequence = effects.append->sequence});
  }
  EXPECT_EQ(core.role(), Role::kLeader);
  EXPECT_EQ(core.term(), Term(1));
}

// One of three has been silent for `ticks` when the other falls silent too.
Role RoleWithoutAnswers(std::uint64_t ticks) {
  const Configuration founders{
      .voters = {NodeId(1), NodeId(2), NodeId(3)},
      .members = {{.id = NodeId(1)}, {.id = NodeId(2)}, {.id = NodeId(3)}}};
  Core core({.id = NodeId(1), .election_timeout = Ticks(10), .heartbeat_interval = Ticks(2)},
            {.snapshot_configuration = founders}, Prng(1));
  Effects effects;
  const auto answer = [&](Term term, Body body) {
    core.Step(Message{.from = NodeId(3), .to = NodeId(1), .term = term, .body = std::move(body)});
    core.Drain(effects);
    if (effects.append) core.Step(AppendDone{.sequence = effects.append->sequence});
  };
  core.Campaign();
  answer(Term(1), VoteReply{.kind = VoteKind::kPreVote, .granted = true});
  answer(Term(1), VoteReply{.granted = true});
  EXPECT_EQ(core.role(), Role::kLeader);
  for (; ticks > 0; --ticks) {
    core.Tick();
    answer(Term(1), HeartbeatReply{});
  }
  EXPECT_EQ(core.role(), Role::kLeader);
  for (int tick = 0; tick <= 10; ++tick) core.Tick();
  return core.role();
}

TEST(Core, CountsNobodyHoweverLongItHasBeenSilent) {
  for (std::uint64_t ticks = 20; ticks < 2'000; ticks += 20) {
    EXPECT_EQ(RoleWithoutAnswers(ticks), Role::kFollower) << ticks;
  }
  for (int bits = 12; bits <= 20; ++bits) {
    EXPECT_EQ(RoleWithoutAnswers((1ULL << bits) - 5), Role::kFollower) << bits;
  }
}

// What a leader sends its only peer, which answers when the test says so.
class Replication {
 public:
  explicit Replication(std::size_t per_tick_max)
      : core_({.id = NodeId(1),
               .election_timeout = Ticks(100),
               .heartbeat_interval = Ticks(30),
               .in_flight_per_tick_max = per_tick_max},
              {.hard_state = {},
               .snapshot_configuration = {.voters = {NodeId(1), NodeId(3)},
                                          .members = {{.id = NodeId(1)}, {.id = NodeId(3)}}}},
              Prng(1)) {
    core_.Campaign();
    Receive(VoteReply{.kind = VoteKind::kPreVote, .granted = true});
    Receive(VoteReply{.granted = true});
    Acknowledge(1);
  }
  // The number of appends after these.
  std::size_t Propose() {
    EXPECT_TRUE(std::holds_alternative<LogPosition>(core_.Propose(Blob("x"))));
    return Appends();
  }
  std::size_t Tick() {
    core_.Tick();
    return Appends();
  }
  std::size_t Acknowledge(std::uint64_t match) {
    return Receive(AppendReply{.success = true, .match = Index(match)});
  }

 private:
  std::size_t Receive(Body body) {
    core_.Step(
        Message{.from = NodeId(3), .to = NodeId(1), .term = Term(1), .body = std::move(body)});
    return Appends();
  }
  std::size_t Appends() {
    std::size_t appends = 0;
    for (bool is_done = false; !is_done;) {
      core_.Drain(effects_);
      for (const Message& message : effects_.send_now) {
        appends += std::holds_alternative<AppendRequest>(message.body) ? 1 : 0;
      }
      is_done = !effects_.append;
      if (effects_.append) core_.Step(AppendDone{.sequence = effects_.append->sequence});
    }
    return appends;
  }

  Core core_;
  Effects effects_;
};

TEST(Core, WhatIsProposedMeanwhileTravelsTogetherButWaitsNoLongerThanATick) {
  Replication peer(1);
  EXPECT_EQ(peer.Propose(), 1U);
  EXPECT_EQ(peer.Propose(), 0U);
  EXPECT_EQ(peer.Propose(), 0U);
  EXPECT_EQ(peer.Acknowledge(2), 1U) << "it is near: the two others together";
  EXPECT_EQ(peer.Acknowledge(4), 0U);

  EXPECT_EQ(peer.Propose(), 1U);
  EXPECT_EQ(peer.Propose(), 0U);
  EXPECT_EQ(peer.Tick(), 1U) << "it is further away than a tick";
  EXPECT_EQ(peer.Propose(), 0U);
  EXPECT_EQ(peer.Propose(), 0U);
  EXPECT_EQ(peer.Tick(), 1U);
  EXPECT_EQ(peer.Tick(), 0U) << "all has been sent";
}

TEST(Core, ManyAppendsMayBeOnTheirWayAtOnce) {
  Replication peer(3);
  EXPECT_EQ(peer.Propose(), 1U);
  EXPECT_EQ(peer.Propose(), 1U);
  EXPECT_EQ(peer.Propose(), 1U);
  EXPECT_EQ(peer.Propose(), 0U);
}

}  // namespace
}  // namespace coterie::raft
