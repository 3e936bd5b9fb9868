#include "state/change.h"

#include <cstddef>
#include <string_view>

#include "base/check.h"

namespace coterie::state {

namespace {

// The stretch [position, position + length) after a shift.
struct Moved {
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  // Where an insertion fell into it: the rest of it, behind that.
  std::uint64_t rest_position = 0;
  std::uint64_t rest_length = 0;
};
Moved Move(const Shift& shift, PositionUnit unit, std::uint64_t position, std::uint64_t length) {
  const std::uint64_t begin = shift.position.In(unit);
  const std::uint64_t deleted = shift.deleted.In(unit);
  const std::uint64_t inserted = shift.inserted.In(unit);
  // Where a place before the deletion is after it.
  const auto after_deletion = [&](std::uint64_t place) {
    if (place <= begin) return place;
    return place >= begin + deleted ? place - deleted : begin;
  };
  const std::uint64_t first = after_deletion(position);
  const std::uint64_t end = after_deletion(position + length);
  const bool is_around = first < begin && begin < end && inserted > 0;
  Moved moved{.position = first >= begin ? first + inserted : first, .length = end - first};
  if (is_around) {
    moved.length = begin - first;
    moved.rest_position = begin + inserted;
    moved.rest_length = end - begin;
  }
  return moved;
}

// Embeds have no letters; they are units all the same.
TextSize SizeOf(std::string_view text, std::uint64_t embeds) {
  return MeasureUtf8(text) + TextSize{.bytes = 0, .utf16 = embeds, .code_points = embeds};
}

bool Formats(const DeltaStep& step) { return step.kind == StepKind::kRetain; }

}  // namespace

Shift ShiftOf(const crdt::TextChange& change) {
  return {.position = change.position,
          .deleted = SizeOf(change.deleted, change.embeds_deleted),
          .inserted = SizeOf(change.inserted, change.embeds_inserted)};
}

void TransformSplices(const Shift& shift, PositionUnit unit, std::vector<Splice>& splices) {
  bool is_split = false;
  for (std::size_t i = 0; i < splices.size(); ++i) {
    Splice& splice = splices[i];
    const Moved moved = Move(shift, unit, splice.position, splice.deleted);
    splice.position = moved.position;
    splice.deleted = moved.length;
    if (moved.rest_length == 0) continue;
    // At most one splice can be around one place; the rest of it follows the insertion.
    CHECK(!is_split);
    is_split = true;
    ++i;
    splices.insert(splices.begin() + static_cast<std::ptrdiff_t>(i),
                   {.position = moved.rest_position, .deleted = moved.rest_length});
  }
}

std::vector<DeltaSpan> SpansOf(const std::vector<DeltaStep>& steps) {
  std::vector<DeltaSpan> spans;
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const DeltaStep& step = steps[i];
    if (!Formats(step) || !step.attributes.empty()) {
      spans.push_back({.position = position, .length = step.length, .step = i});
    }
    position += step.length;
  }
  return spans;
}

void TransformSpans(const Shift& shift, PositionUnit unit, const std::vector<DeltaStep>& steps,
                    std::vector<DeltaSpan>& spans) {
  for (std::size_t i = 0; i < spans.size(); ++i) {
    DeltaSpan& span = spans[i];
    const Moved moved = Move(shift, unit, span.position, span.length);
    span.position = moved.position;
    span.length = moved.length;
    if (moved.rest_length == 0) continue;
    if (Formats(steps[span.step])) {
      span.length = moved.rest_position + moved.rest_length - moved.position;
      continue;
    }
    const DeltaSpan rest{
        .position = moved.rest_position, .length = moved.rest_length, .step = span.step};
    ++i;
    spans.insert(spans.begin() + static_cast<std::ptrdiff_t>(i), rest);
  }
}

}  // namespace coterie::state
