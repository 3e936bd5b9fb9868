#include "node/peer_codec.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace coterie::node {
namespace {

PeerMessage Wrap(PeerBody body) {
  return {
      .cluster_id = 7, .from = NodeId(2), .from_address = "localhost:1", .body = std::move(body)};
}

raft::Configuration ThreeVoters() {
  raft::Configuration configuration;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    configuration.voters.push_back(NodeId(id));
    configuration.members.push_back({.id = NodeId(id), .address = "a:1", .client_address = "b:2"});
  }
  return configuration;
}

std::vector<PeerMessage> OneOfEach() {
  const raft::LogPosition position{.term = Term(3), .index = Index(9)};
  raft::AppendRequest append{.previous = position, .commit = Index(8), .entries = {}};
  append.entries.push_back({.term = Term(3), .index = Index(10), .type = raft::EntryType::kNoop});
  append.entries.push_back({.term = Term(3),
                            .index = Index(11),
                            .type = raft::EntryType::kCommand,
                            .payload = Blob("payload")});
  std::vector<raft::Body> bodies = {
      raft::VoteRequest{.kind = raft::VoteKind::kPreVote, .last = position},
      raft::VoteReply{.kind = raft::VoteKind::kTransfer, .granted = true},
      append,
      raft::AppendReply{.success = false, .rejected = Index(9), .hint = position},
      raft::Heartbeat{.commit = Index(4), .read_sequence = 77},
      raft::HeartbeatReply{.read_sequence = 78},
      raft::ReadIndexRequest{.id = 5},
      raft::ReadIndexReply{.id = 5, .index = Index(6)},
      raft::TimeoutNow{},
      raft::SnapshotOffer{.last = position, .configuration = ThreeVoters(), .transfer_id = 3},
      raft::SnapshotReply{.transfer_id = 3, .installed = true, .match = Index(9)}};
  std::vector<PeerMessage> all;
  for (raft::Body& body : bodies) {
    all.push_back(Wrap(raft::Message{.from = NodeId(2),
                                     .to = NodeId(1),
                                     .from_incarnation = Incarnation(99),
                                     .term = Term(3),
                                     .body = std::move(body)}));
  }
  all.push_back(Wrap(ForwardedProposal{.waiter = 12, .command = Blob("write")}));
  all.push_back(Wrap(ForwardRefused{.waiter = 12, .reason = ForwardRefusal::kNoSpace}));
  all.push_back(Wrap(RenewLeases{.sessions = {SessionId(4), SessionId(5)}}));
  all.push_back(Wrap(Activities{
      .sequence = 8,
      .present = {{.session = SessionId(4), .activity = Activity::kEditing, .doc = DocId(2)}}}));
  return all;
}

TEST(PeerCodec, EveryKindOfMessageReadsBackAsWritten) {
  for (const PeerMessage& message : OneOfEach()) {
    const std::string frame = EncodePeerMessage(message);
    const std::optional<PeerMessage> read = DecodePeerMessage(frame);
    ASSERT_TRUE(read.has_value()) << message.body.index();
    EXPECT_EQ(read->cluster_id, 7u);
    EXPECT_EQ(read->from, NodeId(2));
    EXPECT_EQ(read->body.index(), message.body.index());
    EXPECT_EQ(EncodePeerMessage(*read), frame);
  }
}

TEST(PeerCodec, AFlippedBitAnywhereIsRefused) {
  for (const PeerMessage& message : OneOfEach()) {
    std::string frame = EncodePeerMessage(message);
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(DecodePeerMessage(frame).has_value());
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
    }
  }
}

TEST(PeerCodec, ATruncatedFrameIsRefused) {
  for (const PeerMessage& message : OneOfEach()) {
    const std::string frame = EncodePeerMessage(message);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      EXPECT_FALSE(DecodePeerMessage(std::string_view(frame).substr(0, size)).has_value());
    }
  }
}

TEST(PeerCodec, EntriesCarryTheIndexesThatFollowPrevious) {
  const std::optional<PeerMessage> read = DecodePeerMessage(EncodePeerMessage(OneOfEach()[2]));
  const auto& append = std::get<raft::AppendRequest>(std::get<raft::Message>(read->body).body);
  ASSERT_EQ(append.entries.size(), 2u);
  EXPECT_EQ(append.entries[1].index, Index(11));
  EXPECT_EQ(append.entries[1].payload.view(), "payload");
}

TEST(PeerCodec, RandomBytesNeverDecodeNorCrash) {
  Prng prng(4);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(prng.Below(64), '\0');
    for (char& c : bytes) c = static_cast<char>(prng.Next());
    if (!bytes.empty()) bytes[0] = kPeerCodecVersion;
    EXPECT_FALSE(DecodePeerMessage(bytes).has_value());
  }
}

}  // namespace
}  // namespace coterie::node
