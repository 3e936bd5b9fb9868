#include "node/repair.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

#include "raft/configuration.h"

namespace coterie::node {
namespace {

raft::Configuration Voters(std::uint64_t count) {
  raft::Configuration configuration;
  for (std::uint64_t id = 1; id <= count; ++id) {
    configuration.voters.push_back(NodeId(id));
    configuration.members.push_back({.id = NodeId(id)});
  }
  return configuration;
}

raft::EntryRef Command(std::uint64_t index, std::uint64_t term) {
  return {.term = Term(term),
          .index = Index(index),
          .type = raft::EntryType::kCommand,
          .payload = Blob("command")};
}

raft::EntryRef Members(std::uint64_t index, std::uint64_t term,
                       const raft::Configuration& members) {
  return {.term = Term(term),
          .index = Index(index),
          .type = raft::EntryType::kConfiguration,
          .payload = Blob(raft::EncodeConfiguration(members))};
}

// A log of three founders with entries up to 2, a hole, and from `tail_first` on a tail whose entry
// 7 says that there is a fourth.
wal::Recovered WithHole(std::uint64_t tail_first) {
  wal::Recovered recovered;
  recovered.hard_state.term = Term(3);
  recovered.snapshot.configuration = Voters(3);
  recovered.entries = {Command(1, 1), Command(2, 1)};
  recovered.damage = {{.first = Index(3), .what = "a record that was synced is damaged"}};
  for (std::uint64_t index = tail_first; index <= 8; ++index) {
    recovered.tail.push_back(index == 7 ? Members(7, 3, Voters(4)) : Command(index, 3));
  }
  recovered.last_known = {.term = Term(3), .index = Index(8)};
  return recovered;
}

TEST(RepairTest, AWholeLogThatFitsItsStateIsLeftAlone) {
  wal::Recovered recovered;
  recovered.entries = {Command(1, 1), Command(2, 1)};
  EXPECT_FALSE(Repair(recovered, {.term = Term(1), .index = Index(2)}));
}

TEST(RepairTest, TheStateBridgesTheHole) {
  const std::optional<Repaired> repaired =
      Repair(WithHole(5), {.term = Term(2), .index = Index(5)});
  ASSERT_TRUE(repaired);
  EXPECT_EQ(repaired->mark.last, (raft::LogPosition{.term = Term(2), .index = Index(5)}));
  ASSERT_EQ(repaired->entries.size(), 3);
  EXPECT_EQ(repaired->entries.front().index, Index(6));
  // The fourth may never be committed: it stays an entry, which can be taken back.
  EXPECT_EQ(repaired->mark.configuration, Voters(3));
  EXPECT_EQ(repaired->hard_state.promised, raft::LogPosition());
}

TEST(RepairTest, WhatNobodyCommittedIsNoMembership) {
  // The tail joins to nothing and is dropped; what it said of members goes with it.
  const std::optional<Repaired> behind = Repair(WithHole(5), {.term = Term(1), .index = Index(1)});
  ASSERT_TRUE(behind);
  EXPECT_EQ(behind->entries.size(), 2);
  EXPECT_EQ(behind->mark.configuration, Voters(3));
  EXPECT_EQ(behind->hard_state.promised, (raft::LogPosition{.term = Term(3), .index = Index(8)}));

  // Nor when state and log are both gone, but for the tail.
  wal::Recovered recovered = WithHole(5);
  recovered.snapshot.last = {.term = Term(1), .index = Index(4)};
  recovered.entries.clear();
  const std::optional<Repaired> lost = Repair(recovered, {});
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->entries.empty());
  EXPECT_EQ(lost->mark.last, raft::LogPosition());
  EXPECT_EQ(lost->mark.configuration, Voters(3));
  EXPECT_EQ(lost->hard_state.promised, (raft::LogPosition{.term = Term(3), .index = Index(8)}));
}

TEST(RepairTest, TheMembersThatWereAppliedComeFromTheState) {
  const std::optional<Repaired> repaired =
      Repair(WithHole(8), {.term = Term(3),
                           .index = Index(7),
                           .configuration = raft::EncodeConfiguration(Voters(4)),
                           .configuration_index = Index(7)});
  ASSERT_TRUE(repaired);
  EXPECT_EQ(repaired->mark.configuration, Voters(4));
  ASSERT_EQ(repaired->entries.size(), 1);
}

}  // namespace
}  // namespace coterie::node
