#pragma once

// A document as it was at a snapshot, made of what it is now: on the bytes, without an engine. Who
// wants to read or to show it opens the result as a Doc. Possible as far as nothing was forgotten:
// of a document that collects garbage, what was deleted since is gone.
// Pure function. Source: yjs 13.6, createDocFromSnapshot in src/utils/Snapshot.js.

#include <cstdint>
#include <string>
#include <string_view>

#include "crdt/lib0.h"
#include "crdt/snapshot.h"

namespace coterie::crdt {

struct Rewound {
  std::string update;  // Empty if malformed.
  Malformed malformed;
  // What the snapshot sees and the update has forgotten, or never had. 0 = it is all there.
  std::uint64_t lost_clocks = 0;
};

Rewound RewindUpdate(std::string_view update, const Snapshot& snapshot);

}  // namespace coterie::crdt
