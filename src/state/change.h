#pragma once

// What happened to a text, and what that does to the positions of who meant the text before.
// Pure values and functions, any thread.

#include <cstddef>
#include <cstdint>
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

// A step of a delta with the place that it means: what it goes over, or where it inserts.
struct DeltaSpan {
  std::uint64_t position = 0;
  std::uint64_t length = 0;  // 0 of what inserts.
  std::size_t step = 0;      // Its number in the delta.
};
// What the steps do, and where; those that only retain are left out. Ascending, not overlapping.
std::vector<DeltaSpan> SpansOf(const std::vector<DeltaStep>& steps);
// As TransformSplices(), but that what formats stretches around an insertion.
void TransformSpans(const Shift& shift, PositionUnit unit, const std::vector<DeltaStep>& steps,
                    std::vector<DeltaSpan>& spans);

}  // namespace coterie::state
