#pragma once

// What the open transaction did, seen from outside, before its end forgets what was deleted.
// Functions over the ItemStore; Doc calls them at a transaction's end.
// Source: yjs 13.6, src/utils/YEvent.js and YTextEvent in src/types/YText.js.

#include <vector>

#include "crdt/events.h"
#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

// Of the visible text of a branch. Costs O(log n) per change.
std::vector<TextChange> ObserveText(ItemStore& store, BranchRef branch, Embeds embeds);
// One per type that is still there and that was there before. Goes over the whole of each.
std::vector<Event> ObserveTypes(ItemStore& store);

}  // namespace coterie::crdt
