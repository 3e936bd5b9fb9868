#include "gateway/refusal_pace.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

TEST(RefusalPace, WhoComesBackAgainAndAgainIsHeldEverLonger) {
  RefusalPace pace;
  absl::Time now = kStart;
  EXPECT_EQ(pace.Next("a", "notes", now), absl::ZeroDuration());
  EXPECT_EQ(pace.Next("a", "notes", now), absl::ZeroDuration());
  EXPECT_EQ(pace.Next("a", "notes", now), absl::Milliseconds(500));
  int opened = 3;
  for (; now < kStart + absl::Minutes(1); ++opened) {
    const absl::Duration held = pace.Next("a", "notes", now);
    EXPECT_LE(held, RefusalPace::kHeldMax);
    now += held + absl::Milliseconds(100);
  }
  EXPECT_LE(opened, 20);
}

TEST(RefusalPace, OthersAndOtherDocumentsAndWhoStayedAwayAreNotHeld) {
  RefusalPace pace;
  for (int i = 0; i < 9; ++i) static_cast<void>(pace.Next("a", "notes", kStart));
  EXPECT_EQ(pace.Next("b", "notes", kStart), absl::ZeroDuration());
  EXPECT_EQ(pace.Next("a", "plans", kStart), absl::ZeroDuration());
  EXPECT_EQ(pace.Next("a", "notes", kStart + absl::Seconds(31)), absl::ZeroDuration());
}

TEST(RefusalPace, WhoAsksForEverySoManyDocumentsIsNotRememberedForAll) {
  RefusalPace pace;
  for (int i = 0; i < 9; ++i) static_cast<void>(pace.Next("a", "notes", kStart));
  for (std::size_t i = 0; i < RefusalPace::kRememberedMax + 100; ++i) {
    static_cast<void>(pace.Next("b", std::to_string(i), kStart));
  }
  EXPECT_EQ(pace.Next("a", "notes", kStart), RefusalPace::kHeldMax) << "it is held the longest";
  EXPECT_EQ(pace.Next("c", "notes", kStart), absl::ZeroDuration());
}

}  // namespace
}  // namespace coterie::gateway
