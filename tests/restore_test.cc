// A backup is taken from a real cluster while it is written to, and another one begins with it.

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/cluster_process.h"
#include "tests/pacing.h"
#include "tests/shell.h"

namespace coterie::tests {
namespace {

class Backup : public testing::Test {
 protected:
  void SetUp() override {
    Begin(1, "");
    Ok("coterie login ann && coterie new notes one && coterie append notes ' two'");
    Ok("coterie new secret x && coterie share secret everyone none");
    Ok("coterie lock secret --for 1h");
  }
  // The cluster of that number; "" = with nothing.
  void Begin(std::uint64_t number, const std::string& file) {
    cluster_.reset();
    ClusterProcess::Conditions conditions{.cluster_id = number};
    if (!file.empty()) conditions.restore_from = shell_.folder() + "/" + file;
    auto cluster = ClusterProcess::Start(3, conditions);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    shell_.SetNodes(cluster_->client_addresses());
  }
  void Ok(const std::string& script) { ASSERT_EQ(shell_.Run(script), 0) << shell_.output(); }
  std::string Printed(const std::string& script) {
    EXPECT_EQ(shell_.Run(script), 0) << shell_.output();
    return shell_.output();
  }

  int AsTom(const std::string& script) {
    return shell_.Run("mkdir -p tom && export HOME=./tom && coterie login tom && " + script);
  }

  std::unique_ptr<ClusterProcess> cluster_;
  Shell shell_{COTERIE_PROGRAM};
};

TEST_F(Backup, AnotherClusterGoesOnFromIt) {
  const std::string history = Printed("coterie history notes");
  Ok("coterie backup take all.backup");
  EXPECT_TRUE(shell_.Says("whole; cluster 1 as of revision")) << shell_.output();
  Ok("coterie append notes ' lost'");

  Begin(2, "all.backup");
  EXPECT_NE(shell_.Run("COTERIE_PASSWORD= coterie cat notes"), 0) << "a login of the old cluster";
  Ok("coterie login ann");
  EXPECT_EQ(Printed("coterie cat notes"), "one two\n");
  EXPECT_EQ(Printed("coterie history notes"), history);
  EXPECT_EQ(Printed("coterie locks -q"), "");
  Ok("coterie append notes ' three'");
  EXPECT_GT(std::stoull(shell_.output()), 1'000'000'000u);
  EXPECT_NE(shell_.Run("COTERIE_PASSWORD=wrong coterie login ann"), 0);
  EXPECT_NE(AsTom("coterie cat secret"), 0);

  // Who joins has everything from the others.
  const auto joiner = cluster_->StartJoiner();
  ASSERT_TRUE(joiner.ok()) << joiner.status();
  Ok("coterie cluster add 4 " + cluster_->peer_address(*joiner) + " " +
     cluster_->client_address(*joiner));
  EXPECT_TRUE(WaitUntil(
      [&] {
        return shell_.Run("coterie --nodes " + cluster_->client_address(*joiner) + " cat notes") ==
                   0 &&
               shell_.output() == "one two\n three\n";
      },
      absl::Seconds(20)))
      << shell_.output();

  // And all of it is there after everybody was killed.
  for (const std::uint64_t id : cluster_->ids()) cluster_->Kill(id);
  for (const std::uint64_t id : cluster_->ids()) ASSERT_TRUE(cluster_->Restart(id).ok());
  EXPECT_EQ(Printed("coterie cat notes"), "one two\n three\n");
  EXPECT_EQ(cluster_->Obituaries(), "");
}

TEST_F(Backup, IsForAdministratorsAndHasWhatWasAnsweredBefore) {
  EXPECT_NE(AsTom("coterie backup take toms.backup"), 0);
  EXPECT_TRUE(shell_.Says("Only an administrator")) << shell_.output();
  EXPECT_NE(shell_.Run("ls toms.backup toms.backup.part"), 0);
  for (int round = 1; round <= 5; ++round) {
    Ok("coterie append notes x > last && coterie backup take all.backup --json");
    Ok("coterie backup verify all.backup --json | grep -o '\"revision\":[0-9]*' | cut -d: -f2 > "
       "at; "
       "test $(cat at) -ge $(cat last)");
  }
  Ok("coterie backup take - > piped.backup && coterie backup verify piped.backup");
}

TEST_F(Backup, WhatIsDamagedOrItsOwnBeginsNothing) {
  Ok("coterie backup take all.backup && head -c 5000 all.backup > cut.backup");
  EXPECT_NE(shell_.Run("coterie backup verify cut.backup"), 0);
  EXPECT_TRUE(shell_.Says("is cut off")) << shell_.output();
  for (const auto& [number, file] : {std::pair(2, "cut.backup"), std::pair(1, "all.backup")}) {
    const auto cluster =
        ClusterProcess::Start(1, {.restore_from = shell_.folder() + "/" + file,
                                  .cluster_id = static_cast<std::uint64_t>(number)});
    ASSERT_FALSE(cluster.ok());
    const std::string why(cluster.status().message());
    EXPECT_NE(why.find(number == 1 ? "another --cluster-id" : "is cut off"), std::string::npos)
        << why;
  }
}

}  // namespace
}  // namespace coterie::tests
