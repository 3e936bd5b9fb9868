#include "node/change_check.h"

#include <gtest/gtest.h>

#include <string>

namespace coterie::node {
namespace {

raft::Member At(std::uint64_t id, const std::string& host) {
  return {.id = NodeId(id), .address = host + ":2", .client_address = host + ":1"};
}

raft::Configuration OneVoterAndALearner() {
  return {.voters = {NodeId(1)}, .learners = {NodeId(2)}, .members = {At(1, "a"), At(2, "b")}};
}

// What the refusal says; empty = it is none.
std::string Why(const raft::MembershipChange& change) {
  return std::string(CheckChange(OneVoterAndALearner(), change).message());
}

TEST(ChangeCheck, SaysNothingOfWhatIsPossible) {
  EXPECT_EQ(Why({.add_learners = {At(3, "c")}}), "");
  EXPECT_EQ(Why({.promote = {NodeId(2)}}), "");
  EXPECT_EQ(Why({.remove = {NodeId(2)}}), "");
}

TEST(ChangeCheck, TwoMembersDoNotShareAnAddress) {
  raft::Member other = At(3, "c");
  other.address = "a:2";
  EXPECT_NE(Why({.add_learners = {other}}).find("a:2 is that of node 1"), std::string::npos);
  other = At(3, "c");
  other.client_address = "b:1";
  EXPECT_NE(Why({.add_learners = {other}}).find("b:1 is that of node 2"), std::string::npos);
}

TEST(ChangeCheck, AnIdIsGivenOnce) {
  EXPECT_NE(Why({.add_learners = {At(2, "c")}}).find("member already, at b:2"), std::string::npos);
}

TEST(ChangeCheck, NamesWhoIsNoMember) {
  EXPECT_NE(Why({.promote = {NodeId(9)}}).find("node 9 is no member"), std::string::npos);
  EXPECT_NE(Why({.remove = {NodeId(9)}}).find("node 9 is no member"), std::string::npos);
}

TEST(ChangeCheck, TheOnlyVoterStays) {
  EXPECT_NE(Why({.remove = {NodeId(1)}}).find("only voter"), std::string::npos);
}

TEST(ChangeCheck, ThereAreSevenVotersAtMost) {
  raft::Configuration present;
  for (std::uint64_t id = 1; id <= 8; ++id) {
    present.members.push_back(At(id, "h" + std::to_string(id)));
    (id <= 7 ? present.voters : present.learners).push_back(NodeId(id));
  }
  const absl::Status status = CheckChange(present, {.promote = {NodeId(8)}});
  EXPECT_NE(status.message().find("at most 7 voters"), std::string::npos) << status;
}

}  // namespace
}  // namespace coterie::node
