#include "llm/metrics.h"

#include <gtest/gtest.h>

namespace coterie::llm {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;

MetricsView ViewOf(const Metrics& metrics, std::uint64_t now) {
  MetricsView view;
  metrics.FillIn(now, view);
  return view;
}

TEST(Metrics, CountTokensOfTheLastTenSeconds) {
  Metrics metrics;
  for (std::uint64_t second = 1; second <= 60; ++second) {
    for (int i = 0; i < 5; ++i) metrics.AddToken(second * kSecond);
  }

  EXPECT_NEAR(ViewOf(metrics, 60 * kSecond).answer_tokens_per_second, 5, 0.5);
  EXPECT_NEAR(ViewOf(metrics, 65 * kSecond).answer_tokens_per_second, 3, 0.5);
  EXPECT_EQ(ViewOf(metrics, 90 * kSecond).answer_tokens_per_second, 0);
  EXPECT_EQ(ViewOf(metrics, 90 * kSecond).counters.answer_tokens, 300U);
}

TEST(Metrics, ForgetOldFirstTokens) {
  Metrics metrics;
  EXPECT_EQ(ViewOf(metrics, 0).first_token_micros_p50, 0U);
  for (int i = 0; i < 100; ++i) metrics.AddFirstToken(9'000);
  for (std::uint64_t i = 1; i <= Metrics::kFirstTokensMax; ++i) metrics.AddFirstToken(i);

  const MetricsView view = ViewOf(metrics, 0);
  EXPECT_EQ(view.first_token_micros_p50, 128U);
  EXPECT_EQ(view.first_token_micros_p99, 253U);
}

TEST(Metrics, FollowHowLongAnswersTake) {
  Metrics metrics;
  metrics.AddService(1'000);
  EXPECT_EQ(metrics.service_micros(), 1'000U);
  for (int i = 0; i < 50; ++i) metrics.AddService(3'000);
  EXPECT_NEAR(static_cast<double>(metrics.service_micros()), 3'000, 20);
}

}  // namespace
}  // namespace coterie::llm
