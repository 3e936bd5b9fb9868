// Real processes on links that are cut and disks that forget what was not synced, judged as in
// story.h.

#include <absl/strings/match.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <vector>

#include "tests/pacing.h"
#include "tests/story.h"

namespace coterie::tests {
namespace {

constexpr absl::Duration kCut = absl::Milliseconds(1'200);
constexpr absl::Duration kAway = absl::Milliseconds(100);

class CutLinks : public Story {
 protected:
  void SetUp() override { Begin(3, {.has_link_proxy = true}); }
  LinkProxy& links() { return cluster_->links(); }

  // Requires that somebody leads.
  std::vector<std::uint64_t> LeaderFirst() {
    const std::uint64_t leader = LeaderId();
    std::vector<std::uint64_t> ids = {leader};
    for (const std::uint64_t id : cluster_->ids()) {
      if (id != leader) ids.push_back(id);
    }
    return ids;
  }
  void HealAfterAWhile() {
    Pass(kCut);
    links().Heal();
    ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
    ASSERT_TRUE(WaitUntil([this] { return LeaderId() != 0; }, kSettled));
  }
};

TEST_F(CutLinks, NothingIsLostOrSaidTwiceOverPartitions) {
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  EXPECT_GT(links().bytes(), 0u) << "the nodes do not use the proxy";

  // The leader alone, without whom the others go on.
  std::vector<std::uint64_t> ids = LeaderFirst();
  links().CutBothWays(ids[0], ids[1]);
  links().CutBothWays(ids[0], ids[2]);
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  ASSERT_NO_FATAL_FAILURE(HealAfterAWhile());
  // A leader that is heard and hears nobody: it must find out that it leads no more.
  ids = LeaderFirst();
  links().Cut(ids[1], ids[0]);
  links().Cut(ids[2], ids[0]);
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  ASSERT_NO_FATAL_FAILURE(HealAfterAWhile());
  // A leader that hears and is not heard.
  ids = LeaderFirst();
  links().Cut(ids[0], ids[1]);
  links().Cut(ids[0], ids[2]);
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  ASSERT_NO_FATAL_FAILURE(HealAfterAWhile());
  // A bridge: two that reach each other only by the third.
  ids = LeaderFirst();
  links().CutBothWays(ids[0], ids[1]);
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  ASSERT_NO_FATAL_FAILURE(HealAfterAWhile());
  // Nobody reaches anybody, and everything is slow afterwards.
  links().CutBothWays(1, 2);
  links().CutBothWays(1, 3);
  links().CutBothWays(2, 3);
  links().SetDelay(absl::Milliseconds(15));
  ASSERT_NO_FATAL_FAILURE(HealAfterAWhile());

  Judge(load_->Stop());
}

class ForgetfulDisks : public Story {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime wants to be loaded first, and so does the disk";
#endif
  }

  void KillEverybody(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      ASSERT_NO_FATAL_FAILURE(ExpectProgress(100));
      ASSERT_NO_FATAL_FAILURE(KillAndRestart(cluster_->ids(), kAway));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  }
};

TEST_F(ForgetfulDisks, NothingAcknowledgedIsLostWhenAllLosePower) {
  ASSERT_NO_FATAL_FAILURE(Begin(3, {.disk = ClusterProcess::Disk::kForgetful}));
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(KillEverybody(4));
  Judge(load_->Stop());
}

TEST_F(ForgetfulDisks, NothingAcknowledgedIsLostWhenAFewLosePowerAgainAndAgain) {
  ASSERT_NO_FATAL_FAILURE(
      Begin(3, {.has_link_proxy = true, .disk = ClusterProcess::Disk::kForgetful}));
  load_->Start();
  for (int round = 0; round < 5; ++round) {
    const std::vector<std::uint64_t> victims = Victims();
    const std::uint64_t other = 1 + prng_.Below(3);
    for (const std::uint64_t id : victims) {
      if (id != other) cluster_->links().Cut(other, id);
    }
    ASSERT_NO_FATAL_FAILURE(KillAndRestart(victims, kAway));
    cluster_->links().Heal();
    ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  }
  Judge(load_->Stop());
}

// What is on such a disk is unknown: the node says nothing more, and ends. The others go on without
// it, the leader's office included, and it comes back with what its disk really has.
TEST_F(ForgetfulDisks, ANodeWhoseSyncsFailEndsAndTheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(Begin(3, {.disk = ClusterProcess::Disk::kForgetful}));
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  std::uint64_t leader = 0;
  ASSERT_TRUE(WaitUntil([&] { return (leader = LeaderId()) != 0; }, kSettled));

  for (const std::uint64_t id : {leader % 3 + 1, leader}) {
    cluster_->BreakDisk(id);
    const absl::StatusOr<int> ended = cluster_->AwaitEnd(id);
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(*ended, 70) << cluster_->LogTail(id);
    EXPECT_TRUE(absl::StrContains(cluster_->LogTail(id), "FATAL: the disk failed"))
        << cluster_->LogTail(id);
    ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
    cluster_->MendDisk(id);
    const absl::Status restarted = cluster_->Restart(id);
    ASSERT_TRUE(restarted.ok()) << restarted;
    ASSERT_NO_FATAL_FAILURE(ExpectProgress(50));
  }
  Judge(load_->Stop());
}

// The tests above can fail: on disks that say they have synced and have not, everything is gone. A
// node of which the state was kept sees that its log is not there, and refuses to start.
TEST_F(ForgetfulDisks, ADiskThatLiesIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(Begin(3, {.disk = ClusterProcess::Disk::kLying}));
  load_->Start();
  ASSERT_NO_FATAL_FAILURE(ExpectProgress(200));
  const WorkloadRecord record = load_->Stop();
  ASSERT_EQ(LostLines(record), std::vector<std::string>());

  for (const std::uint64_t id : cluster_->ids()) cluster_->Kill(id);
  Pass(kAway);
  bool is_refused = false;
  for (const std::uint64_t id : cluster_->ids()) {
    const absl::Status restarted = cluster_->Restart(id);
    is_refused = is_refused || absl::StrContains(restarted.message(), "is gone");
  }

  EXPECT_TRUE(is_refused || LostLines(record) != std::vector<std::string>());
}

}  // namespace
}  // namespace coterie::tests
