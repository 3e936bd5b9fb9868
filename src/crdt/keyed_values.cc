#include "crdt/keyed_values.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/item_store.h"

namespace coterie::crdt {

std::vector<KeyedValue> KeyedValuesOf(const ItemStore& store, BranchRef branch) {
  std::vector<KeyedValue> values;
  SequenceRef key = store.BranchAt(branch).first_key;
  for (; key != 0; key = store.SequenceAt(key).next_key) {
    const Sequence& sequence = store.SequenceAt(key);
    if (sequence.tail == 0 || store.At(sequence.tail).is_deleted) continue;
    values.push_back({.key = store.atoms().Text(sequence.key), .item = sequence.tail});
  }
  std::sort(values.begin(), values.end(),
            [](const KeyedValue& a, const KeyedValue& b) { return a.key < b.key; });
  return values;
}

LastUnit LastUnitOf(const ItemStore& store, const Item& item) {
  switch (item.kind()) {
    case ContentKind::kString: {
      const std::string_view text = store.TextOf(item);
      CHECK(!text.empty());
      std::size_t at = text.size() - 1;
      while (at > 0 && IsContinuationByte(text[at])) --at;
      return {.units = text.size() - at == 4 ? Clock{2} : Clock{1}, .bytes = text.substr(at)};
    }
    case ContentKind::kAny:
    case ContentKind::kJson:
      return {.units = 1, .bytes = store.ValuesFrom(item, item.length - 1)};
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kFormat:
    case ContentKind::kDoc:
      return {.units = 1, .bytes = store.BytesOf(item)};
    case ContentKind::kType:
      return {.units = 1, .bytes = {}};
    case ContentKind::kGc:
    case ContentKind::kDeleted:
    case ContentKind::kSkip:
      break;  // Never the value of a key.
  }
  CHECK(false);
}

}  // namespace coterie::crdt
