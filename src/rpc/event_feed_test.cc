#include "rpc/event_feed.h"

#include <gtest/gtest.h>

#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

bool IsStalledForASecond(const EventFeed& feed) {
  return feed.IsStalled(SteadyNow() + absl::Seconds(1));
}

TEST(EventFeed, WhoTakesWhatWaitsIsNotStalled) {
  EventFeed feed({}, [] {});
  EXPECT_FALSE(IsStalledForASecond(feed));  // Nothing waits for it.
  ASSERT_TRUE(feed.TryPush(Revision(1), Blob("x")));
  EXPECT_TRUE(IsStalledForASecond(feed));
  EXPECT_FALSE(feed.IsStalled(SteadyNow() - absl::Seconds(1)));
  EXPECT_TRUE(feed.Take().message.has_value());
  EXPECT_FALSE(IsStalledForASecond(feed));
}

TEST(EventFeed, WhoIsBehindAndAsksForNoPageIsStalled) {
  EventFeed feed({}, [] {});
  feed.FallBehind();
  EXPECT_TRUE(IsStalledForASecond(feed));
  EXPECT_FALSE(feed.IsStalled(SteadyNow() - absl::Seconds(1)));  // Not from the beginning.
  EXPECT_TRUE(feed.Take().wants_page);
  EXPECT_FALSE(IsStalledForASecond(feed));
}

TEST(EventFeed, WhoIsCutOffGetsTheReasonAndNothingElse) {
  int ready = 0;
  EventFeed feed({}, [&ready] { ++ready; });
  ASSERT_TRUE(feed.TryPush(Revision(1), Blob("x")));
  EXPECT_FALSE(feed.IsCutOff());
  feed.CutOff(absl::ResourceExhaustedError("slow"));
  feed.CutOff(absl::InternalError("again"));
  EXPECT_EQ(ready, 2);
  EXPECT_TRUE(feed.IsCutOff());
  const EventFeed::Taken taken = feed.Take();
  EXPECT_FALSE(taken.message.has_value());
  EXPECT_TRUE(absl::IsResourceExhausted(taken.ended));
  EXPECT_TRUE(feed.TryPush(Revision(2), Blob("y")));  // Dropped.
  EXPECT_FALSE(feed.Take().message.has_value());
}

TEST(EventFeed, WhatAllHoldTogetherIsBounded) {
  const auto of_all = std::make_shared<std::atomic<std::size_t>>(0);
  const Blob message(std::string(EventFeed::kQueuedBytesMax / 4, 'x'));
  {
    EventFeed feed({}, [] {});
    feed.CountIn(of_all);
    ASSERT_TRUE(feed.TryPush(Revision(1), message));
    EXPECT_EQ(*of_all, message.size_bytes());

    *of_all += EventFeed::kQueuedBytesOfAllMax;  // What others hold.
    EXPECT_FALSE(feed.TryPush(Revision(2), message));
    EXPECT_TRUE(feed.Take().message.has_value());
    EXPECT_TRUE(feed.TryPush(Revision(2), message));  // What is empty takes one all the same.

    *of_all -= EventFeed::kQueuedBytesOfAllMax;
    EXPECT_TRUE(feed.TryPush(Revision(3), message));
    EXPECT_EQ(*of_all, 2 * message.size_bytes());
    feed.CutOff(absl::ResourceExhaustedError("slow"));
    EXPECT_EQ(*of_all, 0u);
    ASSERT_TRUE(feed.TryPush(Revision(4), message));  // Dropped.
  }
  {
    EventFeed gone({}, [] {});
    gone.CountIn(of_all);
    ASSERT_TRUE(gone.TryPush(Revision(1), message));
  }
  EXPECT_EQ(*of_all, 0u);
}

}  // namespace
}  // namespace coterie::rpc
