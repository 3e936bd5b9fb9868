// What comes over a socket, of y-websocket and of Hocuspocus: what is read is what is written
// again.

#include <string>
#include <variant>

#include "base/check.h"
#include "fuzz/input.h"
#include "yproto/frame.h"
#include "yproto/hocuspocus.h"

namespace coterie::fuzz {
namespace {

using crdt::Malformed;

bool IsWithin(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void CheckSync(const yproto::Sync& sync, std::string_view input) {
  CHECK(IsWithin(sync.payload, input));
  const std::string bytes = yproto::EncodeSync(sync.step, sync.payload);
  crdt::Lib0Reader reader(bytes);
  yproto::Message again;
  CHECK(!yproto::ReadMessage(reader, again) && reader.AtEnd());
  CHECK(std::get<yproto::Sync>(again).step == sync.step);
  CHECK(std::get<yproto::Sync>(again).payload == sync.payload);
}

void ReadMessages(std::string_view input) {
  crdt::Lib0Reader reader(input);
  while (!reader.AtEnd()) {
    const std::size_t begin = reader.offset_bytes();
    yproto::Message message;
    if (const Malformed malformed = yproto::ReadMessage(reader, message)) {
      return CheckRefusal(malformed, input);
    }
    CHECK(reader.offset_bytes() > begin);  // It comes to an end.
    if (const auto* sync = std::get_if<yproto::Sync>(&message)) CheckSync(*sync, input);
  }
}

}  // namespace

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  ReadMessages(input);
  yproto::HocuspocusFrame frame;
  if (const Malformed malformed = yproto::ReadHocuspocus(input, frame)) {
    return CheckRefusal(malformed, input);
  }
  CHECK(IsWithin(frame.key, input) && frame.key.starts_with(frame.document));
  CHECK(frame.document.find('\0') == std::string_view::npos);
  if (const auto* sync = std::get_if<yproto::Sync>(&frame.body)) CheckSync(*sync, input);
}

}  // namespace coterie::fuzz
