// What somebody writes in many steps, followed through what all others do meanwhile.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "state/change.h"
#include "state/machine_impl.h"

namespace coterie::state {
namespace {

// Two places that touch become one.
void Join(std::vector<Splice>& places) {
  std::vector<Splice> joined;
  for (Splice& place : places) {
    if (place.deleted == 0) continue;
    if (!joined.empty() && joined.back().position + joined.back().deleted == place.position) {
      joined.back().deleted += place.deleted;
    } else {
      joined.push_back(std::move(place));
    }
  }
  places = std::move(joined);
}

void Insert(std::vector<Splice>& places, const Shift& shift) {
  Splice place{.position = shift.position.utf16, .deleted = shift.inserted.utf16};
  const auto behind = std::find_if(places.begin(), places.end(), [&](const Splice& other) {
    return other.position >= place.position;
  });
  places.insert(behind, std::move(place));
}

std::uint64_t EndOf(const Splice& place) { return place.position + place.deleted; }

// One change of the document's text: moves the places, or the one where the first will be.
void Transform(const Shift& shift, Writing& writing) {
  TransformSplices(shift, PositionUnit::kUtf16, writing.places);
  if (!writing.places.empty()) return;
  std::vector<Splice> first = {{.position = writing.at}};
  TransformSplices(shift, PositionUnit::kUtf16, first);
  writing.at = first.front().position;
}

// Where the marks are now. False: nowhere, or all that was written has been deleted.
bool FindMarks(const Content& content, Writing& writing) {
  if (writing.anchor.empty() || !content.IsText(crdt::Embeds::kTold)) return false;
  const std::optional<TextSize> at = content.Resolve(writing.anchor);
  if (!at) return false;
  writing.at = at->utf16;
  writing.places.clear();
  bool is_any_left = writing.marks.empty();
  for (const Writing::Mark& mark : writing.marks) {
    const std::optional<TextSize> begin = content.Resolve(mark.begin);
    const std::optional<TextSize> end = content.Resolve(mark.end);
    if (!begin || !end || begin->bytes >= end->bytes) continue;
    is_any_left = true;
    if (content.Slice(begin->bytes, end->bytes - begin->bytes) != mark.letters) continue;
    writing.places.push_back({.position = begin->utf16, .deleted = end->utf16 - begin->utf16});
  }
  return is_any_left;
}

void SetMarks(const Content& content, Writing& writing) {
  writing.marks.clear();
  writing.anchor.clear();
  if (!content.IsText(crdt::Embeds::kTold)) return;
  const std::optional<TextSize> at = content.Locate(writing.at, PositionUnit::kUtf16);
  if (at) writing.anchor = content.AnchorAt(*at, Content::Follows::kLeft);
  for (const Splice& place : writing.places) {
    const auto begin = content.Locate(place.position, PositionUnit::kUtf16);
    const auto end = content.Locate(EndOf(place), PositionUnit::kUtf16);
    if (!begin || !end) continue;
    writing.marks.push_back({.begin = content.AnchorAt(*begin, Content::Follows::kRight),
                             .end = content.AnchorAt(*end, Content::Follows::kLeft),
                             .letters = content.Slice(begin->bytes, end->bytes - begin->bytes)});
  }
}

}  // namespace

bool Machine::Impl::FollowVersions(const Document& document, std::uint64_t ordinal, Revision added,
                                   Writing& writing) const {
  for (; ordinal <= document.head.ordinal; ++ordinal) {
    const std::optional<VersionRecord> version = VersionAt(document.id, ordinal);
    if (!version) return false;
    const std::optional<VersionDelta> delta = DeltaOf(document.id, ordinal, *version);
    if (!delta) return false;
    for (const Shift& shift : delta->shifts) {
      Transform(shift, writing);
      if (version->revision == added) Insert(writing.places, shift);
    }
  }
  Join(writing.places);
  if (!writing.places.empty()) writing.at = EndOf(writing.places.back());
  return true;
}

// With what `added` has inserted, which is too new to have gone from the versions.
bool Machine::Impl::FollowMarks(const Document& document, const Content& content, Revision added,
                                Writing& writing) const {
  if (!FindMarks(content, writing)) return false;
  if (added.IsNone()) return true;
  Writing step;
  const std::optional<std::uint64_t> ordinal = OrdinalAt(document, added);
  if (!ordinal || !FollowVersions(document, *ordinal, added, step)) return false;
  for (Splice& place : step.places) writing.places.push_back(std::move(place));
  std::sort(writing.places.begin(), writing.places.end(),
            [](const Splice& a, const Splice& b) { return a.position < b.position; });
  Join(writing.places);
  if (!step.places.empty()) writing.at = step.at;
  return true;
}

std::optional<Writing> Machine::Impl::Follow(DocId doc, Writing writing, Revision added) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return std::nullopt;
  const std::optional<std::uint64_t> ordinal = OrdinalAt(*document, writing.revision);
  const Content* content = ContentOf(*document);
  if (content == nullptr) return std::nullopt;
  Writing followed = writing;
  if (!ordinal || !FollowVersions(*document, *ordinal + 1, added, followed)) {
    followed = std::move(writing);
    if (!FollowMarks(*document, *content, added, followed)) return std::nullopt;
  }
  followed.revision = document->head.revision;
  SetMarks(*content, followed);
  return followed;
}

}  // namespace coterie::state
