// The simulator itself: that a run can be seen again, that runs do something, that the seeds that
// once found a fault find none now, and that its checkers notice what they are there for. The many
// seeds are run by coterie-sim (ctest: sim_seeds).

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "raft/entry.h"
#include "sim/history.h"
#include "sim/plan.h"
#include "sim/run.h"
#include "state/command.h"
#include "state/event.h"
#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::sim {
namespace {

struct Traced {
  std::string text;
  Result result;
};
Traced RunTraced(const Plan& plan) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const out = open_memstream(&text, &size);
  Traced traced{.result = RunPlan(plan, out)};
  static_cast<void>(std::fclose(out));
  traced.text.assign(text, size);
  std::free(text);  // NOLINT(cppcoreguidelines-no-malloc): open_memstream's.
  return traced;
}

TEST(Run, TheSamePlanGivesTheSameTraceByteForByte) {
  for (const Profile profile : kProfiles) {
    const Plan plan = DrawPlan(11, profile, {});
    const Traced first = RunTraced(plan);
    const Traced second = RunTraced(plan);
    EXPECT_EQ(first.result.trace_digest, second.result.trace_digest) << NameOf(profile);
    EXPECT_TRUE(first.text == second.text) << NameOf(profile);
    EXPECT_NE(first.result.trace_digest, RunPlan(DrawPlan(12, profile, {}), nullptr).trace_digest);
  }
}

TEST(Run, MakesSomethingHappen) {
  std::uint64_t joint_edits = 0;
  for (const Profile profile : kProfiles) {
    Result total;
    for (std::uint64_t seed = 500; seed < 512; ++seed) {
      const Result result = RunPlan(DrawPlan(seed, profile, {}), nullptr);
      total.commits += result.commits;
      total.leaders += result.leaders;
      total.crashes += result.crashes;
      total.reads += result.reads;
      total.events_told += result.events_told;
      joint_edits += result.joint_edits;
    }
    EXPECT_GT(total.commits, 500u) << NameOf(profile);
    EXPECT_GT(total.leaders, 10u) << NameOf(profile);
    EXPECT_GT(total.reads, 15u) << NameOf(profile);
    EXPECT_GT(total.events_told, 300u) << NameOf(profile);
    if (profile == Profile::kOverload) continue;
    EXPECT_GT(total.crashes, 10u) << NameOf(profile);
  }
  EXPECT_GT(joint_edits, 20u);
}

TEST(Run, SeedsThatOnceFailedPass) {
  std::ifstream file("testdata/seeds.txt");
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string profile;
    std::uint64_t seed = 0;
    if (line.starts_with('#') || !(words >> profile >> seed)) continue;
    SCOPED_TRACE(line);
    ASSERT_TRUE(ProfileOf(profile).has_value());
    RunPlan(DrawPlan(seed, *ProfileOf(profile), {}), nullptr);
    ++count;
  }
  EXPECT_GT(count, 5);
}

// A short log, and what clients may and may not say of it.
class HistoryDeathTest : public ::testing::Test {
 protected:
  HistoryDeathTest() {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    Apply({.body = state::Login{.user = "ann",
                                .create_user = true,
                                .token_hash = std::string(32, 't'),
                                .lifetime_ms = 1'000'000}});
    Apply({.session = SessionId(1), .body = state::CreateDocument{.name = "list"}});
    doc_ = outcomes_.back().doc;
    for (const char* word : {"one;", "two;"}) {
      Apply({.session = SessionId(1), .body = state::Append{.doc = doc_, .text = word}});
    }
  }

