#pragma once

// Many updates become one of the same effect, on their bytes. Clocks that several of them bring are
// written once; clocks that none brings, between others, become a skip. Byte for byte what Yjs's
// mergeUpdates makes, except that nothing is lost where that loses something: groups that are not
// in descending order are read in that order. Pure functions.
// Source: yjs 13.6, mergeUpdatesV2 in src/utils/updates.js.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "crdt/lib0.h"

namespace coterie::crdt {

struct MergeResult {
  std::string update;   // Empty if malformed.
  Malformed malformed;  // In that one of the updates:
  std::size_t which = 0;
};

// The bytes of a single update are returned as they are.
MergeResult MergeUpdates(std::span<const std::string_view> updates);

// An update of the same effect with fewer structs: neighbours that one client wrote one after the
// other become one, as they do in a document. Deletions are merged too. What is deleted is still
// there: only a document can forget it. On malformed bytes the string is empty.
MergeResult SquashUpdate(std::string_view update);

}  // namespace coterie::crdt
