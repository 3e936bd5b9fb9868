// Members come and go under load: a node is added, catches up, is promoted, an old one is removed,
// the leader too, and no call of the load fails for it.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/cluster_process.h"
#include "tests/pacing.h"
#include "tests/workload.h"

namespace coterie::tests {
namespace {

class Membership : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(3);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    auto load = Workload::Prepare({.addresses = cluster_->client_addresses()});
    ASSERT_TRUE(load.ok()) << load.status();
    load_ = *std::move(load);
    load_->Start();
  }

  bool WaitForWrites(std::uint64_t count) {
    const std::uint64_t before = load_->acknowledged();
    return WaitUntil([&] { return load_->acknowledged() >= before + count; }, absl::Seconds(20));
  }

  v1::GetStatusResponse Status() {
    const auto status = load_->client().Call(v1::GetStatusRequest{});
    return status.value_or(v1::GetStatusResponse{});
  }

  // Waits for one; 0 and a failure if there is none.
  std::uint64_t LeaderId() {
    std::uint64_t leader = 0;
    EXPECT_TRUE(WaitUntil([&] { return (leader = Status().leader_id()) != 0; }, absl::Seconds(20)));
    return leader;
  }

  // Node id 0 if there is no such node.
  v1::NodeStatus StatusOf(std::uint64_t id) {
    const v1::GetStatusResponse status = Status();
    for (const v1::NodeStatus& node : status.nodes()) {
      if (node.node_id() == id) return node;
    }
    return {};
  }

  void Add(std::uint64_t id) {
    v1::AddNodeRequest request;
    request.set_node_id(id);
    request.set_peer_address(cluster_->peer_address(id));
    request.set_client_address(cluster_->client_address(id));
    const auto added = load_->client().Call(request, {.timeout = absl::Seconds(30)});
    ASSERT_TRUE(added.ok()) << added.status();
  }

  // Refused until the learner has caught up, which is a matter of moments here.
  void Promote(std::uint64_t id) {
    v1::PromoteNodeRequest request;
    request.set_node_id(id);
    absl::Status last;
    const bool promoted = WaitUntil(
        [&] {
          last = load_->client().Call(request, {.timeout = absl::Seconds(10)}).status();
          return last.ok() || StatusOf(id).role() == v1::NODE_ROLE_FOLLOWER;
        },
        absl::Seconds(30));
    ASSERT_TRUE(promoted) << last;
  }

  // Answered at once, also if the client had to ask again.
  void Remove(std::uint64_t id) {
    v1::RemoveNodeRequest request;
    request.set_node_id(id);
    const auto removed = load_->client().Call(request, {.timeout = absl::Seconds(30)});
    ASSERT_TRUE(removed.ok()) << removed.status();
  }

  std::unique_ptr<ClusterProcess> cluster_;
  std::unique_ptr<Workload> load_;
};

TEST_F(Membership, NodeIsReplacedUnderLoad) {
  ASSERT_TRUE(WaitForWrites(200));
  const auto joiner = cluster_->StartJoiner();
  ASSERT_TRUE(joiner.ok()) << joiner.status();
  ASSERT_NO_FATAL_FAILURE(Add(*joiner));
  ASSERT_TRUE(WaitForWrites(100));
  ASSERT_NO_FATAL_FAILURE(Promote(*joiner));
  ASSERT_TRUE(WaitForWrites(100));

  // The leader: the hardest one to be without.
  const std::uint64_t old_leader = LeaderId();
  ASSERT_NE(old_leader, 0u);
  ASSERT_NO_FATAL_FAILURE(Remove(old_leader));
  cluster_->Kill(old_leader);
  ASSERT_TRUE(WaitForWrites(200)) << cluster_->Obituaries();

  // Now two of the three that are left are enough, the new one among them.
  std::uint64_t other = 0;
  for (const std::uint64_t id : cluster_->ids()) {
    if (id != old_leader && id != *joiner) other = id;
  }
  cluster_->Kill(other);
  ASSERT_TRUE(WaitForWrites(200)) << "the new node does not count towards a majority";
  const WorkloadRecord record = load_->Stop();

  EXPECT_EQ(record.unexpected, std::vector<std::string>());
  const Judgement judgement = CheckLinearizable(record.history);
  EXPECT_EQ(judgement.verdict, Verdict::kLinearizable) << judgement.explanation;
  EXPECT_EQ(StatusOf(old_leader).node_id(), 0u);
  EXPECT_NE(StatusOf(*joiner).role(), v1::NODE_ROLE_LEARNER);
}

TEST_F(Membership, LeadershipMovesOnRequest) {
  ASSERT_TRUE(WaitForWrites(100));
  const std::uint64_t leader = LeaderId();
  v1::TransferLeadershipRequest request;
  for (const std::uint64_t id : cluster_->ids()) {
    if (id != leader) request.set_node_id(id);
  }

  const auto moved = load_->client().Call(request, {.timeout = absl::Seconds(10)});

  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->leader_id(), request.node_id());
  ASSERT_TRUE(WaitForWrites(100));
  EXPECT_EQ(load_->Stop().unexpected, std::vector<std::string>());
}

}  // namespace
}  // namespace coterie::tests
