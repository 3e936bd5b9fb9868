#include "gateway/room_content.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include "yproto/frame.h"
#include "yproto/test_hex.h"

namespace coterie::gateway {
namespace {

using yproto::FromHex;

// Client 1 writes "abc" into the text "a"; then it deletes the b; client 2 writes beside.
const std::string kAbc = FromHex("01010100040101740361626300");
const std::string kDeleteB = FromHex("00010101 0101");
const std::string kNext = FromHex("01010103840102016400");
const std::string kOther = FromHex("010102000401017401 42 00");

crdt::UpdateView ViewOf(const std::string& update) {
  crdt::UpdateView view;
  EXPECT_FALSE(crdt::UpdateView::Open(update, view));
  return view;
}

RoomContent Loaded() {
  RoomContent content;
  EXPECT_TRUE(content.Load(Revision(5), kAbc));
  return content;
}

void Append(RoomContent& content, std::uint64_t revision, const std::string& update) {
  content.Learn(Revision(revision), update);
  content.Append(Blob(yproto::EncodeSync(yproto::SyncStep::kUpdate, update)));
}

TEST(RoomContent, WhoHasNothingGetsTheWholeAndWhatCameSince) {
  RoomContent content = Loaded();
  Append(content, 6, kNext);

  const std::vector<Blob> frames = content.AnswerTo({});
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].view(), yproto::EncodeSync(yproto::SyncStep::kAnswer, kAbc));
  EXPECT_EQ(frames[1].view(), yproto::EncodeSync(yproto::SyncStep::kUpdate, kNext));
  EXPECT_EQ(content.state_vector().At(crdt::Client(1)), 4u);
  EXPECT_EQ(content.revision(), Revision(6));
}

TEST(RoomContent, WhoHasSomeGetsTheRest) {
  const RoomContent content = Loaded();
  crdt::StateVector known;
  known.Set(crdt::Client(1), 3);
  EXPECT_EQ(content.AnswerTo(known)[0].view(),
            yproto::EncodeSync(yproto::SyncStep::kAnswer, FromHex("0000")));
}

TEST(RoomContent, KnowsWhatIsNew) {
  RoomContent content = Loaded();
  EXPECT_TRUE(content.Covers(ViewOf(kAbc)));
  EXPECT_FALSE(content.Covers(ViewOf(kOther)));
  EXPECT_FALSE(content.Covers(ViewOf(kDeleteB))) << "a deletion has no clock";
  EXPECT_FALSE(content.Covers(ViewOf(kNext)));

  Append(content, 6, kDeleteB);
  Append(content, 7, kOther);
  EXPECT_TRUE(content.Covers(ViewOf(kDeleteB)));
  EXPECT_TRUE(content.Covers(ViewOf(kOther)));
}

TEST(RoomContent, WhatLiesBehindAGapIsNotThere) {
  RoomContent content;
  ASSERT_TRUE(content.Load(Revision(1), FromHex("0000")));
  Append(content, 2, kNext);
  EXPECT_EQ(content.state_vector().At(crdt::Client(1)), 0u);
}

TEST(RoomContent, ManyChangesWearItOut) {
  RoomContent content = Loaded();
  EXPECT_FALSE(content.is_worn());
  for (std::uint64_t i = 0; i < 10'000; ++i) Append(content, 6 + i, kDeleteB);
  EXPECT_TRUE(content.is_worn());
  EXPECT_FALSE(content.is_full());
}

// What a provider brings when it comes back: nothing new, and every deletion since the beginning.
TEST(RoomContent, ManyDeletionsAreComparedInOneWalk) {
  std::vector<std::pair<crdt::Client, crdt::ClockRange>> ranges;
  for (crdt::Clock clock = 0; clock < 400'000; clock += 4) {
    ranges.push_back({crdt::Client(7), {.begin = clock, .end = clock + 2}});
  }
  const std::string all = FromHex("00") + crdt::DeleteSet::FromRanges(ranges).Encode();
  RoomContent content;
  ASSERT_TRUE(content.Load(Revision(1), all));
  crdt::UpdateView view;
  ASSERT_FALSE(crdt::UpdateView::Open(all, view));

  const absl::Time begin = absl::Now();
  EXPECT_TRUE(content.Covers(view));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));

  ranges.back().second.end += 1;
  const std::string more = FromHex("00") + crdt::DeleteSet::FromRanges(ranges).Encode();
  ASSERT_FALSE(crdt::UpdateView::Open(more, view));
  EXPECT_FALSE(content.Covers(view));
  ranges = {{crdt::Client(7), {.begin = 5, .end = 6}}};
  const std::string part = FromHex("00") + crdt::DeleteSet::FromRanges(ranges).Encode();
  ASSERT_FALSE(crdt::UpdateView::Open(part, view));
  EXPECT_TRUE(content.Covers(view));
  ranges = {{crdt::Client(7), {.begin = 5, .end = 7}}};
  const std::string over = FromHex("00") + crdt::DeleteSet::FromRanges(ranges).Encode();
  ASSERT_FALSE(crdt::UpdateView::Open(over, view));
  EXPECT_FALSE(content.Covers(view));
}

}  // namespace
}  // namespace coterie::gateway
