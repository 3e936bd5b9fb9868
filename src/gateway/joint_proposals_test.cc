// What the members of a room write at once, on one real node.

#include "gateway/joint_proposals.h"

#include <absl/synchronization/blocking_counter.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <string>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "gateway/test_node.h"
#include "rpc/steady_time.h"
#include "state/names.h"

namespace coterie::gateway {
namespace {

class JointProposalsTest : public RoomNodeTest {
 protected:
  explicit JointProposalsTest(std::uint8_t version = node::kPeerVersionNewest)
      : RoomNodeTest(version) {
    ana_ = LoginAs("ana");
    tom_ = LoginAs("tom");
    doc_ = Do(ana_, state::CreateDocument{.name = "notes"}).doc;
    proposals_ = std::make_shared<JointProposals>(JointProposals::Options{
        .node = *node_, .shard = shard_, .counters = counters_, .lag = lag_, .doc = doc_});
  }
  ~JointProposalsTest() override { Stop(); }

  // By an editor of its own; with the next request of one and the same client.
  state::Command Types(SessionId session, const std::string& text) {
    crdt::Doc page({.garbage = crdt::Garbage::kCollect});
    crdt::Transaction transaction(page, crdt::Client(1'000 + ++editors_));
    crdt::Text(page, page.Root("text")).Insert(transaction, 0, text);
    return {.session = session,
            .request = {.client = ClientId(session.value()), .sequence = editors_},
            .body = state::ApplyUpdate{.doc = doc_, .update = transaction.Commit().update}};
  }
  // All in one turn of the shard, or each in one of its own, one right after the other.
  enum class Turns : std::uint8_t { kOne, kEach };
  std::vector<state::Outcome> Write(const std::vector<state::Command>& commands,
                                    Turns turns = Turns::kOne) {
    std::vector<state::Outcome> outcomes(commands.size());
    absl::BlockingCounter left(static_cast<int>(commands.size()));
    const std::function<void(std::size_t)> ask_from = [&](std::size_t i) {
      proposals_->Ask([&, i] { return JointProposals::Batch{.command = commands[i]}; },
                      [&, i](const absl::StatusOr<state::Outcome>& answer) {
                        EXPECT_TRUE(answer.ok()) << answer.status();
                        if (answer.ok()) outcomes[i] = *answer;
                        left.DecrementCount();
                      });
      if (i + 1 == commands.size()) return;
      if (turns == Turns::kOne) return ask_from(i + 1);
      shard_.Post([&, i] { ask_from(i + 1); });  // Behind what the first one's turn posts.
    };
    shard_.Post([&] { ask_from(0); });
    left.Wait();
    return outcomes;
  }
  // As if commits had taken so long until just now, where they need one millisecond.
  void CommitsTook(absl::Duration commit) {
    OnShard([&] {
      lag_.Note(absl::Milliseconds(1), rpc::SteadyNow());
      for (int i = 0; i < 100; ++i) lag_.Note(commit, rpc::SteadyNow());
    });
  }
  // Of the newest version.
  std::vector<std::string> Authors() {
    std::promise<std::string> author;
    std::string found;
    node_->Read(
        node::Consistency::kLinearizable, absl::Now() + absl::Seconds(20),
        [&](const state::Machine& state) { found = state.Versions(doc_)[0].author; },
        [&](const absl::StatusOr<Revision>& read) {
          CHECK(read.ok());
          author.set_value(found);
        });
    return state::SplitNames(author.get_future().get());
  }
  std::uint64_t proposals() const { return counters_.proposals.Get(); }

  std::shared_ptr<JointProposals> proposals_;
  SessionId ana_;
  SessionId tom_;
  DocId doc_;
  std::uint64_t editors_ = 0;
};

TEST_F(JointProposalsTest, WhoWritesInOneTurnIsInOneEntry) {
  const std::vector<state::Outcome> outcomes = Write({Types(ana_, "a"), Types(tom_, "t")});
  EXPECT_TRUE(outcomes[0].ok() && outcomes[1].ok());
  EXPECT_EQ(outcomes[0].revision, outcomes[1].revision);
  EXPECT_EQ(proposals(), 1u);
  EXPECT_EQ(Authors(), std::vector<std::string>({"ana", "tom"}));

  EXPECT_TRUE(Write({Types(tom_, "u")})[0].ok());
  EXPECT_EQ(Authors(), std::vector<std::string>({"tom"}));
}

TEST_F(JointProposalsTest, EverybodyIsToldOfTheirOwn) {
  Do(tom_, state::Lock{.doc = doc_, .ttl_ms = 60'000});
  const std::vector<state::Outcome> outcomes =
      Write({Types(ana_, "a"), Types(SessionId(999), "x"), Types(tom_, "t")});
  EXPECT_EQ(outcomes[0].code, state::Code::kLocked);
  EXPECT_EQ(outcomes[1].code, state::Code::kUnauthenticated);
  EXPECT_TRUE(outcomes[2].ok());
  EXPECT_EQ(proposals(), 1u);
  EXPECT_EQ(Authors(), std::vector<std::string>({"tom"}));
}

TEST_F(JointProposalsTest, ALargeUpdateGoesAloneAndHoldsUpNobody) {
  const std::string large(JointProposals::kJointBytesMax, 'x');
  const std::vector<state::Outcome> outcomes =
      Write({Types(ana_, large), Types(tom_, "t"), Types(LoginAs("eve"), "e")});
  for (const state::Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.message;
  EXPECT_EQ(outcomes[1].revision, outcomes[2].revision);
  EXPECT_NE(outcomes[0].revision, outcomes[1].revision);
  EXPECT_EQ(proposals(), 2u);
}

TEST_F(JointProposalsTest, WhatComesWhileCommitsWaitForNothingDoesNotWait) {
  CommitsTook(absl::Milliseconds(1));
  Write({Types(ana_, "a"), Types(tom_, "t"), Types(LoginAs("eve"), "e")}, Turns::kEach);
  EXPECT_EQ(proposals(), 3u);
}

TEST_F(JointProposalsTest, WhereCommitsWaitForEachOtherWhatComesAfterAFewGoesTogether) {
  std::vector<state::Command> commands;
  for (std::uint64_t i = 0; i < WindowPace::kBurst + 4; ++i) {
    commands.push_back(Types(i % 2 == 0 ? ana_ : tom_, "a"));
    commands.back().request.client = ClientId(100 + i);
  }
  CommitsTook(absl::Seconds(1));
  const std::vector<state::Outcome> outcomes = Write(commands, Turns::kEach);
  for (const state::Outcome& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.message;
  EXPECT_NE(outcomes[0].revision, outcomes[1].revision);
  EXPECT_EQ(outcomes[WindowPace::kBurst].revision, outcomes.back().revision);
  EXPECT_EQ(proposals(), WindowPace::kBurst + 1u);
}

TEST_F(JointProposalsTest, MoreThanFitIntoAnEntryGoInSeveral) {
  std::vector<state::Command> commands;
  for (std::uint64_t i = 0; i < state::kUpdatePartsMax + 6; ++i) {
    commands.push_back(Types(i % 2 == 0 ? ana_ : tom_, "a"));
    commands.back().request.client = ClientId(100 + i);
  }
  for (const state::Outcome& outcome : Write(commands)) EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(proposals(), 2u);
}

// In a rolling upgrade, before everybody reads joint edits.
class AmongOldNodes : public JointProposalsTest {
 protected:
  AmongOldNodes() : JointProposalsTest(2) {}
};

TEST_F(AmongOldNodes, EachGoesAlone) {
  for (int turn = 0; turn < 2; ++turn) {
    const std::vector<state::Outcome> outcomes = Write({Types(ana_, "a"), Types(tom_, "t")});
    EXPECT_TRUE(outcomes[0].ok() && outcomes[1].ok());
    EXPECT_NE(outcomes[0].revision, outcomes[1].revision);
  }
  EXPECT_EQ(proposals(), 5u);  // It tried once.
}

}  // namespace
}  // namespace coterie::gateway
