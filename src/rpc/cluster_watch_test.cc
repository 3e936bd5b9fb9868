// The cluster watched over real sockets, as far as one node can show it.

#include "rpc/cluster_watch.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rpc/testing_node.h"

namespace coterie::rpc {
namespace {

using grpc::StatusCode;

class Watcher {
 public:
  Watcher(const TestingNode& node, const TestingClient& client,
          WatchScope scope = WatchScope::kCluster)
      : stub_(node.channel()) {
    client.Prepare(context_);
    v1::WatchClusterRequest request;
    request.set_local_only(scope == WatchScope::kNode);
    reader_ = stub_.WatchCluster(&context_, request);
  }
  ~Watcher() { context_.TryCancel(); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // None when the stream has ended.
  std::optional<v1::WatchClusterResponse> Next() {
    v1::WatchClusterResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response;
  }
  grpc::Status End() {
    while (Next()) continue;
    return reader_->Finish();
  }

 private:
  v1::ClusterService::Stub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchClusterResponse>> reader_;
};

v1::GetDurabilityRequest DurabilityOf(std::uint64_t doc) {
  v1::GetDurabilityRequest request;
  request.mutable_document()->set_id(doc);
  return request;
}

TEST(WatchCluster, BeginsWithAllThatIsRemembered) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watcher watcher(node, mia);
  const std::optional<v1::WatchClusterResponse> first = watcher.Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->leader_id(), 1U);
  EXPECT_EQ(first->answering_node_id(), 1U);
  ASSERT_EQ(first->nodes_size(), 1);
  EXPECT_EQ(first->nodes(0).status().role(), v1::NODE_ROLE_LEADER);
  EXPECT_TRUE(first->nodes(0).is_voter());
  EXPECT_GT(first->nodes(0).status().applied_index(), 0U);
  ASSERT_GT(first->happenings_size(), 0);  // Its own election.
  EXPECT_EQ(first->happenings().rbegin()->office().role(), v1::NODE_ROLE_LEADER);

  Watcher later(node, mia);
  EXPECT_EQ(later.Next()->happenings_size(), first->happenings_size());
}

TEST(WatchCluster, ShowsChangesSoonAndWhatIsThereOnceASecond) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watcher watcher(node, mia);
  const std::uint64_t before = watcher.Next()->nodes(0).status().applied_index();
  const std::uint64_t doc = mia.Create("seen");
  std::optional<v1::WatchClusterResponse> news = watcher.Next();
  while (news && news->nodes(0).status().applied_index() < doc) news = watcher.Next();
  ASSERT_TRUE(news.has_value());
  EXPECT_GT(doc, before);
  EXPECT_EQ(news->happenings_size(), 0);

  // Nothing happens, and it is said all the same.
  const absl::Time begun = absl::Now();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(watcher.Next().has_value());
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
}

TEST(WatchCluster, SaysHowFastTheNodeWorks) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watcher watcher(node, mia);
  std::optional<v1::WatchClusterResponse> news = watcher.Next();
  while (news && news->nodes(0).pace().calls_per_second() == 0) {
    mia.Create(std::string("d") + std::to_string(absl::ToUnixNanos(absl::Now())));
    news = watcher.Next();
  }
  ASSERT_TRUE(news.has_value());
  EXPECT_TRUE(news->nodes(0).pace().has_append_median_ms());
}

TEST(WatchCluster, IsForWhoIsLoggedInAndAsLongAsThat) {
  TestingNode node;
  TestingClient stranger(node);
  EXPECT_EQ(Watcher(node, stranger).End().error_code(), StatusCode::UNAUTHENTICATED);

  TestingClient mia(node, "mia");
  Watcher watcher(node, mia);
  ASSERT_TRUE(watcher.Next().has_value());
  mia.Call(&v1::AuthService::Stub::Logout, v1::LogoutRequest());
  ASSERT_TRUE(mia.status.ok());
  EXPECT_EQ(watcher.End().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(WatchCluster, ASessionHasAFewOfEachScope) {
  TestingNode node;
  TestingClient mia(node, "mia");
  std::vector<std::unique_ptr<Watcher>> open;
  for (std::size_t i = 0; i < ClusterWatch::kFeedsPerSessionMax; ++i) {
    open.push_back(std::make_unique<Watcher>(node, mia));
    ASSERT_TRUE(open.back()->Next().has_value());
  }
  EXPECT_EQ(Watcher(node, mia).End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  Watcher of_another_node(node, mia, WatchScope::kNode);
  EXPECT_TRUE(of_another_node.Next().has_value());

  // Who goes makes room.
  open.pop_back();
  std::unique_ptr<Watcher> again;
  do {
    again = std::make_unique<Watcher>(node, mia);
  } while (!again->Next().has_value());
}

TEST(WatchCluster, AStoppingNodeEndsIt) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watcher watcher(node, mia);
  ASSERT_TRUE(watcher.Next().has_value());
  node.StopServer();
  EXPECT_EQ(watcher.End().error_code(), StatusCode::UNAVAILABLE);
}

TEST(GetDurability, CountsWhoHasTheNewestVersion) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("kept");
  const std::uint64_t revision = mia.Append(doc, "text");
  const v1::GetDurabilityResponse kept =
      mia.Call(&v1::ClusterService::Stub::GetDurability, DurabilityOf(doc));
  ASSERT_TRUE(mia.status.ok()) << mia.status.error_message();
  EXPECT_EQ(kept.revision(), revision);
  EXPECT_GT(kept.term(), 0U);
  EXPECT_EQ(kept.voter_ids_size(), 1);
  EXPECT_EQ(kept.holder_ids_size(), 1);
}

TEST(GetDurability, SaysNothingOfWhatOneMayNotSee) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient tom(node, "tom");
  v1::CreateDocumentRequest create;
  create.set_name("hers");
  create.set_everyone(v1::ROLE_NONE);
  const std::uint64_t doc =
      mia.Call(&v1::DocumentService::Stub::CreateDocument, create).document_id();
  mia.Call(&v1::ClusterService::Stub::GetDurability, DurabilityOf(doc));
  EXPECT_TRUE(mia.status.ok());
  tom.Call(&v1::ClusterService::Stub::GetDurability, DurabilityOf(doc));
  EXPECT_EQ(tom.status.error_code(), StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace coterie::rpc
