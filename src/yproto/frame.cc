#include "yproto/frame.h"

namespace coterie::yproto {
namespace {

constexpr std::uint64_t kSync = 0;
constexpr std::uint64_t kAwareness = 1;
constexpr std::uint64_t kAuth = 2;
constexpr std::uint64_t kQueryAwareness = 3;
constexpr std::uint64_t kAuthDenied = 0;

}  // namespace

crdt::Malformed ReadSync(crdt::Lib0Reader& reader, Sync& sync) {
  const std::uint64_t step = reader.VarUintUpTo(2, "a sync message of an unknown step");
  const std::string_view payload = reader.VarBytes();
  if (reader.ok()) sync = {.step = static_cast<SyncStep>(step), .payload = payload};
  return reader.malformed();
}

crdt::Malformed ReadMessage(crdt::Lib0Reader& reader, Message& message) {
  const std::size_t begin = reader.offset_bytes();
  const std::uint64_t type = reader.VarUint();
  if (!reader.ok()) return reader.malformed();
  if (type == kSync) {
    Sync sync;
    ReadSync(reader, sync);
    if (reader.ok()) message = sync;
  } else if (type == kAwareness) {
    const Awareness awareness{.update = reader.VarBytes()};
    if (reader.ok()) message = awareness;
  } else if (type == kAuth) {
    reader.VarUintUpTo(kAuthDenied, "an auth message of an unknown kind");
    const PermissionDenied denied{.reason = reader.VarString()};
    if (reader.ok()) message = denied;
  } else if (type == kQueryAwareness) {
    message = QueryAwareness{};
  } else {
    reader.FailAt(begin, kUnknownMessage);
  }
  return reader.malformed();
}

std::string EncodeSync(SyncStep step, std::string_view payload) {
  crdt::Lib0Writer writer;
  writer.Reserve(payload.size() + 8);
  writer.VarUint(kSync);
  writer.VarUint(static_cast<std::uint64_t>(step));
  writer.VarBytes(payload);
  return writer.Take();
}

std::string EncodeAwareness(std::string_view update) {
  crdt::Lib0Writer writer;
  writer.Reserve(update.size() + 8);
  writer.VarUint(kAwareness);
  writer.VarBytes(update);
  return writer.Take();
}

std::string EncodePermissionDenied(std::string_view reason) {
  crdt::Lib0Writer writer;
  writer.VarUint(kAuth);
  writer.VarUint(kAuthDenied);
  writer.VarBytes(reason);
  return writer.Take();
}

}  // namespace coterie::yproto
