#pragma once

// The bytes that the load program says and hears: RFC 6455 from the client's side, without
// fragments, and the smallest true Yjs update, a letter typed after the writer's last one. Pure
// functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crdt/id.h"

namespace coterie::bench {

enum class Opcode : std::uint8_t { kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// The mask is 0, which masks nothing and costs the server what any mask does.
std::string ClientFrame(Opcode opcode, std::string_view payload);

struct ServerFrame {
  Opcode opcode = Opcode::kBinary;
  std::string_view payload;
  std::size_t size_bytes = 0;  // With its head.
};
// The frame that `bytes` begin with, if it is there as a whole.
std::optional<ServerFrame> NextFrame(std::string_view bytes);

std::string UpgradeRequest(std::string_view host, std::string_view target);

// As Yjs would encode it: one letter in the root text "t".
std::string TypedLetter(crdt::Client writer, crdt::Clock clock);

}  // namespace coterie::bench
