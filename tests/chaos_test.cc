// The story of a cluster under failures: real processes, killed and frozen under a steady load.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/request_ids.h"
#include "state/command.h"
#include "tests/pacing.h"
#include "tests/story.h"

namespace coterie::tests {
namespace {

// For every call that a client may repeat, the cluster still knows what came of it.
static_assert(client::RequestIds::kSpanMax <= state::kOutcomesPerClientMax);

class Chaos : public Story, public testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override { Begin(GetParam(), {}); }

  void Freeze(const std::vector<std::uint64_t>& victims, absl::Duration away) {
    for (const std::uint64_t id : victims) cluster_->Stop(id);
    Pass(away);
    for (const std::uint64_t id : victims) cluster_->Continue(id);
  }

  void BreakThings(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const std::vector<std::uint64_t> victims = Victims();
      const absl::Duration away = absl::Milliseconds(prng_.Between(200, 1200));
      if (prng_.Chance(2, 3)) {
        ASSERT_NO_FATAL_FAILURE(KillAndRestart(victims, away));
      } else {
        Freeze(victims, away);
      }
      SCOPED_TRACE("after round " + std::to_string(round));
      ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
    }
  }
};

TEST_P(Chaos, NothingAcknowledgedIsLostUnderKillsAndPauses) {
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(BreakThings(8));
  Judge(load_->Stop());
}

TEST_P(Chaos, EverythingSurvivesTheDeathOfAllNodes) {
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(300));

  KillAndRestart(cluster_->ids(), absl::Milliseconds(100));
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  Judge(load_->Stop());
}

INSTANTIATE_TEST_SUITE_P(Nodes, Chaos, testing::Values(3, 5), testing::PrintToStringParamName());

}  // namespace
}  // namespace coterie::tests
