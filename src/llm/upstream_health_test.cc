#include "llm/upstream_health.h"

#include <gtest/gtest.h>

namespace coterie::llm {
namespace {

const absl::Status kGone = absl::UnavailableError("gone");

absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(UpstreamHealth, ProbesSayWhetherItIsThere) {
  UpstreamHealth health;
  EXPECT_TRUE(health.status().ok());
  health.TakeProbe(kGone, At(0));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(1));
  EXPECT_TRUE(health.status().ok());
  // It is there, and says what it does not like: so shall who asks be told.
  health.TakeProbe(absl::FailedPreconditionError("401"), At(2));
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, WhoListsModelsAndDoesNotAnswerStaysOutAsLongAsThatCost) {
  UpstreamHealth health;
  health.TakeAnswer(kGone, At(0), At(120));
  health.TakeProbe(absl::OkStatus(), At(239));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(240));
  EXPECT_TRUE(health.status().ok());

  health.TakeAnswer(kGone, At(240), At(360));  // Again: twice as long.
  health.TakeProbe(absl::OkStatus(), At(599));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(600));
  EXPECT_TRUE(health.status().ok());

  health.TakeAnswer(kGone, At(600), At(720));
  health.TakeProbe(absl::OkStatus(), At(720 + 300));  // But not longer than that.
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, ThoseThatWereOnTheirWayTogetherAreOneFailure) {
  UpstreamHealth health;
  for (int i = 0; i < 8; ++i) health.TakeAnswer(kGone, At(0), At(2));
  health.TakeProbe(absl::OkStatus(), At(4));
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, AnAnswerMakesItWell) {
  UpstreamHealth health;
  for (int i = 0; i < 20; ++i) health.TakeAnswer(kGone, At(i), At(i));
  health.TakeAnswer(absl::OkStatus(), At(20), At(21));
  EXPECT_TRUE(health.status().ok());
  health.TakeAnswer(kGone, At(22), At(22));
  health.TakeProbe(absl::OkStatus(), At(23));
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, WhatIsTheRequestsFaultSaysNothingOfTheServer) {
  UpstreamHealth health;
  for (const absl::Status& status :
       {absl::InvalidArgumentError("400"), absl::ResourceExhaustedError("429"),
        absl::CancelledError("left"), absl::DeadlineExceededError("late"),
        absl::FailedPreconditionError("401")}) {
    health.TakeAnswer(status, At(0), At(1));
    EXPECT_TRUE(health.status().ok()) << status;
  }
}

}  // namespace
}  // namespace coterie::llm