  void Apply(const state::Command& command) {
    const raft::EntryRef entry{
        .term = Term(1),
        .index = Index(log_.size() + 1),
        .type = raft::EntryType::kCommand,
        .payload = Blob(state::StampCommand({.time_ms = 5, .origin = NodeId(1), .waiter = 1},
                                            state::EncodeCommand(command)))};
    const state::ApplyResult result =
        machine_.ApplyCommand(entry.term, entry.index, entry.payload.view());
    machine_.Commit();
    outcomes_.push_back(*result.outcome);
    if (result.events) {
      events_.push_back(
          {.revision = entry.index, .digest = DigestOfEvents(EncodeEventBatch(*result.events))});
    }
    log_.push_back(entry);
  }
  Update UpdateAt(std::uint64_t revision, std::uint64_t called_us, std::uint64_t returned_us) {
    return {.client = 1,
            .called_us = called_us,
            .returned_us = returned_us,
            .committed_at_call = Revision(revision - 1),
            .committed_at_return = Revision(4),
            .outcome = outcomes_.at(revision - 1)};
  }
  TextRead ReadAt(std::uint64_t revision, std::uint64_t called_us, std::string text) {
    return {.client = 2,
            .called_us = called_us,
            .returned_us = called_us + 1,
            .revision = Revision(revision),
            .doc = doc_,
            .text = std::move(text)};
  }

  state::MemoryKv kv_;
  state::Machine machine_{kv_, {}};
  std::vector<raft::EntryRef> log_;
  std::vector<state::Outcome> outcomes_;
  std::vector<Told> events_;
  DocId doc_;
  History history_;
};

TEST_F(HistoryDeathTest, WhatIsTruePasses) {
  history_.Add(UpdateAt(3, 10, 20));
  history_.Add(UpdateAt(4, 30, 40));
  history_.Add(ReadAt(3, 25, "one;"));
  history_.Add(ReadAt(4, 50, "one;two;"));
  history_.Add(Word{.doc = doc_, .word = "one", .is_acknowledged = true});
  history_.Add(Word{.doc = doc_, .word = "three", .is_acknowledged = false});
  history_.Add(events_);
  history_.Check(log_);
}

TEST_F(HistoryDeathTest, AStaleReadIsNoticed) {
  history_.Add(UpdateAt(4, 30, 40));
  history_.Add(ReadAt(3, 50, "one;"));
  EXPECT_DEATH(history_.Check(log_), "not linearizable");
}

TEST_F(HistoryDeathTest, AnUpdateBeforeItsTimeIsNoticed) {
  history_.Add(UpdateAt(4, 10, 20));
  Update late = UpdateAt(3, 30, 40);
  history_.Add(late);
  EXPECT_DEATH(history_.Check(log_), "not linearizable");
}

TEST_F(HistoryDeathTest, AReadOfWhatIsNotThereIsNoticed) {
  history_.Add(ReadAt(3, 50, "one;two;"));
  EXPECT_DEATH(history_.Check(log_), "what is not there");
}

TEST_F(HistoryDeathTest, ALostWordIsNoticed) {
  history_.Add(Word{.doc = doc_, .word = "three", .is_acknowledged = true});
  EXPECT_DEATH(history_.Check(log_), "stands 0 times");
}

TEST_F(HistoryDeathTest, ARepeatedWordIsNoticed) {
  Apply({.session = SessionId(1), .body = state::Append{.doc = doc_, .text = "two;"}});
  history_.Add(Word{.doc = doc_, .word = "two", .is_acknowledged = false});
  EXPECT_DEATH(history_.Check(log_), "stands 2 times");
}

TEST_F(HistoryDeathTest, AGapAndARepetitionOfEventsAreNoticed) {
  ASSERT_GE(events_.size(), 3u);
  History with_gap;
  with_gap.Add(std::vector<Told>{events_[0], events_[2]});
  EXPECT_DEATH(with_gap.Check(log_), "a subscriber was told");
  History with_repetition;
  with_repetition.Add(std::vector<Told>{events_[0], events_[0]});
  EXPECT_DEATH(with_repetition.Check(log_), "a subscriber was told");
}

TEST_F(HistoryDeathTest, AnInventedOutcomeIsNoticed) {
  Update update = UpdateAt(3, 10, 20);
  update.outcome.doc = DocId(77);
  history_.Add(update);
  EXPECT_DEATH(history_.Check(log_), "that the log does not give");
}

}  // namespace
}  // namespace coterie::sim
