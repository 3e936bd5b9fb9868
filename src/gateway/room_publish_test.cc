// What a room sends of the changes that it hears, and when: a room on a real node, which is handed
// changes as the apply thread would.

#include <absl/synchronization/blocking_counter.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "gateway/limits.h"
#include "gateway/test_room.h"
#include "rpc/steady_time.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {
namespace {

class RoomPublishTest : public RoomTest {
 protected:
  // Each in a turn of its own, one right after the other.
  void Hear(std::size_t count, const std::string& text = "x") {
    absl::BlockingCounter left(static_cast<int>(count));
    const std::function<void()> hear = [&] {
      room_->Handle(Next(text));
      if (--count > 0) shard_.Post(hear);  // Behind what the change has posted.
      left.DecrementCount();
    };
    shard_.Post(hear);
    left.Wait();
  }
  // From now on, and as long as nothing is committed.
  void LetCommitsWaitForEachOther() {
    OnShard([this] {
      lag_.Note(absl::Milliseconds(1), rpc::SteadyNow());
      for (int i = 0; i < 100; ++i) lag_.Note(absl::Seconds(1), rpc::SteadyNow());
    });
  }
};

TEST_F(RoomPublishTest, WhileCommitsWaitForNothingChangesAreSentAsTheyCome) {
  OnShard([this] { lag_.Note(absl::Milliseconds(1), rpc::SteadyNow()); });
  Hear(8);
  EXPECT_EQ(ear_->Await(8), 8);
}

// However fast they come: more is nothing that anybody could see.
TEST_F(RoomPublishTest, InTheLongRunThereAreNoMoreMessagesThanAScreenHasFrames) {
  constexpr std::size_t kLetters = 150;
  const absl::Time begin = rpc::SteadyNow();
  Hear(kLetters);
  const double messages = ear_->Await(kLetters);
  const double seconds = absl::ToDoubleSeconds(rpc::SteadyNow() - begin);
  EXPECT_LE(messages, kPublishBurst + 1 + seconds * kPublishPerSecond);
}

TEST_F(RoomPublishTest, WhereCommitsWaitForEachOtherAFewAreSentAsTheyComeAndTheOthersAsOne) {
  LetCommitsWaitForEachOther();
  Hear(8);
  EXPECT_EQ(ear_->Await(8), WindowPace::kBurst + 1);
}

// Who is told that it is saved has what the document was before it.
TEST_F(RoomPublishTest, WhatIsSavedIsToldBehindTheChangesThatWereBeforeIt) {
  const Member ben = Join("ben", state::DocumentRole::kEditor);
  LetCommitsWaitForEachOther();
  Hear(8);  // The last ones wait to be sent.
  Write(ben);

  ASSERT_TRUE(ben.ear->AwaitHeard(yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved)));
  EXPECT_EQ(ben.ear->heard().back(), yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved));
  EXPECT_EQ(ben.ear->Await(8), WindowPace::kBurst + 1);
  EXPECT_EQ(ben.ear->heard().back(), yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved));
}

// What it keeps for those who join is bounded, also while nobody joins. That it has looked anew is
// seen by a lock that nobody has told it of.
TEST_F(RoomPublishTest, ARoomThatHasHeardTooMuchToKeepReadsTheDocumentAnew) {
  const Member ben = Join("ben", state::DocumentRole::kEditor);
  ASSERT_TRUE(Do(session_, state::Lock{.doc = doc_, .ttl_ms = 100'000}).ok());
  constexpr std::size_t kPieceBytes = 1 << 20;

  Hear(RoomContent::kTailBytesMax / kPieceBytes - 1, std::string(kPieceBytes, 'x'));
  EXPECT_FALSE(ben.ear->HasHeard(R"({"lock":)"));
  Hear(1, std::string(kPieceBytes, 'x'));
  EXPECT_TRUE(ben.ear->AwaitHeard(R"({"lock":{"holder":"ana")"));
}

}  // namespace
}  // namespace coterie::gateway
