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

}  // namespace
}  // namespace coterie::cli
