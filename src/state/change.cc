#include "state/change.h"

#include <cstddef>

#include "base/check.h"

namespace coterie::state {

Shift ShiftOf(const crdt::TextChange& change) {
  return {.position = change.position,
          .deleted = MeasureUtf8(change.deleted),
          .inserted = MeasureUtf8(change.inserted)};
}

void TransformSplices(const Shift& shift, PositionUnit unit, std::vector<Splice>& splices) {
  const std::uint64_t begin = shift.position.In(unit);
  const std::uint64_t deleted = shift.deleted.In(unit);
  const std::uint64_t inserted = shift.inserted.In(unit);
  // Where a place before the deletion is after it.
  const auto after_deletion = [&](std::uint64_t place) {
    if (place <= begin) return place;
    return place >= begin + deleted ? place - deleted : begin;
  };
  std::vector<Splice> split;  // Rare.
  for (std::size_t i = 0; i < splices.size(); ++i) {
    Splice& splice = splices[i];
    const std::uint64_t first = after_deletion(splice.position);
    const std::uint64_t end = after_deletion(splice.position + splice.deleted);
    const bool is_around = first < begin && begin < end && inserted > 0;
    splice.position = first >= begin ? first + inserted : first;
    splice.deleted = is_around ? begin - first : end - first;
    if (is_around) {
      // At most one splice can be around one place; the rest of it follows the insertion.
      CHECK(split.empty());
      split.push_back({.position = begin + inserted, .deleted = end - begin});
      splices.insert(splices.begin() + static_cast<std::ptrdiff_t>(i) + 1, split.front());
      ++i;
    }
  }
}

}  // namespace coterie::state
