#pragma once

// The messages of y-protocols, which y-websocket sends one by one and Hocuspocus wraps: reading
// them from bytes that nobody vouches for, and writing them. What is in an update or a state vector
// is not looked at here. Pure values; views live as long as the bytes.
// Source: y-protocols 1.0.7, sync.js and auth.js; y-websocket 3.1.0.
//
//   message    := 0 sync | 1 awareness:bytes | 2 0 reason:string | 3
//   sync       := 0 state vector:bytes | 1 update:bytes | 2 update:bytes

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "crdt/lib0.h"

namespace coterie::yproto {

enum class SyncStep : std::uint8_t {
  kAsk = 0,     // "Step 1": what I have, as a state vector; send me the rest.
  kAnswer = 1,  // "Step 2": the rest.
  kUpdate = 2,  // A change.
};

struct Sync {
  SyncStep step = SyncStep::kAsk;
  std::string_view payload;
};
struct Awareness {
  std::string_view update;  // See awareness.h.
};
struct PermissionDenied {
  std::string_view reason;
};
struct QueryAwareness {};

using Message = std::variant<Sync, Awareness, PermissionDenied, QueryAwareness>;

inline constexpr std::string_view kUnknownMessage = "a message of an unknown type";

// The next message; `message` is as it was if that is malformed. One frame may hold several.
crdt::Malformed ReadMessage(crdt::Lib0Reader& reader, Message& message);
// What follows the type byte 0.
crdt::Malformed ReadSync(crdt::Lib0Reader& reader, Sync& sync);

std::string EncodeSync(SyncStep step, std::string_view payload);
std::string EncodeAwareness(std::string_view update);
std::string EncodePermissionDenied(std::string_view reason);

}  // namespace coterie::yproto
