#include "node/peer_codec.h"

#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/overload.h"

namespace coterie::node {
namespace {

constexpr std::size_t kHeaderBytes = 5;  // Version and CRC.
// The kinds of version 1 end before this one.
constexpr std::size_t kGreetingKind = 5;
static_assert(std::is_same_v<std::variant_alternative_t<kGreetingKind, PeerBody>, Greeting>);

// Which version it is that is written, or read.
struct FrameWriter : ByteWriter {
  std::uint8_t version = kPeerVersionOldest;
};
struct FrameReader : ByteReader {
  using ByteReader::ByteReader;
  std::uint8_t version = kPeerVersionOldest;
};

using raft::Body;
using raft::EntryRef;
using raft::LogPosition;

void Write(ByteWriter& out, const LogPosition& position) {
  out.Id(position.term);
  out.Id(position.index);
}
LogPosition ReadPosition(ByteReader& in) {
  const auto term = in.Id<Term>();
  const auto index = in.Id<Index>();
  return {.term = term, .index = index};
}

bool ReadBool(ByteReader& in) {
  const std::uint8_t value = in.U8();
  if (value > 1) in.Fail();
  return value == 1;
}

template <class Enum>
Enum ReadEnum(ByteReader& in, Enum last) {
  const std::uint8_t value = in.U8();
  if (value > static_cast<std::uint8_t>(last)) in.Fail();
  return static_cast<Enum>(value);
}

std::size_t ReadCount(ByteReader& in, std::size_t limit) {
  const std::uint64_t count = in.Varint();
  // Every element takes at least one byte: no count can make us reserve more than the frame.
  if (count > limit || count > in.remaining_bytes()) in.Fail();
  return in.ok() ? static_cast<std::size_t>(count) : 0;
}

void WriteConfiguration(ByteWriter& out, const raft::Configuration& configuration) {
  out.Bytes(raft::EncodeConfiguration(configuration));
}
raft::Configuration ReadConfiguration(ByteReader& in) {
  std::optional<raft::Configuration> configuration = raft::DecodeConfiguration(in.Bytes());
  if (!configuration) in.Fail();
  return configuration ? *std::move(configuration) : raft::Configuration{};
}

// One overload per alternative of raft::Body; the order of the alternatives is the wire's tag.
void Write(FrameWriter& out, const raft::VoteRequest& m) {
  out.U8(static_cast<std::uint8_t>(m.kind));
  Write(out, m.last);
}
void Read(FrameReader& in, raft::VoteRequest& m) {
  m.kind = ReadEnum(in, raft::VoteKind::kTransfer);
  m.last = ReadPosition(in);
}
void Write(FrameWriter& out, const raft::VoteReply& m) {
  out.U8(static_cast<std::uint8_t>(m.kind));
  out.U8(m.granted ? 1 : 0);
}
void Read(FrameReader& in, raft::VoteReply& m) {
  m.kind = ReadEnum(in, raft::VoteKind::kTransfer);
  m.granted = ReadBool(in);
}
void Write(FrameWriter& out, const raft::AppendRequest& m) {
  Write(out, m.previous);
  out.Id(m.commit);
  out.Varint(m.entries.size());
  for (const EntryRef& entry : m.entries) {
    // Indexes are contiguous from previous + 1 and are not sent.
    out.Id(entry.term);
    out.U8(static_cast<std::uint8_t>(entry.type));
    out.Bytes(entry.payload.view());
  }
}
void Read(FrameReader& in, raft::AppendRequest& m) {
  m.previous = ReadPosition(in);
  m.commit = in.Id<Index>();
  const std::size_t count = ReadCount(in, kEntriesPerFrameMax);
  m.entries.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    EntryRef entry;
    entry.term = in.Id<Term>();
    entry.index = m.previous.index + (i + 1);
    entry.type = ReadEnum(in, raft::EntryType::kConfiguration);
    entry.payload = Blob(std::string(in.Bytes()));
    m.entries.push_back(std::move(entry));
  }
}
void Write(FrameWriter& out, const raft::AppendReply& m) {
  out.U8(m.success ? 1 : 0);
  out.Id(m.match);
  out.Id(m.rejected);
  Write(out, m.hint);
}
void Read(FrameReader& in, raft::AppendReply& m) {
  m.success = ReadBool(in);
  m.match = in.Id<Index>();
  m.rejected = in.Id<Index>();
  m.hint = ReadPosition(in);
}
void Write(FrameWriter& out, const raft::Heartbeat& m) {
  out.Id(m.commit);
  out.Varint(m.read_sequence);
}
void Read(FrameReader& in, raft::Heartbeat& m) {
  m.commit = in.Id<Index>();
  m.read_sequence = in.Varint();
}
void Write(FrameWriter& out, const raft::HeartbeatReply& m) { out.Varint(m.read_sequence); }
void Read(FrameReader& in, raft::HeartbeatReply& m) { m.read_sequence = in.Varint(); }
void Write(FrameWriter& out, const raft::ReadIndexRequest& m) { out.Varint(m.id); }
void Read(FrameReader& in, raft::ReadIndexRequest& m) { m.id = in.Varint(); }
void Write(FrameWriter& out, const raft::ReadIndexReply& m) {
  out.Varint(m.id);
  out.Id(m.index);
  if (out.version > 1) Write(out, m.last);
}
void Read(FrameReader& in, raft::ReadIndexReply& m) {
  m.id = in.Varint();
  m.index = in.Id<Index>();
  if (in.version > 1) m.last = ReadPosition(in);
}
void Write(FrameWriter&, const raft::TimeoutNow&) {}
void Read(FrameReader&, raft::TimeoutNow&) {}
void Write(FrameWriter& out, const raft::SnapshotOffer& m) {
  Write(out, m.last);
  WriteConfiguration(out, m.configuration);
  out.Varint(m.transfer_id);
}
void Read(FrameReader& in, raft::SnapshotOffer& m) {
  m.last = ReadPosition(in);
  m.configuration = ReadConfiguration(in);
  m.transfer_id = in.Varint();
}
void Write(FrameWriter& out, const raft::SnapshotReply& m) {
  out.Varint(m.transfer_id);
  out.U8(m.installed ? 1 : 0);
  out.Id(m.match);
}
void Read(FrameReader& in, raft::SnapshotReply& m) {
  m.transfer_id = in.Varint();
  m.installed = ReadBool(in);
  m.match = in.Id<Index>();
}

ForwardRefusal NewestRefusalOf(std::uint8_t version) {
  if (version == 1) return ForwardRefusal::kNoSpace;
  return version == 2 ? ForwardRefusal::kUnknownCommand : ForwardRefusal::kNotReadByAll;
}
// The same, or what comes nearest to it, for who reads that version alone. No command of a program
// of version 1 is new to anybody.
ForwardRefusal Readable(ForwardRefusal reason, std::uint8_t version) {
  if (reason <= NewestRefusalOf(version)) return reason;
  return version == 1 ? ForwardRefusal::kBusy : ForwardRefusal::kUnknownCommand;
}

void Read(FrameReader& in, raft::Message& m);
void Read(FrameReader& in, ForwardedProposal& m);
void Read(FrameReader& in, ForwardRefused& m);
void Read(FrameReader& in, RenewLeases& m);
void Read(FrameReader& in, Activities& m);
void Write(FrameWriter&, const Greeting&) {}
void Read(FrameReader&, Greeting&) {}
void Read(FrameReader& in, Gossip& m);
void Read(FrameReader& in, NotMember& m);

// Reads alternative number `tag` of Variant, if there is one.
template <class Variant, std::size_t kTag = 0>
void ReadAlternative(FrameReader& in, std::size_t tag, Variant& target) {
  if constexpr (kTag < std::variant_size_v<Variant>) {
    if (tag == kTag) {
      Read(in, target.template emplace<kTag>());
    } else {
      ReadAlternative<Variant, kTag + 1>(in, tag, target);
    }
  } else {
    in.Fail();
  }
}

// One overload per alternative of PeerBody.
void Write(FrameWriter& out, const raft::Message& m) {
  out.Id(m.group);
  out.Id(m.from);
  out.Id(m.to);
  out.Id(m.from_incarnation);
  out.Id(m.term);
  out.U8(static_cast<std::uint8_t>(m.body.index()));
  std::visit([&out](const auto& body) { Write(out, body); }, m.body);
}
void Read(FrameReader& in, raft::Message& m) {
  m.group = in.Id<GroupId>();
  m.from = in.Id<NodeId>();
  m.to = in.Id<NodeId>();
  m.from_incarnation = in.Id<Incarnation>();
  m.term = in.Id<Term>();
  const std::uint8_t tag = in.U8();
  ReadAlternative(in, tag, m.body);
}
void Write(FrameWriter& out, const ForwardedProposal& m) {
  out.Varint(m.waiter);
  out.Bytes(m.command.view());
}
void Read(FrameReader& in, ForwardedProposal& m) {
  m.waiter = in.Varint();
  m.command = Blob(std::string(in.Bytes()));
}
void Write(FrameWriter& out, const ForwardRefused& m) {
  out.Varint(m.waiter);
  out.U8(static_cast<std::uint8_t>(Readable(m.reason, out.version)));
}
void Read(FrameReader& in, ForwardRefused& m) {
  m.waiter = in.Varint();
  m.reason = ReadEnum(in, NewestRefusalOf(in.version));
}
void Write(FrameWriter& out, const RenewLeases& m) {
  out.Varint(m.sessions.size());
  for (const SessionId session : m.sessions) out.Id(session);
}
void Read(FrameReader& in, RenewLeases& m) {
  const std::size_t count = ReadCount(in, kSessionsPerRenewalMax);
  for (std::size_t i = 0; i < count && in.ok(); ++i) m.sessions.push_back(in.Id<SessionId>());
}
void Write(FrameWriter& out, const Activities& m) {
  out.Varint(m.sequence);
  out.Varint(m.present.size());
  for (const Presence& presence : m.present) {
    out.Id(presence.session);
    out.U8(static_cast<std::uint8_t>(presence.activity));
    out.Id(presence.doc);
  }
}
void Read(FrameReader& in, Activities& m) {
  m.sequence = in.Varint();
  const std::size_t count = ReadCount(in, kActivitiesPerFrameMax);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    Presence presence;
    presence.session = in.Id<SessionId>();
    presence.activity = ReadEnum(in, Activity::kEditing);
    presence.doc = in.Id<DocId>();
    m.present.push_back(presence);
  }
}
void Write(FrameWriter& out, const Gossip& m) { out.Bytes(m.bytes); }
void Read(FrameReader& in, Gossip& m) {
  const std::string_view bytes = in.Bytes();
  if (bytes.size() > kGossipBytesMax) return in.Fail();
  m.bytes = std::string(bytes);
}

