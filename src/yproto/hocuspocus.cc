#include "yproto/hocuspocus.h"

namespace coterie::yproto {
namespace {

enum Type : std::uint64_t {
  kSync = 0,
  kAwareness = 1,
  kAuth = 2,
  kQueryAwareness = 3,
  kSyncReply = 4,
  kStateless = 5,
  kBroadcastStateless = 6,
  kClose = 7,
  kSyncStatus = 8,
  kPing = 9,
  kPong = 10,
};

// Submessages of kAuth. 0 is the token of a client, or a server's wish for it.
constexpr std::uint64_t kAuthToken = 0;
constexpr std::uint64_t kAuthDenied = 1;
constexpr std::uint64_t kAuthenticated = 2;

void ReadBody(crdt::Lib0Reader& reader, HocuspocusBody& body) {
  const std::size_t begin = reader.offset_bytes();
  const std::uint64_t type = reader.VarUint();
  if (!reader.ok()) return;
  if (type == kSync || type == kSyncReply) {
    Sync sync;
    ReadSync(reader, sync);
    body = sync;
  } else if (type == kAwareness) {
    body = Awareness{.update = reader.VarBytes()};
  } else if (type == kAuth) {
    reader.VarUintUpTo(kAuthToken, "an auth message that is no token");
    Token token{.token = reader.VarString()};
    if (reader.ok() && !reader.AtEnd()) token.version = reader.VarString();
    body = token;
  } else if (type == kQueryAwareness) {
    body = QueryAwareness{};
  } else if (type == kStateless) {
    body = Stateless{.payload = reader.VarString()};
  } else if (type == kBroadcastStateless) {
    body = BroadcastStateless{};
  } else if (type == kClose) {
    body = Detach{};
  } else {
    reader.FailAt(begin, kUnknownMessage);
  }
}

std::string EncodeText(Type type, std::string_view text) {
  crdt::Lib0Writer writer;
  writer.VarUint(type);
  writer.VarBytes(text);
  return writer.Take();
}

}  // namespace

crdt::Malformed ReadHocuspocus(std::string_view bytes, HocuspocusFrame& frame) {
  if (bytes.size() == 1 && static_cast<std::uint8_t>(bytes[0]) == kPing) {
    frame = {.key = {}, .document = {}, .body = Ping{}};
    return {};
  }
  if (bytes.size() == 1 && static_cast<std::uint8_t>(bytes[0]) == kPong) {
    frame = {.key = {}, .document = {}, .body = Pong{}};
    return {};
  }
  crdt::Lib0Reader reader(bytes);
  const std::string_view key = reader.VarString();
  HocuspocusBody body;
  if (reader.ok()) ReadBody(reader, body);
  if (!reader.ok()) return reader.malformed();
  frame = {.key = key, .document = key.substr(0, key.find('\0')), .body = body};
  return {};
}

std::string EncodeKey(std::string_view key) {
  crdt::Lib0Writer writer;
  writer.VarBytes(key);
  return writer.Take();
}

std::string EncodeAskForToken() {
  crdt::Lib0Writer writer;
  writer.VarUint(kAuth);
  writer.VarUint(kAuthToken);
  return writer.Take();
}

std::string EncodeDenied(std::string_view reason) {
  crdt::Lib0Writer writer;
  writer.VarUint(kAuth);
  writer.VarUint(kAuthDenied);
  writer.VarBytes(reason);
  return writer.Take();
}

std::string EncodeAuthenticated(Scope scope) {
  crdt::Lib0Writer writer;
  writer.VarUint(kAuth);
  writer.VarUint(kAuthenticated);
  writer.VarBytes(scope == Scope::kReadWrite ? "read-write" : "readonly");
  return writer.Take();
}

std::string EncodeStateless(std::string_view payload) { return EncodeText(kStateless, payload); }

std::string EncodeDetached(std::string_view reason) { return EncodeText(kClose, reason); }

std::string EncodeSyncStatus(SyncStatus status) {
  crdt::Lib0Writer writer;
  writer.VarUint(kSyncStatus);
  writer.VarUint(static_cast<std::uint64_t>(status));
  return writer.Take();
}

std::string EncodePong() { return std::string(1, static_cast<char>(kPong)); }

}  // namespace coterie::yproto
