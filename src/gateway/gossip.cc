#include "gateway/gossip.h"

#include <utility>

#include "node/peer_codec.h"

namespace coterie::gateway {
namespace {

constexpr std::uint8_t kVersion = 1;
// Of one piece, before the entry that makes it full.
constexpr std::size_t kPieceBytes = node::kGossipBytesMax - (32 << 10);

crdt::Lib0Writer Begin(const RoomGossip& gossip) {
  crdt::Lib0Writer writer;
  writer.U8(kVersion);
  writer.U8(static_cast<std::uint8_t>(gossip.kind));
  writer.VarUint(gossip.doc.value());
  return writer;
}

}  // namespace

std::vector<std::string> EncodeGossip(const RoomGossip& gossip) {
  std::vector<std::string> pieces;
  crdt::Lib0Writer writer = Begin(gossip);
  for (const yproto::AwarenessTable::Owned& owned : gossip.entries) {
    writer.VarUint(owned.entry.client.value());
    writer.VarUint(owned.entry.clock);
    writer.VarUint(owned.session.value());
    writer.VarBytes(owned.entry.state);
    if (writer.size_bytes() < kPieceBytes) continue;
    pieces.push_back(writer.Take());
    writer = Begin(gossip);
  }
  pieces.push_back(writer.Take());
  return pieces;
}

bool DecodeGossip(std::string_view bytes, RoomGossip& gossip) {
  crdt::Lib0Reader reader(bytes);
  if (reader.U8() != kVersion) return false;
  const std::uint8_t kind = reader.U8();
  gossip.kind = kind == 0 ? RoomGossip::Kind::kStates : RoomGossip::Kind::kQuestion;
  gossip.doc = DocId(reader.VarUint());
  while (reader.ok() && !reader.AtEnd()) {
    yproto::AwarenessTable::Owned owned;
    owned.entry.client = crdt::Client(reader.VarUint());
    owned.entry.clock = reader.VarUint();
    owned.session = SessionId(reader.VarUint());
    owned.entry.state = std::string(reader.VarString());
    if (reader.ok()) gossip.entries.push_back(std::move(owned));
  }
  return reader.ok() && kind <= 1 && !gossip.doc.IsNone();
}

}  // namespace coterie::gateway
