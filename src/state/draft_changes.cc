#include "state/draft_changes.h"

#include <utility>

#include "state/content.h"

namespace coterie::state {

std::optional<std::vector<TextChange>> ChangesOf(const DraftSource& source) {
  Content content(source.doc, source.root, /*writer_seed=*/0);  // Nobody writes for the machine.
  if (!content.Load(source.content)) return std::nullopt;
  Content::Effect effect;
  if (content.Apply(source.draft, crdt::Embeds::kIgnored, Content::Searches::kBounded, effect))
    return std::nullopt;
  std::vector<TextChange> changes;
  for (crdt::TextChange& change : effect.changes) {
    changes.push_back({.position_bytes = change.position.bytes,
                       .deleted = std::move(change.deleted),
                       .inserted = std::move(change.inserted)});
  }
  return changes;
}

}  // namespace coterie::state
