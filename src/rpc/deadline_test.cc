#include "rpc/deadline.h"

#include <gtest/gtest.h>

namespace coterie::rpc {
namespace {

TEST(Deadline, IsTheClientsOwnButNoLaterThanThePolicyAllows) {
  const Policy policy{.method = "any", .seconds_max = 60};
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  EXPECT_EQ(DeadlineAt(now, now + absl::Seconds(5), policy), now + absl::Seconds(5));
  EXPECT_EQ(DeadlineAt(now, now + absl::Seconds(61), policy), now + absl::Seconds(60));
  EXPECT_EQ(DeadlineAt(now, now + absl::Hours(24), policy), now + absl::Seconds(60));
  EXPECT_EQ(DeadlineAt(now, now - absl::Seconds(1), policy), now - absl::Seconds(1));
}

TEST(Deadline, OfWhoAsksForNoneIsTheUsualOne) {
  const Policy policy{.method = "any", .seconds_max = 60};
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  EXPECT_EQ(DeadlineAt(now, absl::InfiniteFuture(), policy), now + absl::Seconds(kSecondsDefault));
}

}  // namespace
}  // namespace coterie::rpc
