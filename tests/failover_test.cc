// How long writers wait when the leader dies: ten kills, the longest time without an acknowledged
// write after each. The printed numbers are the measurement; only generous bounds are asserted,
// because the machine of a test run may be doing other things.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "tests/cluster_process.h"
#include "tests/pacing.h"
#include "tests/workload.h"

namespace coterie::tests {
namespace {

constexpr int kKills = 10;

// The longest time without an acknowledgement between two instants, in milliseconds.
std::int64_t LongestSilenceMs(const std::vector<std::int64_t>& sorted, std::int64_t begin,
                              std::int64_t end) {
  std::int64_t longest = 0;
  std::int64_t last = begin;
  for (const std::int64_t at : sorted) {
    if (at < begin || at > end) continue;
    longest = std::max(longest, at - last);
    last = at;
  }
  return std::max(longest, end - last) / 1'000'000;
}

struct Kill {
  std::int64_t at = 0;
  std::int64_t settled_at = 0;  // Writes had gone on for long enough.
};

class Failover : public testing::Test {
 protected:
  void SetUp() override { StartWith({}); }
  void StartWith(const ClusterProcess::Conditions& conditions) {
    auto cluster = ClusterProcess::Start(3, conditions);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    auto load = Workload::Prepare({.addresses = cluster_->client_addresses(), .clients = 4});
    ASSERT_TRUE(load.ok()) << load.status();
    load_ = *std::move(load);
    load_->Start();
  }

  bool WaitForWrites(std::uint64_t count) {
    const std::uint64_t before = load_->acknowledged();
    return WaitUntil([&] { return load_->acknowledged() >= before + count; }, absl::Seconds(20));
  }

  // A leader that all nodes know; 0 if there is none in time.
  std::uint64_t WaitForLeader() {
    std::uint64_t leader = 0;
    WaitUntil(
        [&] {
          const auto status = load_->client().Call(v1::GetStatusRequest{});
          leader = status.ok() ? status->leader_id() : 0;
          return leader != 0 && cluster_->IsRunning(leader);
        },
        absl::Seconds(20));
    return leader;
  }

  void KillLeader(std::vector<Kill>& kills) {
    ASSERT_TRUE(WaitForWrites(100));
    const std::uint64_t leader = WaitForLeader();
    ASSERT_NE(leader, 0u);
    Kill kill{.at = NowNanos()};
    cluster_->Kill(leader);
    ASSERT_TRUE(WaitForWrites(200)) << "no writes after the death of the leader";
    kill.settled_at = NowNanos();
    kills.push_back(kill);
    const absl::Status restarted = cluster_->Restart(leader);
    ASSERT_TRUE(restarted.ok()) << restarted;
  }

  std::unique_ptr<ClusterProcess> cluster_;
  std::unique_ptr<Workload> load_;
};

TEST_F(Failover, WritesGoOnSoonAfterTheLeaderDies) {
  std::vector<Kill> kills;
  for (int i = 0; i < kKills; ++i) ASSERT_NO_FATAL_FAILURE(KillLeader(kills));
  const WorkloadRecord record = load_->Stop();

  std::vector<std::int64_t> silences;
  for (const Kill& kill : kills) {
    silences.push_back(LongestSilenceMs(record.acknowledged_at, kill.at, kill.settled_at));
  }
  std::sort(silences.begin(), silences.end());
  std::cout << "without an acknowledged write after the leader's death, in ms:";
  for (const std::int64_t silence : silences) std::cout << " " << silence;
  const std::int64_t median = silences[kKills / 2];
  std::cout << "\nmedian " << median << " ms, worst " << silences.back() << " ms\n";
  RecordProperty("median_ms", static_cast<int>(median));
  RecordProperty("worst_ms", static_cast<int>(silences.back()));
  EXPECT_EQ(record.unexpected, std::vector<std::string>());
  EXPECT_EQ(cluster_->Obituaries(), "");
  EXPECT_LT(median, 2'000);
  EXPECT_LT(silences.back(), 5'000);
}

// Nobody would be elected in less than this unless leadership is handed over.
class PlannedStop : public Failover {
 protected:
  static constexpr std::int64_t kElectionMs = 3'000;
  void SetUp() override {
    StartWith({.flags = {"--election-timeout-ms", std::to_string(kElectionMs)}});
  }
};

TEST_F(PlannedStop, FailsNoCallAndIsHardlyNoticed) {
  ASSERT_TRUE(WaitForWrites(100));
  const std::uint64_t leader = WaitForLeader();
  ASSERT_NE(leader, 0u);
  const std::int64_t begun_at = NowNanos();

  const auto exit_status = cluster_->Terminate(leader);
  ASSERT_TRUE(exit_status.ok()) << exit_status.status();
  EXPECT_EQ(*exit_status, 0);
  ASSERT_TRUE(WaitForWrites(200));
  const std::int64_t settled_at = NowNanos();
  const WorkloadRecord record = load_->Stop();

  const std::int64_t silence = LongestSilenceMs(record.acknowledged_at, begun_at, settled_at);
  std::cout << "longest silence over a planned stop: " << silence << " ms\n";
  EXPECT_LT(silence, kElectionMs);
  EXPECT_EQ(record.unexpected, std::vector<std::string>());
  for (const Operation& op : record.history) EXPECT_NE(op.result, Result::kUnknown) << ToString(op);
}

}  // namespace
}  // namespace coterie::tests
