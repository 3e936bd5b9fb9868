#pragma once

// The algorithm: where an item goes among those that others put at the same place at the same time
// (YATA, as yjs 13.6 has it), and how an item is deleted. Functions over the ItemStore.
// Source: Nicolaescu et al., "Near Real-Time Peer-to-Peer Shared Editing on Extensible Data Types",
// 2016; yjs 13.6, Item.integrate and Item.delete in src/structs/Item.js.

#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

// Puts a new item where it belongs. Requires: client, clock (the client's next), length, origins,
// content and sequence are set; `left` and `right` are the items of that sequence which end at the
// origin and begin at the right origin, as far as they are there. Its left becomes what it is.
void Integrate(ItemStore& store, ItemRef ref);

// Something of that id and length that nobody knows anything about.
void IntegrateGarbage(ItemStore& store, LocalId id, Clock length);

// Deletes an item and all that is in it. Nothing happens if it is deleted.
void Delete(ItemStore& store, ItemRef ref);

// Remembers for events that a type changed: its children (key 0), or that key.
void NoteChanged(ItemStore& store, BranchRef branch, Atom key);

// What local edits are made of: a new item between two neighbours of a sequence, not yet integrated
// and without content.
ItemRef NewBetween(ItemStore& store, ClientIndex client, ItemRef left, ItemRef right,
                   SequenceRef sequence);

}  // namespace coterie::crdt
