// What a node takes from another one: nothing of another cluster, and nothing of a program that
// would come to another state.

#include "rpc/peer_service.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "node/identity.h"
#include "node/peer_codec.h"
#include "rpc/testing_node.h"
#include "rpc/testing_trio.h"
#include "state/command.h"

namespace coterie::rpc {
namespace {

constexpr std::uint64_t kOurs = 7;  // TestingNode's.
constexpr std::uint64_t kTheirs = 8;

class PeerServiceTest : public testing::Test {
 protected:
  // Another node's control stream.
  class Stream {
   public:
    Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& cluster_id,
           const std::string& rules, const std::string& founding)
        : stub_(channel) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
      context_.AddMetadata("coterie-cluster-id", cluster_id);
      context_.AddMetadata("coterie-rules", rules);
      if (!founding.empty()) context_.AddMetadata("coterie-founding", founding);
      writer_ = stub_.Control(&context_, &response_);
    }
    void Send(const std::string& frame) {
      internal::v1::ControlRequest request;
      request.add_frames(frame);
      writer_->Write(request);
    }
    grpc::Status End() {
      writer_->WritesDone();
      return writer_->Finish();
    }

   private:
    internal::v1::PeerService::Stub stub_;
    grpc::ClientContext context_;
    internal::v1::ControlResponse response_;
    std::unique_ptr<grpc::ClientWriter<internal::v1::ControlRequest>> writer_;
  };
  Stream Connect(std::uint64_t cluster_id, std::uint64_t rules, const std::string& founding = "") {
    return Stream(channel_, std::to_string(cluster_id), std::to_string(rules), founding);
  }
  // Another node asks on mia's behalf that a document be made.
  std::string Frame(std::uint64_t cluster_id, const std::string& name) {
    return node::EncodePeerMessage(
        {.cluster_id = cluster_id,
         .from = NodeId(2),
         .newest = node::kPeerVersionNewest,
         .body = node::ForwardedProposal{.waiter = 5,
                                         .command = Blob(state::EncodeCommand(
                                             {.session = session_,
                                              .body = state::CreateDocument{.name = name}}))}},
        node::kPeerVersionNewest);
  }
  bool IsThere(const std::string& name) {
    v1::GetDocumentRequest request;
    request.mutable_document()->set_name(name);
    mia_.Call(&v1::DocumentService::Stub::GetDocument, request);
    return mia_.status.ok();
  }

  TestingNode node_;
  const std::shared_ptr<grpc::Channel> channel_ = grpc::CreateChannel(
      absl::StrCat("127.0.0.1:", node_.server().peer_port()), grpc::InsecureChannelCredentials());
  TestingClient mia_{node_, "mia"};
  SessionId session_ = mia_.Session();
};

TEST_F(PeerServiceTest, WhoIsOfAnotherClusterIsSentAway) {
  Stream other = Connect(kTheirs, node::kRulesVersion);
  other.Send(Frame(kOurs, "theirs"));
  EXPECT_EQ(other.End().error_code(), grpc::StatusCode::PERMISSION_DENIED);

  internal::v1::FetchSnapshotRequest request;
  request.set_cluster_id(kTheirs);
  internal::v1::PeerService::Stub stub(channel_);
  grpc::ClientContext context;
  EXPECT_EQ(stub.FetchSnapshot(&context, request)->Finish().error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(PeerServiceTest, WhoMakesSomethingElseOfTheLogIsSentAway) {
  for (const std::uint64_t rules : {node::kRulesVersion - 1, node::kRulesVersion + 1}) {
    Stream other = Connect(kOurs, rules);
    EXPECT_EQ(other.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
}

// Each might have acknowledged what the other one does not have.
TEST_F(PeerServiceTest, WhoBeganWithOthersIsSentAway) {
  const std::uint32_t ours = node_.node().founding();
  ASSERT_NE(ours, 0U);
  Stream other = Connect(kOurs, node::kRulesVersion, std::to_string(ours + 1));
  other.Send(Frame(kOurs, "theirs"));
  const grpc::Status end = other.End();
  EXPECT_EQ(end.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(end.error_message().find("--founder"), std::string::npos);
  EXPECT_FALSE(IsThere("theirs"));

  Stream alike = Connect(kOurs, node::kRulesVersion, std::to_string(ours));
  alike.Send(Frame(kOurs, "ours"));
  EXPECT_TRUE(Becomes([&] { return IsThere("ours"); }));
  EXPECT_TRUE(alike.End().ok());
}

// However it came here: addresses are given anew.
TEST_F(PeerServiceTest, AFrameOfAnotherClusterIsDropped) {
  Stream alike = Connect(kOurs, node::kRulesVersion);
  alike.Send(Frame(kTheirs, "theirs"));
  alike.Send(Frame(kOurs, "ours"));

  EXPECT_TRUE(Becomes([&] { return IsThere("ours"); }));
  EXPECT_FALSE(IsThere("theirs"));
  EXPECT_EQ(node_.node().counters().frames_dropped.Get(), 1);
  EXPECT_TRUE(alike.End().ok());
}

}  // namespace
}  // namespace coterie::rpc
