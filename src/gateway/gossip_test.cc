#include "gateway/gossip.h"

#include <gtest/gtest.h>

#include "node/peer_codec.h"

namespace coterie::gateway {
namespace {

RoomGossip Of(std::size_t states, const std::string& state) {
  RoomGossip gossip{.doc = DocId(9)};
  for (std::uint64_t i = 1; i <= states; ++i) {
    gossip.entries.push_back({.session = SessionId(i),
                              .entry = {.client = crdt::Client(i), .clock = i, .state = state}});
  }
  return gossip;
}

TEST(Gossip, ComesAsItWasSent) {
  const std::vector<std::string> pieces = EncodeGossip(Of(2, "{}"));
  ASSERT_EQ(pieces.size(), 1u);

  RoomGossip gossip;
  ASSERT_TRUE(DecodeGossip(pieces[0], gossip));
  EXPECT_EQ(gossip.doc, DocId(9));
  ASSERT_EQ(gossip.entries.size(), 2u);
  EXPECT_EQ(gossip.entries[1].session, SessionId(2));
  EXPECT_EQ(gossip.entries[1].entry.state, "{}");
}

TEST(Gossip, ComesInPiecesThatFitAFrame) {
  const std::vector<std::string> pieces = EncodeGossip(Of(100, std::string(16 << 10, 'x')));
  EXPECT_GT(pieces.size(), 1u);
  std::size_t states = 0;
  for (const std::string& piece : pieces) {
    EXPECT_LE(piece.size(), node::kGossipBytesMax);
    RoomGossip gossip;
    ASSERT_TRUE(DecodeGossip(piece, gossip));
    states += gossip.entries.size();
  }
  EXPECT_EQ(states, 100u);
}

TEST(Gossip, RefusesWhatIsMalformed) {
  const std::string whole = EncodeGossip(Of(1, "{}"))[0];
  for (std::size_t size = 0; size < whole.size(); ++size) {
    RoomGossip gossip;
    // Cut after the head it is gossip about nothing, which does no harm.
    if (size == 3) continue;
    EXPECT_FALSE(DecodeGossip(whole.substr(0, size), gossip)) << size;
  }
  std::string newer = whole;
  newer[0] = 2;
  RoomGossip gossip;
  EXPECT_FALSE(DecodeGossip(newer, gossip));
}

}  // namespace
}  // namespace coterie::gateway
