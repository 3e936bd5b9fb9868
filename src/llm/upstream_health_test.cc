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
  health.TakeAnswer({.status = kGone, .begun = At(0), .client = "ann"}, At(120));
  health.TakeProbe(absl::OkStatus(), At(239));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(240));
  EXPECT_TRUE(health.status().ok());

  // Again: twice as long.
  health.TakeAnswer({.status = kGone, .begun = At(240), .client = "ann"}, At(360));
  health.TakeProbe(absl::OkStatus(), At(599));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(600));
  EXPECT_TRUE(health.status().ok());

  health.TakeAnswer({.status = kGone, .begun = At(600), .client = "ann"}, At(720));
  health.TakeProbe(absl::OkStatus(), At(720 + 300));  // But not longer than that.
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, ThoseThatWereOnTheirWayTogetherAreOneFailure) {
  UpstreamHealth health;
  for (int i = 0; i < 8; ++i) {
    health.TakeAnswer({.status = kGone, .begun = At(0), .client = "ann"}, At(2));
  }
  health.TakeProbe(absl::OkStatus(), At(4));
  EXPECT_TRUE(health.status().ok());
}

// A prompt that makes the server say 500 is one client's; the others go on.
TEST(UpstreamHealth, OneClientsErrorsDoNotPutItOut) {
  const auto refused = [](const std::string& client) {
    return UpstreamHealth::Answer{
        .status = kGone, .begun = At(0), .client = client, .is_refusal = true};
  };
  UpstreamHealth health;
  for (int i = 1; i < 20; ++i) health.TakeAnswer(refused("ann"), At(i));
  EXPECT_TRUE(health.status().ok());
  health.TakeProbe(absl::OkStatus(), At(20));
  EXPECT_TRUE(health.status().ok());
  health.TakeProbe(kGone, At(21));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(22));
  EXPECT_TRUE(health.status().ok());

  health.TakeAnswer(refused("bob"), At(23));
  EXPECT_EQ(health.status(), kGone);
  health.TakeProbe(absl::OkStatus(), At(60));
  // For the next time it takes two again, with no answer in between.
  health.TakeAnswer(refused("bob"), At(60));
  health.TakeAnswer(refused("bob"), At(61));
  EXPECT_TRUE(health.status().ok());
  health.TakeAnswer({.status = absl::OkStatus(), .begun = At(62), .client = "eve"}, At(63));
  health.TakeAnswer(refused("ann"), At(64));
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, AnAnswerMakesItWell) {
  UpstreamHealth health;
  for (int i = 0; i < 20; ++i) {
    health.TakeAnswer({.status = kGone, .begun = At(i), .client = "ann"}, At(i));
  }
  health.TakeAnswer({.status = absl::OkStatus(), .begun = At(20), .client = "ann"}, At(21));
  EXPECT_TRUE(health.status().ok());
  health.TakeAnswer({.status = kGone, .begun = At(22), .client = "ann"}, At(22));
  health.TakeProbe(absl::OkStatus(), At(23));
  EXPECT_TRUE(health.status().ok());
}

TEST(UpstreamHealth, WhatIsTheRequestsFaultSaysNothingOfTheServer) {
  UpstreamHealth health;
  for (const absl::Status& status :
       {absl::InvalidArgumentError("400"), absl::ResourceExhaustedError("429"),
        absl::CancelledError("left"), absl::DeadlineExceededError("late"),
        absl::FailedPreconditionError("401")}) {
    health.TakeAnswer({.status = status, .begun = At(0), .client = "ann"}, At(1));
    EXPECT_TRUE(health.status().ok()) << status;
  }
}

}  // namespace
}  // namespace coterie::llm