void Write(FrameWriter& out, const NotMember& m) { out.U8(static_cast<std::uint8_t>(m.standing)); }
void Read(FrameReader& in, NotMember& m) { m.standing = ReadEnum(in, Standing::kOtherDisk); }

// Seeded with the version, which a flipped bit must not make another one.
std::uint32_t ChecksumOf(std::string_view frame, std::uint8_t version) {
  const std::string_view body = frame.substr(kHeaderBytes);
  if (version == 1) return ComputeCrc32c(body);
  return ExtendCrc32c(ComputeCrc32c(frame.substr(0, 1)), body);
}

bool IsWhole(std::string_view frame) {
  ByteReader in(frame);
  const std::uint8_t version = in.U8();
  const std::uint32_t crc = in.Fixed32();
  return in.ok() && crc == ChecksumOf(frame, version);
}

}  // namespace

std::string EncodePeerMessage(const PeerMessage& message, std::uint8_t version) {
  CHECK(version >= kPeerVersionOldest && version <= kPeerVersionNewest);
  CHECK(version > 1 || message.body.index() < kGreetingKind);
  FrameWriter frame;
  frame.version = version;
  frame.U8(version);
  frame.Fixed32(0);
  frame.Fixed64(message.cluster_id);
  frame.Id(message.from);
  frame.Bytes(message.from_address);
  if (version > 1) frame.U8(message.newest);
  frame.U8(static_cast<std::uint8_t>(message.body.index()));
  std::visit([&frame](const auto& alternative) { Write(frame, alternative); }, message.body);
  std::string bytes = frame.Take();
  ByteWriter crc;
  crc.Fixed32(ChecksumOf(bytes, version));
  bytes.replace(1, kHeaderBytes - 1, crc.view());
  return bytes;
}

std::optional<PeerMessage> DecodePeerMessage(std::string_view frame, std::uint8_t newest) {
  FrameReader in(frame);
  in.version = in.U8();
  if (in.version < kPeerVersionOldest || in.version > newest || !IsWhole(frame)) {
    return std::nullopt;
  }
  in.Fixed32();
  PeerMessage message{.version = in.version};
  message.cluster_id = in.Fixed64();
  message.from = in.Id<NodeId>();
  message.from_address = std::string(in.Bytes());
  if (in.version > 1) message.newest = in.U8();
  const std::uint8_t kind = in.U8();
  if (in.version == 1 && kind >= kGreetingKind) in.Fail();
  ReadAlternative(in, kind, message.body);
  if (!in.AtEnd() || message.from_address.size() > raft::kAddressBytesMax) return std::nullopt;
  // What it reads includes what it writes.
  if (message.newest < message.version) return std::nullopt;
  return message;
}

bool IsNewerFrame(std::string_view frame, std::uint8_t newest) {
  return !frame.empty() && static_cast<std::uint8_t>(frame.front()) > newest && IsWhole(frame);
}

}  // namespace coterie::node
