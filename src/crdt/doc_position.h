#pragma once

// Between indexes into a type of a doc and places that stay (relative_position.h). Costs O(log n).
// Functions over a Doc. Source: yjs 13.6, src/utils/RelativePosition.js, followRedone in
// src/structs/Item.js.

#include <cstdint>
#include <optional>

#include "crdt/relative_position.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class Doc;

// The place before the unit `index` of a type, or at its end if there are fewer. Below 0, `assoc`
// ties it to what is to its left. Nothing if the type is gone.
std::optional<RelativePosition> ToRelativePosition(Doc& doc, TypeHandle type, std::uint64_t index,
                                                   std::int64_t assoc);

struct AbsolutePosition {
  TypeHandle type;
  std::uint64_t index = 0;
  std::int64_t assoc = 0;
  friend bool operator==(const AbsolutePosition&, const AbsolutePosition&) = default;
};

// Where that is now; what was deleted and came back by an undo is found where it is then. Nothing
// if the doc does not know the item yet, or has forgotten it. A root that is not there is made.
std::optional<AbsolutePosition> ToAbsolutePosition(Doc& doc, const RelativePosition& position);

}  // namespace coterie::crdt
