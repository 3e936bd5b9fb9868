// What editors say of themselves: an awareness update, and a state, which is made harmless once and
// for all, however it is written.

#include <string>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/json.h"
#include "fuzz/input.h"
#include "yproto/awareness.h"
#include "yproto/awareness_state.h"

namespace coterie::fuzz {
namespace {

using crdt::Malformed;

constexpr std::string_view kUser = "Ana \"\\\x01";
// Beside the state: what the node stamps it with.
constexpr std::size_t kStampBytesMax = 64;
// Of a name, what is cleaned may be written longer: a control character as \u0000, and a colour
// that is none as another one.
constexpr std::size_t kLongerMax = 6;

void CheckState(std::string_view state) {
  std::string clean;
  if (const Malformed malformed = yproto::CleanState(state, kUser, clean)) {
    return CheckRefusal(malformed, state);
  }
  CHECK(IsValidUtf8(clean) && !crdt::CheckJson(clean));
  CHECK(clean.size() <= state.size() * kLongerMax + kStampBytesMax);
  if (clean.size() > yproto::kStateBytesMax) return;
  std::string again;
  if (yproto::CleanState(clean, kUser, again)) CHECK(false);
  CHECK(again == clean);
}

}  // namespace

void Run(std::string_view input) {
  const GrowthLimit limit(input);
  CheckState(input);
  std::vector<yproto::AwarenessEntry> entries;
  if (const Malformed malformed = yproto::DecodeAwareness(input, entries)) {
    return CheckRefusal(malformed, input);
  }
  for (const yproto::AwarenessEntry& entry : entries) CheckState(entry.state);
  const std::string bytes = yproto::EncodeAwarenessUpdate(entries);
  std::vector<yproto::AwarenessEntry> decoded;
  CHECK(!yproto::DecodeAwareness(bytes, decoded) && decoded == entries);
  // A member and an impostor: nobody speaks for another.
  yproto::AwarenessTable table;
  const yproto::AwarenessOwner owner{.member = 1, .node = NodeId(1), .session = SessionId(1)};
  const yproto::AwarenessOwner other{.member = 2, .node = NodeId(1), .session = SessionId(2)};
  const std::vector<yproto::AwarenessEntry> taken = table.Apply(owner, entries, 1);
  CHECK(taken.size() <= entries.size() && table.size() <= yproto::kClientsMax);
  const std::vector<yproto::AwarenessEntry> present = table.All();
  CHECK(present.size() <= yproto::kClientsPerMemberMax);
  table.Apply(other, entries, 2);
  for (const yproto::AwarenessEntry& entry : present) {
    CHECK(table.OwnerOf(entry.client)->member == owner.member);
  }
  CHECK(table.RemoveMember(owner.member, 3).size() == present.size());
}

}  // namespace coterie::fuzz
