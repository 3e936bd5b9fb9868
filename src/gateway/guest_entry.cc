#include "gateway/guest_entry.h"

#include <string>

#include "crdt/relative_position.h"
#include "yproto/awareness_state.h"

namespace coterie::gateway {
namespace {

constexpr char kColor[] = "#7c3aed";
constexpr char kLightColor[] = "#7c3aed33";

}  // namespace

std::optional<yproto::AwarenessEntry> EntryOf(const rpc::Guest& guest, std::uint64_t clock) {
  yproto::AwarenessEntry entry{.client = crdt::Client(guest.id), .clock = clock, .state = "null"};
  if (guest.anchor.empty()) return entry;
  crdt::RelativePosition position;
  if (crdt::DecodeRelativePosition(guest.anchor, position)) return std::nullopt;
  const std::string at = crdt::RelativePositionToJson(position);
  const std::string state = "{\"user\":{\"name\":" + yproto::QuoteJson(guest.name) +
                            ",\"color\":\"" + kColor + "\",\"colorLight\":\"" + kLightColor +
                            "\"},\"cursor\":{\"anchor\":" + at + ",\"head\":" + at +
                            "},\"assistant\":true}";
  entry.state.clear();
  if (yproto::CleanState(state, guest.user, entry.state)) return std::nullopt;
  return entry;
}

}  // namespace coterie::gateway
