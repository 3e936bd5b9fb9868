#include "bench/realtime/wire.h"

#include <algorithm>

#include "crdt/lib0.h"

namespace coterie::bench {
namespace {

constexpr std::uint8_t kFinal = 0x80;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;

// yjs 13.6, Item.write: content of kind 4 is a string; bit 8 says that an origin follows.
constexpr std::uint8_t kString = 0x04;
constexpr std::uint8_t kStringWithOrigin = 0x84;

void AppendBigEndian(std::string& to, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t BigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

}  // namespace

std::string ClientFrame(Opcode opcode, std::string_view payload) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame.push_back(static_cast<char>(kFinal | static_cast<std::uint8_t>(opcode)));
  if (payload.size() < kLength16) {
    frame.push_back(static_cast<char>(kMasked | payload.size()));
  } else if (payload.size() <= 0xffff) {
    frame.push_back(static_cast<char>(kMasked | kLength16));
    AppendBigEndian(frame, payload.size(), 2);
  } else {
    frame.push_back(static_cast<char>(kMasked | kLength64));
    AppendBigEndian(frame, payload.size(), 8);
  }
  frame.append(4, '\0');
  frame.append(payload);
  return frame;
}

std::optional<ServerFrame> NextFrame(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto opcode = static_cast<std::uint8_t>(bytes[0] & 0x0f);
  const auto length = static_cast<std::uint8_t>(bytes[1]);
  const std::size_t more = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  const std::size_t head = 2 + more;
  if (bytes.size() < head) return std::nullopt;
  const std::uint64_t size = more == 0 ? length : BigEndian(bytes.substr(2, more));
  if (bytes.size() - head < size) return std::nullopt;
  return ServerFrame{.opcode = static_cast<Opcode>(opcode),
                     .payload = bytes.substr(head, size),
                     .size_bytes = head + size};
}

std::string UpgradeRequest(std::string_view host, std::string_view target) {
  std::string request = "GET ";
  request.append(target).append(" HTTP/1.1\r\nHost: ").append(host);
  request.append(
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  return request;
}

std::string TypedLetter(crdt::Client writer, crdt::Clock clock) {
  crdt::Lib0Writer update;
  update.VarUint(1);  // Clients.
  update.VarUint(1);  // Structs.
  update.VarUint(writer.value());
  update.VarUint(clock);
  if (clock == 0) {
    update.U8(kString);
    update.VarUint(1);  // Its parent is a root, of this name.
    update.VarBytes("t");
  } else {
    update.U8(kStringWithOrigin);
    update.VarUint(writer.value());
    update.VarUint(clock - 1);
  }
  update.VarBytes("x");
  update.VarUint(0);  // Nothing is deleted.
  return update.Take();
}

}  // namespace coterie::bench
