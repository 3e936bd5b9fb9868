#include "rpc/watch_feed.h"

#include <gtest/gtest.h>

#include <string>

namespace coterie::rpc {
namespace {

TEST(WatchFeed, WantsEverythingAtFirstAndThenWhatIsNew) {
  int ready = 0;
  WatchFeed feed({}, [&] { ++ready; });
  EXPECT_TRUE(feed.wants_all());
  feed.Offer(Blob("all"));
  EXPECT_FALSE(feed.wants_all());
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(feed.Take().message->view(), "all");
  EXPECT_FALSE(feed.Take().message.has_value());
}

TEST(WatchFeed, WhoIsSlowLosesWhatWaitsAndIsGivenEverythingAnew) {
  WatchFeed feed({}, [] {});
  for (std::size_t i = 0; i < WatchFeed::kQueuedMax; ++i) feed.Offer(Blob("old"));
  EXPECT_FALSE(feed.wants_all());
  feed.Offer(Blob("one more"));
  EXPECT_TRUE(feed.wants_all());
  EXPECT_FALSE(feed.Take().message.has_value());
  feed.Offer(Blob("all"));
  EXPECT_EQ(feed.Take().message->view(), "all");
}

TEST(WatchFeed, TheEndComesBehindWhatWaits) {
  WatchFeed feed({}, [] {});
  feed.Offer(Blob("last"));
  feed.End(absl::UnavailableError("stopping"));
  feed.End(absl::InternalError("another reason"));
  feed.Offer(Blob("too late"));
  EXPECT_EQ(feed.Take().message->view(), "last");
  const WatchFeed::Taken taken = feed.Take();
  EXPECT_FALSE(taken.message.has_value());
  EXPECT_EQ(taken.ended.message(), "stopping");
}

}  // namespace
}  // namespace coterie::rpc
