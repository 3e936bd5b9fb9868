#pragma once

// What the rooms of one document say to each other across nodes: the awareness of their own
// sockets. Best effort; a node that says nothing for 30 s is forgotten by the tables. Pure
// functions; what comes is checked like a client's.
//
//   gossip := version:u8 kind:u8 doc:varUint entry*     kind: 0 states, 1 question
//   entry  := client:varUint clock:varUint session:varUint state:string

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "yproto/awareness.h"

namespace coterie::gateway {

struct RoomGossip {
  enum class Kind : std::uint8_t { kStates, kQuestion };
  Kind kind = Kind::kStates;
  DocId doc;
  std::vector<yproto::AwarenessTable::Owned> entries;
};

// In pieces of at most node::kGossipBytesMax.
std::vector<std::string> EncodeGossip(const RoomGossip& gossip);
// False if it is malformed or of an unknown version.
bool DecodeGossip(std::string_view bytes, RoomGossip& gossip);

}  // namespace coterie::gateway
