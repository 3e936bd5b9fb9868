#pragma once

// Puts what somebody writes into lists and maps (type_handle.h, NewContent). Functions over the
// ItemStore, for Array and Map. Source: yjs 13.6, typeListInsertGenericsAfter and typeMapSet in
// src/types/AbstractType.js.

#include <vector>

#include "crdt/item.h"
#include "crdt/seek.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class ItemStore;

// Between the two of `gap`; values that follow each other become one item. Yields the new types.
std::vector<TypeHandle> InsertContents(ItemStore& store, ClientIndex writer, BranchRef branch,
                                       Gap gap, const std::vector<NewContent>& contents);

// As the value of a key; yields the type, if it is one.
TypeHandle SetContentOf(ItemStore& store, ClientIndex writer, SequenceRef key,
                        const NewContent& content);

}  // namespace coterie::crdt
