#pragma once

// From a position in a list to the items around it. Functions over the ItemStore; what edits or
// reads at an index goes through here. Costs O(log n), and a few steps near the last place.

#include <cstdint>

#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

struct Seeked {
  ItemRef item = 0;
  std::uint64_t start = 0;  // How many units are visible to its left.
};

// The visible item that holds the unit `index`. Requires index < the branch's length.
Seeked SeekUnit(ItemStore& store, BranchRef branch, std::uint64_t index);

// The items between which something comes that is inserted at an index.
struct Gap {
  ItemRef left = 0;
  ItemRef right = 0;
};
// In front of the visible item there, behind what is deleted: where texts insert (YText.js,
// minimizeAttributeChanges). Past the end: behind everything. Splits an item that is in the way.
Gap GapBeforeUnit(ItemStore& store, BranchRef branch, std::uint64_t index);
// Behind the visible item that ends there: where arrays insert (AbstractType.js,
// typeListInsertGenerics). Requires index <= the branch's length.
Gap GapAfterUnit(ItemStore& store, BranchRef branch, std::uint64_t index);

// Deletes up to `length` visible units from `index` on.
void DeleteUnits(ItemStore& store, BranchRef branch, std::uint64_t index, std::uint64_t length);

}  // namespace coterie::crdt
