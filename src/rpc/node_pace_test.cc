#include "rpc/node_pace.h"

#include <gtest/gtest.h>

namespace coterie::rpc {
namespace {

const absl::Time kBegin = absl::UnixEpoch() + absl::Hours(1);

TEST(QuantileMs, IsOfWhatHappenedBetweenTheReadingsAlone) {
  runtime::Histogram histogram;
  for (int i = 0; i < 1'000; ++i) histogram.Observe(0.0005);
  const Buckets before = Read(histogram);
  EXPECT_EQ(QuantileMs(before, before, 0.5), std::nullopt);
  for (int i = 0; i < 10; ++i) histogram.Observe(0.0015);
  // In the bucket from 1 ms to 2 ms, as if evenly spread.
  EXPECT_DOUBLE_EQ(*QuantileMs(before, Read(histogram), 0.5), 1.5);
  EXPECT_DOUBLE_EQ(*QuantileMs(before, Read(histogram), 1), 2.0);
}

TEST(QuantileMs, BeyondTheHighestBoundItIsThat) {
  runtime::Histogram histogram;
  histogram.Observe(60);
  EXPECT_DOUBLE_EQ(*QuantileMs({}, Read(histogram), 0.5), 5'000);
}

TEST(NodePace, SaysWhatWasDoneBetweenTwoSamples) {
  CallTimes calls;
  node::Counters log;
  runtime::Counter updates;
  runtime::Counter deliveries;
  runtime::Histogram commit;
  const EditorCounters editors{.updates = updates, .deliveries = deliveries, .commit = commit};
  NodePace pace(calls, log);
  updates.Add(1'000);
  pace.Sample(kBegin, &editors);
  EXPECT_FALSE(pace.last().has_value());  // How fast that was nobody knows.

  updates.Add(10);
  deliveries.Add(40);
  for (int i = 0; i < 4; ++i) calls.Observe(Policies()[0], 0.003, CallTimes::Outcome::kAnswered);
  commit.Observe(0.0015);
  pace.Sample(kBegin + absl::Milliseconds(500), &editors);
  EXPECT_FALSE(pace.last().has_value());  // Too soon.
  pace.Sample(kBegin + absl::Seconds(2), &editors);
  ASSERT_TRUE(pace.last().has_value());
  EXPECT_DOUBLE_EQ(pace.last()->updates_per_second(), 5);
  EXPECT_DOUBLE_EQ(pace.last()->deliveries_per_second(), 20);
  EXPECT_DOUBLE_EQ(pace.last()->calls_per_second(), 2);
  EXPECT_DOUBLE_EQ(pace.last()->commit_median_ms(), 1.5);
  EXPECT_FALSE(pace.last()->has_append_median_ms());  // Nothing was written.

  pace.Forget();
  EXPECT_FALSE(pace.last().has_value());
}

TEST(NodePace, WithoutEditorsThereAreNone) {
  CallTimes calls;
  node::Counters log;
  NodePace pace(calls, log);
  pace.Sample(kBegin, nullptr);
  log.log_append.Observe(0.0015);
  pace.Sample(kBegin + absl::Seconds(1), nullptr);
  EXPECT_EQ(pace.last()->updates_per_second(), 0);
  EXPECT_DOUBLE_EQ(pace.last()->append_median_ms(), 1.5);
}

}  // namespace
}  // namespace coterie::rpc
