// Random schedules of everything that may happen to a cluster, from a seed, with the promises of
// Raft checked after each step (testing/cluster.cc). Afterwards everything heals and the cluster
// must come to rest.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "raft/testing/cluster.h"

namespace coterie::raft::testing {
namespace {

struct Mix {
  std::uint64_t crash = 4;
  std::uint64_t drop = 30;
  std::uint64_t duplicate = 15;
  std::uint64_t snapshot = 10;
  std::uint64_t change = 5;
  std::uint64_t transfer = 3;
  std::uint64_t cut = 4;
  std::uint64_t wipe = 0;    // Of a minority, once the members know each other's disks.
  std::uint64_t damage = 0;  // Of one disk, while all others are whole.
};

class Schedule {
 public:
  Schedule(std::uint64_t seed, std::size_t voters, std::size_t servers, Mix mix)
      : prng_(seed), cluster_(voters, servers, seed ^ 0x5eed), mix_(mix), servers_(servers) {}

  void Run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) Step();
    Heal();
  }
  Cluster& cluster() { return cluster_; }

 private:
  NodeId Any() { return NodeId(prng_.Between(1, servers_)); }

  void Step() {
    const NodeId id = Any();
    const std::uint64_t dice = prng_.Below(1000);
    if (dice < mix_.crash) {
      cluster_.Crash(id);
    } else if (dice < mix_.crash + mix_.wipe) {
      Wipe(id);
    } else if (dice < mix_.crash + mix_.wipe + mix_.damage) {
      Damage(id);
    } else if (dice < 20 || !cluster_.IsUp(id)) {
      cluster_.Restart(id);
    } else if (dice < 20 + mix_.cut) {
      cluster_.cuts.insert({id, Any()});
    } else if (dice < 32) {
      cluster_.cuts.clear();
    } else if (dice < 32 + mix_.transfer) {
      cluster_.core(id).Transfer(prng_.Chance(1, 2) ? NodeId() : Any());
      cluster_.Drain(id);
    } else if (dice < 50 + mix_.change) {
      Change(id);
    } else if (dice < 70 + mix_.snapshot) {
      cluster_.TakeSnapshot(id);
    } else if (dice < 130) {
      // Sizes such that an append holds one to six of them.
      cluster_.Propose(
          id, "p" + std::to_string(next_payload_++) + std::string(prng_.Below(4) * 50, '.'));
    } else if (dice < 160) {
      cluster_.Read(id);
    } else if (dice < 300) {
      cluster_.Tick(id);
    } else if (dice < 450) {
      cluster_.CompleteAppend(id);
    } else if (dice < 550) {
      cluster_.CompleteApply(id);
    } else if (dice < 570) {
      cluster_.CompleteSend(id, prng_.Chance(3, 4));
    } else if (dice < 575) {
      cluster_.CompleteTransfer(id, prng_.Chance(1, 2));
    } else if (dice < 590) {
      cluster_.CompleteInstall(id, prng_.Chance(3, 4));
    } else if (!cluster_.network().empty()) {
      Network();
    }
  }

  // A disk is replaced, and the node comes up under its old id: it must not count for what its old
  // disk promised (dragonboat #256). The operator removes it.
  void Wipe(NodeId id) {
    const NodeId leader = cluster_.Leader();
    if (leader.IsNone() || leader == id || !wiped_.IsNone()) return;
    for (const NodeId other : cluster_.ids()) {
      if (!KnowsEverybody(cluster_.server(other).disk)) return;
    }
    wiped_ = id;
    cluster_.Wipe(id);
    cluster_.Restart(id);
  }

  // A majority of good copies of everything that is committed remains.
  void Damage(NodeId id) {
    for (const NodeId other : cluster_.ids()) {
      const Disk& disk = cluster_.server(other).disk;
      const bool is_whole = disk.hard_state.promised == LogPosition();
      if (!is_whole || disk.snapshot.index + disk.entries.size() < cluster_.HighestCommit()) return;
    }
    cluster_.Damage(id);
  }

  // Whether the members' incarnations are on this disk.
  static bool KnowsEverybody(const Disk& disk) {
    Configuration newest = disk.snapshot_configuration;
    for (const EntryRef& entry : disk.entries) {
      if (entry.type != EntryType::kConfiguration) continue;
      newest = *DecodeConfiguration(entry.payload.view());
    }
    return std::ranges::none_of(newest.members,
                                [](const Member& member) { return member.incarnation.IsNone(); });
  }

