#include "node/presence_board.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace coterie::node {
namespace {

TEST(PresenceBoard, WhatANodeSaidIsForgottenWhenItHasSaidNothingForAWhile) {
  constexpr std::uint64_t kBegin = 1'000'000'000;
  const Presence editing{.session = SessionId(5), .activity = Activity::kEditing, .doc = DocId(3)};
  PresenceBoard board;
  int changes = 0;
  board.Listen([&] { ++changes; });
  board.Receive(NodeId(2), {.sequence = 1, .present = {editing}}, kBegin);
  board.NotifyIfChanged(kBegin);
  EXPECT_EQ(board.All(), std::vector<Presence>{editing});
  EXPECT_EQ(changes, 1);

  // A repetition is as good as news.
  const std::uint64_t repeated = kBegin + PresenceBoard::kForgetAfterUs - 1;
  board.NotifyIfChanged(repeated);
  board.Receive(NodeId(2), {.sequence = 2, .present = {editing}}, repeated);
  board.NotifyIfChanged(repeated + PresenceBoard::kForgetAfterUs - 1);
  EXPECT_EQ(board.All(), std::vector<Presence>{editing});
  EXPECT_EQ(changes, 1);

  board.NotifyIfChanged(repeated + PresenceBoard::kForgetAfterUs);
  EXPECT_TRUE(board.All().empty());
  EXPECT_EQ(changes, 2);
}

}  // namespace
}  // namespace coterie::node
