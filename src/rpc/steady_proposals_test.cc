#include "rpc/steady_proposals.h"

#include <absl/time/clock.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/check.h"
#include "node/node.h"
#include "rpc/peer_streams.h"
#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

// A node that reaches nobody, so that there is no leader and every try fails.
class SteadyProposalsTest : public testing::Test, private AssistSink {
 protected:
  SteadyProposalsTest() {
    CHECK(mkdtemp(folder_.data()) != nullptr);
    node::Options options{
        .data_path = folder_,
        .id = NodeId(1),
        .cluster_id = 7,
        .founders = {{.id = NodeId(1), .address = "x:1", .client_address = "x:2"},
                     {.id = NodeId(2), .address = "x:3", .client_address = "x:4"},
                     {.id = NodeId(3), .address = "x:5", .client_address = "x:6"}},
        .peer_address = "x:1",
        .client_address = "x:2"};
    node_ = *node::Node::Start(options, peers_);
    gate_ = std::make_unique<Gate>(*node_, rates_);
  }
  ~SteadyProposalsTest() override {
    gate_.reset();
    node_.reset();
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  // How long it takes until a proposal is given up, each try failing at once.
  absl::Duration TimeToFail() {
    const NodeCalls calls(*node_, rates_);
    const Call call{.caller = {.user = "ann"}, .deadline = absl::UnixEpoch()};
    const AssistTask task{
        .call = call, .cancellation = cancellation_, .sink = *this, .gate = *gate_};
    SteadyProposals proposals(calls, task);
    const absl::Time begun = SteadyNow();
    EXPECT_FALSE(proposals.Propose(state::CreateDocument{.name = "notes"}).ok());
    return SteadyNow() - begun;
  }
  // The pauses between three tries make it longer, however fast the machine; a slow one may have to
  // look more than once.
  bool TriesOnce() {
    for (int look = 0; look < 20; ++look) {
      if (TimeToFail() < absl::Milliseconds(400)) return true;
    }
    return false;
  }

  Cancellation cancellation_;
  CallRates rates_{0};
  std::unique_ptr<Gate> gate_;

 private:
  void Put(const v1::AssistEvent& /*event*/) override {}
  void Tell(const v1::AssistEvent& /*waiting*/) override {}

  std::string folder_ = (std::filesystem::temp_directory_path() / "coterie-rpc-XXXXXX").string();
  PeerStreams peers_{7, NodeId(1), grpc::InsecureChannelCredentials()};
  std::unique_ptr<node::Node> node_;
};

TEST_F(SteadyProposalsTest, TryAgainWhileThereIsNoLeader) {
  EXPECT_GE(TimeToFail(), absl::Milliseconds(400));
}

TEST_F(SteadyProposalsTest, AreTriedOnceWhenTheCallerHasGone) {
  cancellation_.Cancel();
  EXPECT_TRUE(TriesOnce());
}

TEST_F(SteadyProposalsTest, AreTriedOnceWhenTheNodeIsStopping) {
  gate_->Close();
  EXPECT_TRUE(TriesOnce());
}

}  // namespace
}  // namespace coterie::rpc
