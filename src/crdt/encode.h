#pragma once

// From a hot document to update bytes of format V1. Functions over the ItemStore.
// Source: yjs 13.6, writeClientsStructs in src/utils/encoding.js; Item.write.

#include <string>

#include "crdt/delete_set.h"
#include "crdt/state_vector.h"

namespace coterie::crdt {

class ItemStore;

// All structs that `known` lacks, and the whole delete set; nothing that is pending.
std::string EncodeState(const ItemStore& store, const StateVector& known);
// What the open transaction brought, after its end's merges; "" if it brought nothing.
void EncodeChanges(const ItemStore& store, std::string& update);
// All that is deleted.
DeleteSet CollectDeleteSet(const ItemStore& store);

}  // namespace coterie::crdt
