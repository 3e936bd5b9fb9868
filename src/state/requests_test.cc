// Exactly once: a retry has one effect and gets the first answer, for as long as the client may
// need it, across restarts; afterwards it is told that nothing was done.

#include <gtest/gtest.h>

#include <string>

#include "base/prng.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class RequestsTest : public MachineTest {
 protected:
  RequestsTest() {
    ann_ = LoginAs("ann");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  Outcome AppendAs(RequestId request, const std::string& text = "x") {
    return Do(ann_, Append{.doc = doc_, .text = text}, request);
  }
  static RequestId Of(std::uint64_t client, std::uint64_t sequence, std::uint64_t acked = 0) {
    return {.client = ClientId(client), .sequence = sequence, .acked_below = acked};
  }

  SessionId ann_;
  DocId doc_;
};

TEST_F(RequestsTest, ADuplicateHasNoEventAndTheFirstRevision) {
  const Outcome first = AppendAs(Of(1, 1));
  const ApplyResult again = ApplyCommandOf(ann_, Append{.doc = doc_, .text = "x"}, Of(1, 1));
  EXPECT_FALSE(again.events.has_value());
  EXPECT_EQ(again.outcome->revision, first.revision);
  EXPECT_LT(again.outcome->revision, machine_->applied().index);
  EXPECT_EQ(TextOf(doc_), "x");
}

