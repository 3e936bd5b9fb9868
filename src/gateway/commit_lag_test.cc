#include "gateway/commit_lag.h"

#include <gtest/gtest.h>

namespace coterie::gateway {
namespace {

constexpr absl::Duration kMs = absl::Milliseconds(1);

class CommitLagTest : public testing::Test {
 protected:
  // So many commits, each a millisecond after the other.
  void Commits(int count, absl::Duration took) {
    for (int i = 0; i < count; ++i) {
      now_ += kMs;
      lag_.Note(took, now_);
    }
  }
  absl::Duration window() const { return lag_.Window(now_); }

  CommitLag lag_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

TEST_F(CommitLagTest, NothingIsHeldUpWhereNothingWaits) {
  EXPECT_EQ(window(), absl::ZeroDuration());

  Commits(100, kMs);
  EXPECT_EQ(window(), absl::ZeroDuration());

  Commits(1, kMs * 1.9);  // A disk is slow once.
  EXPECT_EQ(window(), absl::ZeroDuration());
}

TEST_F(CommitLagTest, FarNodesAreNoBusyOnes) {
  Commits(1'000, kMs * 80);

  EXPECT_EQ(lag_.At(now_), absl::ZeroDuration());
  EXPECT_EQ(window(), absl::ZeroDuration());
}

TEST_F(CommitLagTest, TheWindowGrowsWithWhatWaitsAndIsBounded) {
  Commits(100, kMs);
  Commits(100, kMs * 6);
  EXPECT_GT(window(), kMs * 31);
  EXPECT_LT(window(), kMs * 33);

  Commits(100, kMs * 31);
  EXPECT_EQ(window(), CommitLag::kWindowMax);

  Commits(100, kMs * 151);
  EXPECT_GT(window(), kMs * 149);
  EXPECT_LT(window(), kMs * 151);

  Commits(100, kMs * 500);
  EXPECT_EQ(window(), CommitLag::kWindowOfLagMax);

  Commits(100, kMs);
  EXPECT_EQ(window(), absl::ZeroDuration());
}

TEST_F(CommitLagTest, WhatWasMeasuredIsForgottenWhenNothingIsCommitted) {
  Commits(1, kMs);
  Commits(100, kMs * 20);
  EXPECT_GT(window(), absl::ZeroDuration());

  now_ += CommitLag::kStale + kMs;
  EXPECT_EQ(window(), absl::ZeroDuration());
  Commits(1, kMs * 3);
  EXPECT_EQ(window(), absl::ZeroDuration());
}

TEST_F(CommitLagTest, ALeaderThatIsFartherIsGotUsedTo) {
  Commits(1, kMs);
  for (absl::Duration passed; passed < 2 * CommitLag::kPeriod; passed += kMs * 100) {
    now_ += kMs * 100;
    lag_.Note(kMs * 40, now_);
  }
  now_ += kMs;
  EXPECT_GT(window(), absl::ZeroDuration());  // Within the two periods it is taken for busy.

  Commits(100, kMs * 40);
  now_ += CommitLag::kPeriod / 2;
  Commits(200, kMs * 40);
  EXPECT_EQ(window(), absl::ZeroDuration());
}

TEST(WindowPace, AFewGoAtOnceAndThenOneInEveryWindow) {
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  WindowPace pace;
  for (int i = 0; i < WindowPace::kBurst; ++i) {
    EXPECT_EQ(pace.Wait(kMs * 20, now), absl::ZeroDuration());
    pace.Went(kMs * 20, now);
  }
  EXPECT_EQ(pace.Wait(kMs * 20, now), kMs * 20);
  EXPECT_EQ(pace.Wait(kMs * 5, now), kMs * 5);  // It is not that busy any more.
  EXPECT_EQ(pace.Wait(absl::ZeroDuration(), now), absl::ZeroDuration());

  for (int i = 0; i < 10; ++i) {
    now += pace.Wait(kMs * 20, now);
    pace.Went(kMs * 20, now);
  }
  EXPECT_EQ(now, absl::UnixEpoch() + absl::Hours(1) + kMs * 200);
}

TEST(WindowPace, WhoComesLessOftenThanWindowsNeverWaits) {
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  WindowPace pace;
  for (int i = 0; i < 100; ++i, now += kMs * (i % 2 == 0 ? 1 : 45)) {  // 46 ms for two.
    EXPECT_EQ(pace.Wait(kMs * 20, now), absl::ZeroDuration()) << i;
    pace.Went(kMs * 20, now);
  }
}

}  // namespace
}  // namespace coterie::gateway
