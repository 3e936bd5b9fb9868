// One founder is told that it is alone, the others that it is one of them. Each side has a majority
// of those that it knows, and acknowledges. Nothing of it may be lost to the other side.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/cluster_process.h"
#include "tests/pacing.h"
#include "tests/shell.h"

namespace coterie::tests {
namespace {

constexpr std::uint64_t kAlone = 1;

class Founding : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = ClusterProcess::Start(3, {.told_only_itself = kAlone});
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    shell_.SetNodes(cluster_->client_addresses());
  }
  // A command at that node, with what was logged in to there.
  int At(std::uint64_t id, const std::string& command) {
    const std::string home = "./home" + std::to_string(id);
    return shell_.Run("mkdir -p " + home + " && export HOME=" + home + " && coterie --nodes " +
                      cluster_->client_address(id) + " " + command);
  }
  // By whichever of the two leads: the other has nothing to send.
  bool IsLogged(const std::string& text) {
    const auto has = [&](std::uint64_t id) {
      return cluster_->LogTail(id).find(text) != std::string::npos;
    };
    return WaitUntil([&] { return has(2) || has(3); }, absl::Seconds(20));
  }

  std::unique_ptr<ClusterProcess> cluster_;
  Shell shell_{COTERIE_PROGRAM};
};

TEST_F(Founding, WhatEachSideAcknowledgedStaysThere) {
  ASSERT_EQ(At(kAlone, "login ann"), 0) << shell_.output();
  ASSERT_EQ(At(kAlone, "new alone 'of one'"), 0) << shell_.output();
  ASSERT_EQ(At(2, "login ben"), 0) << shell_.output();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(At(2, "new both" + std::to_string(i) + " 'of two'"), 0) << shell_.output();
  }

  EXPECT_TRUE(IsLogged("began with other founders"))
      << cluster_->LogTail(2) << cluster_->LogTail(3);
  // Whatever either would have done to the other when it comes back.
  cluster_->Kill(kAlone);
  ASSERT_TRUE(cluster_->Restart(kAlone).ok());
  EXPECT_EQ(At(kAlone, "append alone ' and more'"), 0) << shell_.output();
  EXPECT_EQ(At(2, "append both0 ' and more'"), 0) << shell_.output();

  EXPECT_EQ(At(kAlone, "cat alone"), 0);
  EXPECT_EQ(shell_.output(), "of one and more\n");
  EXPECT_EQ(At(2, "cat both0"), 0);
  EXPECT_EQ(shell_.output(), "of two and more\n");
  EXPECT_EQ(cluster_->Obituaries(), "");
}

}  // namespace
}  // namespace coterie::tests
