#pragma once

// What happened to a text, and what that does to the positions of who meant the text before.
// Pure values and functions, any thread.

#include <vector>

#include "base/utf8.h"
#include "crdt/events.h"
#include "state/command.h"

namespace coterie::state {

// What a change did to positions: at `position`, `inserted` came for `deleted`.
struct Shift {
  TextSize position;
  TextSize deleted;
  TextSize inserted;
};
Shift ShiftOf(const crdt::TextChange& change);

// Moves splices, whose positions mean the text before `shift`, to mean the text after it. What was
// deleted is not deleted again; what was inserted is not deleted: a splice around it falls into
// two. At the same position the earlier change stays to the left. Requires ascending,
// non-overlapping splices, and keeps them so.
void TransformSplices(const Shift& shift, PositionUnit unit, std::vector<Splice>& splices);

}  // namespace coterie::state
