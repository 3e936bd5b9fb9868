#pragma once

// A moment of a document: how much of each client was there, and what of it was deleted. With a
// document that forgets nothing (no garbage collection) it tells how that looked then.
// Pure value. Source: yjs 13.6, src/utils/Snapshot.js.
//
//   snapshot := delete set, state vector       (V2: the delete set as in updates of V2)

#include <cstdint>
#include <string>
#include <string_view>

#include "crdt/delete_set.h"
#include "crdt/state_vector.h"

namespace coterie::crdt {

enum class WireFormat : std::uint8_t { kV1, kV2 };

struct Snapshot {
  DeleteSet deleted;
  StateVector state;

  // Whether what has that id was there and not deleted.
  bool Sees(Id id) const { return state.Has(id) && !deleted.Contains(id); }
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

std::string EncodeSnapshot(const Snapshot& snapshot, WireFormat format);
// On malformed bytes `snapshot` is left as it was.
Malformed DecodeSnapshot(std::string_view bytes, WireFormat format, Snapshot& snapshot);

}  // namespace coterie::crdt
