#include "node/watch.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace coterie::node {
namespace {

const NodeId kOne(1);
const NodeId kTwo(2);
constexpr std::uint64_t kSecondUs = 1'000'000;

// Two voters at a:1 and b:1, of which 1 is this node and leads.
Status Led() {
  Status status{.id = kOne, .leader = kOne, .term = Term(3)};
  status.configuration = {
      .voters = {kOne, kTwo},
      .members = {{.id = kOne, .address = "a:1"}, {.id = kTwo, .address = "b:1"}}};
  status.peers = {{.id = kTwo, .is_reachable = true}};
  return status;
}

class WatchTest : public testing::Test {
 protected:
  // What is said a second later, one line each; a "!" before warnings.
  std::string Look(const Status& status) {
    now_us_ += kSecondUs;
    std::string text;
    for (const Notice& line : watch_.Look(status, now_us_)) {
      absl::StrAppend(&text, line.level == Notice::Level::kWarning ? "!" : "", line.text, "\n");
    }
    return text;
  }

  Watch watch_;
  std::uint64_t now_us_ = kSecondUs;
};

TEST_F(WatchTest, SaysWhoLeadsAndThatNobodyDoes) {
  Status status = Led();
  EXPECT_EQ(Look(status), "this node leads in term 3\n");
  EXPECT_EQ(Look(status), "");
  status.leader = NodeId();
  EXPECT_EQ(Look(status), "");  // An election takes a moment.
  EXPECT_EQ(Look(status),
            "!no leader: a majority of the voters is not reached, or has yet to elect one\n");
  EXPECT_EQ(Look(status), "");
  status.leader = kTwo;
  status.term = Term(4);
  EXPECT_EQ(Look(status), "node 2 (b:1) leads in term 4\n");
}

TEST_F(WatchTest, SaysOnceThatAPeerIsGoneAndThatItIsBack) {
  Status status = Led();
  Look(status);
  status.peers[0].is_reachable = false;
  EXPECT_EQ(Look(status), "");
  EXPECT_EQ(Look(status), "!node 2 (b:1) does not answer\n");
  EXPECT_EQ(Look(status), "");
  status.peers[0].is_reachable = true;
  EXPECT_EQ(Look(status), "node 2 (b:1) answers again\n");
}

TEST_F(WatchTest, SaysWhoComesAndGoes) {
  Status status = Led();
  Look(status);
  status.configuration.learners = {NodeId(3)};
  status.configuration.members.push_back({.id = NodeId(3), .address = "c:1"});
  EXPECT_EQ(Look(status), "node 3 (c:1) is a member now, a learner\n");
  status.configuration.learners = {};
  status.configuration.voters.push_back(NodeId(3));
  EXPECT_EQ(Look(status), "node 3 (c:1) is a voter now\n");
  status.configuration.voters.pop_back();
  status.configuration.members.pop_back();
  EXPECT_EQ(Look(status), "node 3 (c:1) is no member any more\n");
}

TEST_F(WatchTest, SaysThatAnAlarmIsRaisedAndOver) {
  Status status = Led();
  Look(status);
  status.alarms = {"NOSPACE"};
  EXPECT_EQ(Look(status).substr(0, 14), "!alarm NOSPACE");
  EXPECT_EQ(Look(status), "");
  status.alarms = {};
  EXPECT_EQ(Look(status), "alarm NOSPACE is over\n");
}

TEST_F(WatchTest, DoesNotFillTheDisk) {
  Status status = Led();
  std::size_t lines = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    status.term = Term(10 + i);
    lines += watch_.Look(status, kSecondUs + i).size();
  }
  EXPECT_LE(lines, 30u);
  now_us_ += 10 * kSecondUs;
  EXPECT_NE(Look(status).find("were left out"), std::string::npos);
}

}  // namespace
}  // namespace coterie::node
