#pragma once

// The values that a type has by key, as readers see them: of each key the last unit of its last
// item, if that is not deleted. Functions over the ItemStore; what they yield borrows it.

#include <string_view>
#include <vector>

#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

struct KeyedValue {
  std::string_view key;
  ItemRef item = 0;
};
// Ascending by key, which is the same for whoever has the document.
std::vector<KeyedValue> KeyedValuesOf(const ItemStore& store, BranchRef branch);

// What of an item's content is read as a value. Items of keys have one unit unless somebody made
// them up, and then it may differ into how many items they are cut.
struct LastUnit {
  Clock units = 1;         // 2: of a string that ends with a surrogate pair, which stays one.
  std::string_view bytes;  // As UnitCursor::Take() has them.
};
LastUnit LastUnitOf(const ItemStore& store, const Item& item);

}  // namespace coterie::crdt
