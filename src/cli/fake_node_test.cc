// The program against nodes that fail in scripted ways: what it sends to whom, and what it keeps.

#include "client/fake_node.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/credentials_file.h"
#include "cli/test_cli.h"

namespace coterie::cli {
namespace {

using client::FakeCluster;
using client::FakeNode;
using Kind = client::Failure::Kind;

class CliOfFakeNodes : public CliTest {
 protected:
  void LogIn(const FakeNode& node) {
    setenv("COTERIE_PASSWORD", "secret", 1);
    EXPECT_EQ(Do({"login", "mia", "--nodes", node.address()}), ExitCode::kOk) << err_;
    unsetenv("COTERIE_PASSWORD");
  }
  // `nodes` are what the cluster says that it consists of.
  static void Announce(FakeCluster& cluster, const std::vector<const FakeNode*>& nodes) {
    absl::MutexLock lock(&cluster.mutex);
    cluster.members.clear();
    for (const FakeNode* node : nodes) {
      v1::NodeStatus member;
      member.set_node_id(cluster.members.size() + 1);
      member.set_client_address(node->address());
      cluster.members.push_back(member);
    }
  }
};

TEST_F(CliOfFakeNodes, AFileWithoutACertificateDoesNotTurnTlsOff) {
  FakeCluster cluster;
  FakeNode node(cluster);
  LogIn(node);
  std::ofstream(path("empty.pem")).flush();
  EXPECT_EQ(Do({"docs", "--ca", path("empty.pem")}), ExitCode::kUsage) << err_;
  EXPECT_EQ(node.calls(), 0);
  EXPECT_NE(err_.find("--ca"), std::string::npos) << err_;
  setenv("COTERIE_CA", path("empty.pem").c_str(), 1);
  EXPECT_EQ(Do({"docs"}), ExitCode::kUsage) << err_;
  EXPECT_NE(err_.find("COTERIE_CA"), std::string::npos) << err_;
  unsetenv("COTERIE_CA");
  EXPECT_EQ(node.calls(), 0);
  EXPECT_EQ(Do({"docs"}), ExitCode::kOk) << err_;
}

TEST_F(CliOfFakeNodes, ASessionsTokenGoesToItsClusterOnly) {
  FakeCluster ours;
  FakeCluster others;
  FakeNode node(ours);
  FakeNode other(others);
  LogIn(node);

  EXPECT_EQ(Do({"docs", "--nodes", other.address()}), ExitCode::kDenied) << err_;
  EXPECT_EQ(other.last_token(), "");
  EXPECT_NE(err_.find(node.address()), std::string::npos) << err_;
  EXPECT_NE(err_.find("coterie login mia --nodes " + other.address()), std::string::npos) << err_;

  LogIn(other);
  EXPECT_EQ(Do({"docs", "--nodes", node.address()}), ExitCode::kOk) << err_;
  EXPECT_EQ(Do({"docs", "--nodes", other.address()}), ExitCode::kOk) << err_;
  EXPECT_EQ(other.calls(), 1);
  EXPECT_EQ(Do({"docs"}), ExitCode::kOk) << "at the one of the last login: " << err_;
  EXPECT_EQ(other.calls(), 2);
}

TEST_F(CliOfFakeNodes, ALoginAnewTakesThePlaceOfTheOld) {
  FakeCluster cluster;
  FakeNode node(cluster);
  LogIn(node);
  LogIn(node);
  const auto file = CredentialsFile::Load(path("credentials.json"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->sessions.size(), 1u);
}

TEST_F(CliOfFakeNodes, ASessionThatBeganOverTlsIsNotUsedWithout) {
  FakeCluster cluster;
  FakeNode node(cluster);
  LogIn(node);
  auto file = CredentialsFile::Load(path("credentials.json"));
  ASSERT_TRUE(file.ok()) << file.status();
  file->sessions.front().is_tls = true;
  ASSERT_TRUE(file->Save(path("credentials.json")).ok());

  setenv("COTERIE_PASSWORD", "secret", 1);
  EXPECT_EQ(Do({"docs"}), ExitCode::kDenied) << err_;
  EXPECT_EQ(Do({"docs", "--nodes", node.address()}), ExitCode::kDenied) << err_;
  EXPECT_NE(err_.find("--ca"), std::string::npos) << err_;
  EXPECT_EQ(Do({"logout"}), ExitCode::kDenied) << err_;
  EXPECT_EQ(node.calls(), 0);
  EXPECT_EQ(Do({"login", "mia", "--nodes", node.address()}), ExitCode::kOk) << "if told to";
}

TEST_F(CliOfFakeNodes, TheMembersThatItLearnsAreKept) {
  FakeCluster cluster;
  auto first = std::make_unique<FakeNode>(cluster);
  FakeNode second(cluster);
  Announce(cluster, {first.get()});
  LogIn(*first);
  Announce(cluster, {first.get(), &second});
  auto file = CredentialsFile::Load(path("credentials.json"));
  ASSERT_TRUE(file.ok()) << file.status();
  file->sessions.front().asked_at_ms = 0;  // Long ago.
  ASSERT_TRUE(file->Save(path("credentials.json")).ok());
  ASSERT_EQ(Do({"docs"}), ExitCode::kOk) << err_;

  first->Kill();
  EXPECT_EQ(Do({"docs"}), ExitCode::kOk) << err_;
  EXPECT_EQ(second.last_token(), "Bearer token-of-mia");
}

TEST_F(CliOfFakeNodes, WaitingForALockGoesOnWhenTheNodesDoNot) {
  FakeCluster cluster;
  FakeNode node(cluster);
  LogIn(node);
  node.Fail({Kind::kLocked});
  node.Fail({Kind::kUnavailable}, 12);
  EXPECT_EQ(Do({"lock", "notes", "--wait", "30s", "--timeout", "300ms"}), ExitCode::kOk) << err_;
  EXPECT_NE(err_.find("waiting for mia"), std::string::npos) << err_;

  node.Fail({Kind::kUnavailable}, 1000);
  EXPECT_EQ(Do({"lock", "notes", "--timeout", "300ms"}), ExitCode::kUnavailable) << err_;
}

TEST_F(CliOfFakeNodes, PagesThatDoNotEndAreAnError) {
  FakeCluster cluster;
  FakeNode node(cluster);
  LogIn(node);
  {
    absl::MutexLock lock(&cluster.mutex);
    cluster.endless_pages = 100;
  }
  EXPECT_EQ(Do({"docs"}), ExitCode::kOther) << err_;
  EXPECT_EQ(node.calls(), 2);
  EXPECT_EQ(Do({"watch", "--all", "-n", "1", "--unseen"}), ExitCode::kOther) << err_;
}

}  // namespace
}  // namespace coterie::cli