  void Network() {
    const std::size_t position = prng_.Below(cluster_.network().size());
    const std::uint64_t dice = prng_.Below(1000);
    if (dice < mix_.drop || cluster_.network().size() > 500) {
      cluster_.network().erase(cluster_.network().begin() + static_cast<std::ptrdiff_t>(position));
      return;
    }
    if (dice < mix_.drop + mix_.duplicate) {
      cluster_.network().push_back(Message(cluster_.network()[position]));
    }
    cluster_.Deliver(position);
  }

  void Change(NodeId id) {
    if (mix_.damage > 0) return;  // With two voters no minority may be damaged.
    MembershipChange change;
    const NodeId subject = Any();
    const Configuration& now = cluster_.core(id).configuration();
    switch (prng_.Below(4)) {
      case 0:
        change.add_learners.push_back(
            {.id = subject, .incarnation = cluster_.server(subject).incarnation});
        break;
      case 1:
        change.promote.push_back(subject);
        break;
      case 2:
        change.demote.push_back(subject);
        break;
      default:
        change.remove.push_back(subject);
        break;
    }
    if (now.voters.size() < 3 && (!change.demote.empty() || !change.remove.empty())) return;
    cluster_.core(id).Reconfigure(change);
    cluster_.Drain(id);
  }

  void Heal() {
    cluster_.cuts.clear();
    for (const NodeId id : cluster_.ids()) cluster_.Restart(id);
    ASSERT_TRUE(cluster_.Settle());
    // A leader that is handing over takes nothing until it has, or has given up.
    bool is_proposed = false;
    for (int round = 0; round < 50 && !is_proposed; ++round) {
      ASSERT_TRUE(cluster_.Settle());
      is_proposed = cluster_.Propose(cluster_.Leader(), "last");
    }
    ASSERT_TRUE(is_proposed);
    ASSERT_TRUE(cluster_.Settle());
  }

  Prng prng_;
  Cluster cluster_;
  Mix mix_;
  std::size_t servers_;
  std::uint64_t next_payload_ = 0;
  NodeId wiped_;
};

std::uint64_t Seeds() {
  const char* seeds = std::getenv("COTERIE_SEEDS");
  return seeds == nullptr ? 60 : std::strtoull(seeds, nullptr, 10);
}

void RunAll(std::size_t voters, std::size_t servers, Mix mix, std::uint64_t base) {
  std::uint64_t commits = 0;
  std::uint64_t leaders = 0;
  std::uint64_t reads = 0;
  std::uint64_t installs = 0;
  for (std::uint64_t seed = base; seed < base + Seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    Schedule schedule(seed, voters, servers, mix);
    schedule.Run(6000);
    if (::testing::Test::HasFatalFailure()) return;
    commits += schedule.cluster().HighestCommit().value();
    leaders += schedule.cluster().leaders_elected;
    reads += schedule.cluster().reads_answered;
    installs += schedule.cluster().snapshots_installed;
  }
  // A schedule that makes nothing happen shows nothing.
  EXPECT_GT(commits, 10 * Seeds());
  EXPECT_GT(leaders, Seeds());
  EXPECT_GT(reads, 5 * Seeds());
  std::printf("%llu commits, %llu leaders, %llu reads, %llu snapshots installed\n",
              static_cast<unsigned long long>(commits), static_cast<unsigned long long>(leaders),
              static_cast<unsigned long long>(reads), static_cast<unsigned long long>(installs));
}

TEST(RandomSchedules, OneServer) { RunAll(1, 1, {.drop = 0, .change = 0, .cut = 0}, 100'000); }
TEST(RandomSchedules, ThreeServers) { RunAll(3, 3, {}, 200'000); }
TEST(RandomSchedules, FiveServers) { RunAll(5, 5, {.change = 0}, 300'000); }
TEST(RandomSchedules, MembershipChanges) { RunAll(3, 6, {.snapshot = 20, .change = 20}, 400'000); }
TEST(RandomSchedules, ManyCrashes) { RunAll(3, 3, {.crash = 15, .snapshot = 40}, 500'000); }
TEST(RandomSchedules, BadNetwork) {
  RunAll(5, 5, {.drop = 300, .duplicate = 200, .cut = 10}, 600'000);
}
TEST(RandomSchedules, WipedServers) {
  RunAll(3, 3, {.crash = 2, .drop = 5, .change = 0, .cut = 1, .wipe = 100}, 700'000);
}

TEST(RandomSchedules, DamagedDisks) {
  RunAll(3, 3, {.crash = 3, .drop = 10, .change = 0, .cut = 2, .damage = 12}, 800'000);
  RunAll(5, 5, {.crash = 3, .drop = 10, .change = 0, .cut = 2, .damage = 12}, 900'000);
}

}  // namespace
}  // namespace coterie::raft::testing
