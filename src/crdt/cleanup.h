#pragma once

// The end of a transaction: content of what was deleted is forgotten, and neighbours that one
// client wrote one after the other become one item. Which boundaries are tried, and in which order,
// is what makes the state's encoding equal to Yjs's. Functions over the ItemStore.
// Source: yjs 13.6, cleanupTransactions in src/utils/Transaction.js; Item.gc, Item.mergeWith.

namespace coterie::crdt {

class ItemStore;

// Sorts and joins what was deleted. To be called before the others.
void JoinDeleted(ItemStore& store);
// Counts what came as deleted as deleted by this transaction, for its update says so too.
void AddArrived(ItemStore& store);
// Forgets what was deleted, but for items that are kept.
void CollectGarbage(ItemStore& store);
// Merges around what was deleted, within what is new, and around what was split.
void MergeChanged(ItemStore& store);

}  // namespace coterie::crdt
