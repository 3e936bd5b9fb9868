#pragma once

// Makes a document what another one is, a former version of it for instance, by as small a change
// as is easily found, so that who edits it at the same time keeps what the two have in common. A
// merge would not do: it can only add. Source: none in Yjs, which leaves this to applications.

#include <string>

#include "crdt/transaction.h"

namespace coterie::crdt {

// Changes the root type `name` of the transaction's doc to what that root is in `target`: texts by
// their letters, attributes and embeds, lists by their elements, maps by their keys, and so on
// within nested types. Binary values and subdocuments in lists and maps are kept as they are where
// both have them, and are not brought back.
void RestoreRoot(Transaction& transaction, Doc& doc, Doc& target, const std::string& name);

}  // namespace coterie::crdt
