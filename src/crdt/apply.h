#pragma once

// From update bytes into a hot document: in the order that dependencies allow, and what lacks one
// is handed back. Functions over the ItemStore; Doc::Apply is their only caller.
// Source: yjs 13.6, integrateStructs and readUpdateV2 in src/utils/encoding.js.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/id.h"
#include "crdt/lib0.h"
#include "crdt/state_vector.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {

class ItemStore;

// An update that was read over once and found good. Views the bytes.
struct ParsedUpdate {
  struct Group {
    Client client;
    Clock clock = 0;            // Of its first struct.
    std::uint64_t structs = 0;  // At least one.
    std::size_t begin_bytes = 0;
    std::size_t end_bytes = 0;
  };
  std::string_view bytes;
  std::vector<Group> groups;  // Descending by client.
  StructView last;            // The only struct, if there is but one: it is not read twice.
  DeleteSet deleted;
};

// Checks everything that does not depend on a document.
Malformed ParseUpdate(std::string_view update, ParsedUpdate& parsed);

// Integrates what can be; yields the rest as an update without deletions, "" if there is none.
std::string ApplyStructs(ItemStore& store, const ParsedUpdate& update);
// Of `deletes` what is not deleted yet: it is not there yet, or alive.
DeleteSet NotDeleted(const ItemStore& store, const DeleteSet& deletes);
// Deletes what is there; yields the rest.
DeleteSet ApplyDeletes(ItemStore& store, const DeleteSet& deletes);

}  // namespace coterie::crdt