TEST_F(RequestsTest, TheFirstAnswerIsKeptWhole) {
  const Outcome created = Do(ann_, CreateDocument{.name = "other"}, Of(1, 1));
  const Outcome locked = Do(ann_, Lock{.doc = created.doc, .ttl_ms = 5'000}, Of(1, 2));
  const SessionId bob = LoginAs("bob");
  const Outcome refused = Do(bob, Append{.doc = created.doc, .text = "x"}, Of(1, 1));
  Ok(ann_, Unlock{.doc = created.doc});

  EXPECT_EQ(Do(ann_, CreateDocument{.name = "other"}, Of(1, 1)).doc, created.doc);
  const Outcome again = Do(ann_, Lock{.doc = created.doc, .ttl_ms = 5'000}, Of(1, 2));
  EXPECT_EQ(EncodeOutcome(again), EncodeOutcome(locked));
  EXPECT_FALSE(machine_->FindDocument(created.doc)->lock.has_value());
  const Outcome refused_again = Do(bob, Append{.doc = created.doc, .text = "x"}, Of(1, 1));
  EXPECT_EQ(refused_again.code, Code::kLocked);
  EXPECT_EQ(EncodeOutcome(refused_again), EncodeOutcome(refused));
}

TEST_F(RequestsTest, SequenceZeroIsNeverADuplicate) {
  AppendAs(Of(1, 0));
  AppendAs(Of(1, 0));
  AppendAs(Of(0, 0));
  EXPECT_EQ(TextOf(doc_), "xxx");
}

TEST_F(RequestsTest, ASequenceNeedsAClient) {
  EXPECT_EQ(AppendAs(Of(0, 1)).code, Code::kInvalidArgument);
  EXPECT_EQ(TextOf(doc_), "");
}

TEST_F(RequestsTest, OrderDoesNotMatterWithinTheWindow) {
  AppendAs(Of(1, 9), "a");
  AppendAs(Of(1, 2), "b");
  AppendAs(Of(1, 5), "c");
  for (const std::uint64_t sequence : {2, 5, 9}) AppendAs(Of(1, sequence), "?");
  EXPECT_EQ(TextOf(doc_), "abc");
}

TEST_F(RequestsTest, WhatIsAcknowledgedIsForgottenAndNotDoneAgain) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) AppendAs(Of(1, sequence));
  AppendAs(Of(1, 6, 4));
  for (const std::uint64_t forgotten : {1, 3}) {
    EXPECT_EQ(AppendAs(Of(1, forgotten)).code, Code::kForgotten);
  }
  for (const std::uint64_t kept : {4, 5, 6}) EXPECT_EQ(AppendAs(Of(1, kept)).code, Code::kOk);
  EXPECT_EQ(AppendAs(Of(1, 8, 9)).code, Code::kForgotten);  // Acknowledges itself.
  EXPECT_EQ(TextOf(doc_), "xxxxxx");
}

TEST_F(RequestsTest, ARestartForgetsNothing) {
  const Outcome first = AppendAs(Of(1, 1));
  AppendAs(Of(1, 2));
  AppendAs(Of(1, 3, 2));
  Restart();
  EXPECT_EQ(AppendAs(Of(1, 1)).code, Code::kForgotten);
  EXPECT_EQ(AppendAs(Of(1, 2)).revision, first.revision.Next());
  EXPECT_EQ(TextOf(doc_), "xxx");
}

TEST_F(RequestsTest, SessionsDoNotShareSequences) {
  const SessionId again = LoginAs("ann");
  AppendAs(Of(1, 1));
  Do(again, Append{.doc = doc_, .text = "y"}, Of(1, 1));
  EXPECT_EQ(TextOf(doc_), "xy");
}

TEST_F(RequestsTest, AClientThatNeverAcknowledgesIsRefusedAndNotServedTwice) {
  for (std::uint64_t sequence = 1; sequence <= kOutcomesPerClientMax; ++sequence) {
    ASSERT_TRUE(AppendAs(Of(1, sequence)).ok());
  }
  EXPECT_EQ(AppendAs(Of(1, kOutcomesPerClientMax + 1)).code, Code::kExhausted);
  EXPECT_TRUE(AppendAs(Of(1, 1)).ok());  // A duplicate, still known.
  EXPECT_EQ(TextOf(doc_).size(), kOutcomesPerClientMax);
  // Refused for want of room, it was not remembered: it can be done once there is room.
  EXPECT_TRUE(AppendAs(Of(1, kOutcomesPerClientMax + 1, 2)).ok());
  EXPECT_EQ(TextOf(doc_).size(), kOutcomesPerClientMax + 1);
}

TEST_F(RequestsTest, TheClientThatWasSilentForLongestGoesFirst) {
  for (std::uint64_t client = 1; client <= kClientsPerSessionMax; ++client) AppendAs(Of(client, 1));
  AppendAs(Of(1, 2));  // Now client 2 is the least recent.
  AppendAs(Of(100, 1));
  const std::string text = TextOf(doc_);
  EXPECT_EQ(AppendAs(Of(2, 1)).code, Code::kForgotten);
  EXPECT_TRUE(AppendAs(Of(1, 1)).ok());
  Restart();
  EXPECT_EQ(AppendAs(Of(2, 1)).code, Code::kForgotten);
  EXPECT_TRUE(AppendAs(Of(3, 1)).ok());
  EXPECT_EQ(TextOf(doc_), text);
}

TEST_F(RequestsTest, AClientThatWasEvictedGoesOnWithWhatItNeverAsked) {
  AppendAs(Of(1, 3), "a");
  AppendAs(Of(1, 5), "b");
  for (std::uint64_t client = 2; client <= kClientsPerSessionMax + 1; ++client) {
    AppendAs(Of(client, 1), ".");
  }
  const std::string before = TextOf(doc_);
  for (const std::uint64_t sequence : {3, 4, 5}) {  // Of 4 nobody can tell whether it was done.
    EXPECT_EQ(AppendAs(Of(1, sequence)).code, Code::kForgotten);
  }
  Restart();
  const Outcome sixth = AppendAs(Of(1, 6), "c");
  ASSERT_TRUE(sixth.ok()) << sixth.message;
  EXPECT_EQ(TextOf(doc_), before + "c");
  machine_->CheckInvariantsDeep();
  // Once, as ever; and what it did before it was evicted is not done again.
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(AppendAs(Of(1, 6)).revision, sixth.revision);
    for (const std::uint64_t sequence : {3, 4, 5}) {
      EXPECT_EQ(AppendAs(Of(1, sequence)).code, Code::kForgotten);
    }
    Restart();
  }
  EXPECT_EQ(AppendAs(Of(2, 1)).code, Code::kForgotten);  // The one that made room.
  EXPECT_EQ(TextOf(doc_), before + "c");
}

// More clients than are kept take turns, each with retries of its newest change.
TEST_F(RequestsTest, ManyClientsInTurnAllGoOnAndNothingIsDoneTwice) {
  Prng prng(12);
  std::vector<std::uint64_t> newest(kClientsPerSessionMax + 8);
  std::size_t done = 0;
  for (int step = 0; step < 3'000; ++step) {
    if (prng.Chance(1, 300)) Restart();
    const std::uint64_t client = prng.Between(1, newest.size());
    std::uint64_t& sequence = newest[client - 1];
    if (sequence > 0 && prng.Chance(1, 3)) {
      const Code code = AppendAs(Of(client, prng.Between(1, sequence))).code;
      ASSERT_TRUE(code == Code::kOk || code == Code::kForgotten);
    } else {
      ++sequence;
      ASSERT_TRUE(AppendAs(Of(client, sequence)).ok());
      ++done;
    }
    ASSERT_EQ(machine_->FindDocument(doc_)->size_bytes, done);
  }
  machine_->CheckInvariantsDeep();
}

TEST_F(RequestsTest, NothingIsLeftOfASessionThatEnded) {
  for (std::uint64_t client = 1; client <= kClientsPerSessionMax + 3; ++client) {
    AppendAs(Of(client, 1));
  }
  Do(ann_, Logout{}, Of(60, 2));
  EXPECT_EQ(AppendAs(Of(1, 1)).code, Code::kUnauthenticated);
  for (const auto& [key, value] : kv_.committed()) {
    EXPECT_NE(key.front(), 'o');
    EXPECT_NE(key.front(), 'c');
    EXPECT_NE(key.front(), 's');
  }
}

// Any interleaving of new requests, retries and restarts: each sequence has had at most one effect,
// and exactly one if it was ever answered with OK.
TEST_F(RequestsTest, RetriesAtRandomHaveOneEffect) {
  Prng prng(11);
  std::uint64_t next = 1;
  std::string expected;
  std::vector<Outcome> first(1);  // By sequence.
  std::uint64_t acked = 0;
  for (int step = 0; step < 2'000; ++step) {
    if (prng.Chance(1, 200)) Restart();
    const bool is_new = next == 1 || prng.Chance(1, 2);
    const std::uint64_t sequence = is_new ? next++ : prng.Between(1, next - 1);
    if (is_new && prng.Chance(1, 4)) acked = prng.Between(acked, sequence);
    const std::string text(1, static_cast<char>('a' + sequence % 26));
    const Outcome outcome = AppendAs(Of(1, sequence, is_new ? acked : 0), text);
    if (is_new) {
      ASSERT_TRUE(outcome.ok()) << outcome.message;
      expected += text;
      first.push_back(outcome);
    } else if (sequence < acked) {
      ASSERT_EQ(outcome.code, Code::kForgotten);
    } else {
      ASSERT_EQ(outcome.revision, first[sequence].revision);
    }
  }
  EXPECT_EQ(TextOf(doc_), expected);
}

}  // namespace
}  // namespace coterie::state
