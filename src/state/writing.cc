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

}  // namespace

std::optional<Writing> Machine::Impl::Follow(DocId doc, Writing writing, Revision added) const {
  const Document* document = DocumentOf(doc);
  if (document == nullptr) return std::nullopt;
  std::optional<std::uint64_t> ordinal = OrdinalAt(*document, writing.revision);
  const Content* content = ContentOf(*document);
  if (!ordinal || content == nullptr) return std::nullopt;
  for (++*ordinal; *ordinal <= document->head.ordinal; ++*ordinal) {
    const std::optional<VersionRecord> version = VersionAt(doc, *ordinal);
    if (!version) return std::nullopt;
    const std::optional<VersionDelta> delta = DeltaOf(doc, *ordinal, *version);
    if (!delta) return std::nullopt;
    for (const Shift& shift : delta->shifts) {
      TransformSplices(shift, PositionUnit::kUtf16, writing.places);
      if (version->revision == added) Insert(writing.places, shift);
    }
  }
  Join(writing.places);
  writing.revision = document->head.revision;
  writing.anchor.clear();
  if (writing.places.empty() || !content->IsText(crdt::Embeds::kTold)) return writing;
  const Splice& last = writing.places.back();
  const std::optional<TextSize> end =
      content->Locate(last.position + last.deleted, PositionUnit::kUtf16);
  if (end) writing.anchor = content->AnchorAt(*end, Content::Follows::kLeft);
  return writing;
}

}  // namespace coterie::state
