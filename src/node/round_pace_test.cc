#include "node/round_pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace coterie::node {
namespace {

class RoundPaceTest : public testing::Test {
 protected:
  // As long as proposals come so fast, each round begins when it may and the one before is synced.
  void Propose(double per_ms, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      const std::uint64_t begins_us = std::max(now_us_ + kSyncUs, pace_.NextUs());
      const auto passed_us = static_cast<double>(begins_us - now_us_);
      now_us_ = begins_us;
      pace_.Synced(kSyncUs);
      pace_.Began(static_cast<std::size_t>(per_ms * passed_us / 1'000), now_us_);
    }
  }
  bool IsHeld() const { return pace_.NextUs() > now_us_; }

  static constexpr std::uint64_t kSyncUs = 2'000;
  RoundPace pace_;
  std::uint64_t now_us_ = 1'000'000;
};

TEST_F(RoundPaceTest, FewUpdatesGoAtOnce) {
  EXPECT_FALSE(IsHeld());
  Propose(1, 100);
  EXPECT_FALSE(IsHeld());
}

TEST_F(RoundPaceTest, ManyWaitForTheNextRound) {
  Propose(10, 100);
  EXPECT_EQ(pace_.NextUs(), now_us_ + RoundPace::kRoundUs);
}

// What rounds that are farther apart have more of is no reason to stay so.
TEST_F(RoundPaceTest, WhenTheyBecomeFewerTheyGoAtOnceAgain) {
  Propose(10, 100);
  Propose(1, 30);
  EXPECT_FALSE(IsHeld());
}

TEST_F(RoundPaceTest, WhoComesAfterAPauseIsNotHeld) {
  Propose(10, 100);
  EXPECT_LE(pace_.NextUs(), now_us_ + RoundPace::kRoundUs);
}

}  // namespace
}  // namespace coterie::node
