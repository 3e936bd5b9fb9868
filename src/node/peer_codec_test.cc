#include "node/peer_codec.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/prng.h"

namespace coterie::node {
namespace {

PeerMessage Wrap(PeerBody body) {
  return {.cluster_id = 7,
          .from = NodeId(2),
          .from_address = "localhost:1",
          .newest = kPeerVersionNewest,
          .body = std::move(body)};
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
  all.push_back(Wrap(ForwardRefused{.waiter = 12, .reason = ForwardRefusal::kNotReadByAll}));
  all.push_back(Wrap(RenewLeases{.sessions = {SessionId(4), SessionId(5)}}));
  all.push_back(Wrap(Activities{
      .sequence = 8,
      .present = {{.session = SessionId(4), .activity = Activity::kEditing, .doc = DocId(2)}}}));
  all.push_back(Wrap(Greeting{}));
  all.push_back(Wrap(Gossip{.bytes = "who is where"}));
  all.push_back(Wrap(NotMember{.standing = Standing::kOtherDisk}));
  return all;
}

std::string Encode(const PeerMessage& message) {
  return EncodePeerMessage(message, kPeerVersionNewest);
}

TEST(PeerCodec, EveryKindOfMessageReadsBackAsWritten) {
  for (const PeerMessage& message : OneOfEach()) {
    const std::string frame = Encode(message);
    const std::optional<PeerMessage> read = DecodePeerMessage(frame);
    ASSERT_TRUE(read.has_value()) << message.body.index();
    EXPECT_EQ(read->cluster_id, 7u);
    EXPECT_EQ(read->from, NodeId(2));
    EXPECT_EQ(read->body.index(), message.body.index());
    EXPECT_EQ(Encode(*read), frame);
  }
}

TEST(PeerCodec, AFlippedBitAnywhereIsRefused) {
  for (const PeerMessage& message : OneOfEach()) {
    std::string frame = Encode(message);
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(DecodePeerMessage(frame).has_value());
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
    }
  }
}

TEST(PeerCodec, ATruncatedFrameIsRefused) {
  for (const PeerMessage& message : OneOfEach()) {
    const std::string frame = Encode(message);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      EXPECT_FALSE(DecodePeerMessage(std::string_view(frame).substr(0, size)).has_value());
    }
  }
}

TEST(PeerCodec, EntriesCarryTheIndexesThatFollowPrevious) {
  const std::optional<PeerMessage> read = DecodePeerMessage(Encode(OneOfEach()[2]));
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
    if (!bytes.empty()) bytes[0] = kPeerVersionNewest;
    EXPECT_FALSE(DecodePeerMessage(bytes).has_value());
  }
}

// --- Versions ---

std::string FromHex(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(digits.substr(at, 2)), nullptr, 16)));
  }
  return bytes;
}

// Written by the program of version 1: an append of two entries, and a read index without more.
constexpr std::string_view kAppendOfVersion1 =
    "01ee2c125d0700000000000000020b6c6f63616c686f73743a3100010201630302030908020300000301"
    "077061796c6f6164";
constexpr std::string_view kReadIndexOfVersion1 =
    "0148edad5f0700000000000000020b6c6f63616c686f73743a31000102016303070506";

// With the checksum that fits it.
std::string Reseal(std::string frame) {
  const std::uint32_t crc = ExtendCrc32c(ComputeCrc32c(frame.substr(0, 1)), frame.substr(5));
  for (std::size_t i = 0; i < 4; ++i) frame[1 + i] = static_cast<char>(crc >> (8 * i));
  return frame;
}

TEST(PeerCodec, GossipIsBounded) {
  EXPECT_TRUE(DecodePeerMessage(Encode(Wrap(Gossip{std::string(kGossipBytesMax, 'x')}))));
  EXPECT_FALSE(DecodePeerMessage(Encode(Wrap(Gossip{std::string(kGossipBytesMax + 1, 'x')}))));
}

TEST(PeerVersions, TheFirstOneIsReadAndWrittenAsItWas) {
  const auto append = DecodePeerMessage(FromHex(kAppendOfVersion1));
  ASSERT_TRUE(append.has_value());
  EXPECT_EQ(append->version, 1);
  EXPECT_EQ(append->newest, 1);
  const auto& message = std::get<raft::Message>(append->body);
  EXPECT_EQ(std::get<raft::AppendRequest>(message.body).entries.at(1).payload.view(), "payload");
  const auto read = DecodePeerMessage(FromHex(kReadIndexOfVersion1));
  ASSERT_TRUE(read.has_value());
  const auto& reply = std::get<raft::ReadIndexReply>(std::get<raft::Message>(read->body).body);
  EXPECT_EQ(reply.index, Index(6));
  EXPECT_EQ(reply.last, raft::LogPosition());

  EXPECT_EQ(EncodePeerMessage(*append, 1), FromHex(kAppendOfVersion1));
  EXPECT_EQ(EncodePeerMessage(*read, 1), FromHex(kReadIndexOfVersion1));
}

TEST(PeerVersions, WhatIsNewIsNotInTheFirstOne) {
  std::string frame = Encode(Wrap(Greeting{}));
  EXPECT_FALSE(DecodePeerMessage(frame, 1).has_value());
  EXPECT_TRUE(IsNewerFrame(frame, 1));
  EXPECT_FALSE(IsNewerFrame(frame));
  const auto refused = DecodePeerMessage(EncodePeerMessage(
      Wrap(ForwardRefused{.waiter = 3, .reason = ForwardRefusal::kUnknownCommand}), 1));
  EXPECT_EQ(std::get<ForwardRefused>(refused->body).reason, ForwardRefusal::kBusy);
}

TEST(PeerVersions, OneThatIsNotKnownIsRefusedAndToldFromDamage) {
  std::string frame = Encode(OneOfEach()[2]);
  frame[0] = static_cast<char>(kPeerVersionNewest + 1);
  EXPECT_FALSE(DecodePeerMessage(frame).has_value());
  EXPECT_FALSE(IsNewerFrame(frame)) << "a flipped bit is damage";
  const std::string newer = Reseal(frame);
  EXPECT_FALSE(DecodePeerMessage(newer).has_value());
  EXPECT_TRUE(IsNewerFrame(newer));
}

}  // namespace
}  // namespace coterie::node
