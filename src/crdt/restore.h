#pragma once

// Makes a document what another one is, a former version of it for instance, by as small a change
// as is easily found, so that who edits it at the same time keeps what the two have in common. A
// merge would not do: it can only add. Afterwards nothing that a Yjs client can see differs: values
// of every kind with their types, formats, embeds, attributes, subdocuments with their options,
// types of every kind as deep as they nest. What is compared is what the two hold, unit by unit; no
// view (view.h) is made of them.
// Costs O(n log n) in what the two roots hold, deleted items of the first too, and no recursion,
// whatever the two look like: restoring is a command of the replicated log.
// Source: none in Yjs, which leaves this to applications.

#include <string>

#include "crdt/transaction.h"

namespace coterie::crdt {

// Lists of which one is longer than this are replaced behind their common beginning.
inline constexpr std::uint64_t kComparedListMax = std::uint64_t{1} << 21;

// Changes the root type `name` of the transaction's doc to what that root is in `target`: texts by
// their letters, marks and objects, lists by their elements, maps and attributes by their keys, and
// so on within nested types.
void RestoreRoot(Transaction& transaction, Doc& doc, Doc& target, const std::string& name);

}  // namespace coterie::crdt
