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

}  // namespace
}  // namespace coterie::rpc
