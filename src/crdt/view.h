#pragma once

// What a type holds, for readers: as a JavaScript value, as XML text, as a delta. Functions over
// the ItemStore; Array, Map, Text and xml.h are their callers. What nests deeper than kViewDepthMax
// is left out, where Yjs would run out of stack.
// Source: yjs 13.6, toJSON(), toString() and toDelta() in src/types/.

#include <cstdint>
#include <optional>
#include <string>

#include "crdt/events.h"
#include "crdt/item.h"
#include "crdt/js_value.h"
#include "crdt/view_budget.h"

namespace coterie::crdt {

class ItemStore;

inline constexpr int kViewDepthMax = 300;

// A view of a store, and what it may come to. Once that is spent, what is yielded is incomplete.
struct View {
  const ItemStore& store;
  ViewBudget& budget;
};

// toJSON() of a type, taken for one of that kind.
JsValue TypeToValue(const View& view, BranchRef branch, TypeKind kind, int depth = 0);
// toString() of a type, taken for one of that kind.
std::string TypeToString(const View& view, BranchRef branch, TypeKind kind, int depth = 0);
Delta TypeToDelta(const View& view, BranchRef branch);
// The same, of documents that are trusted.
JsValue TypeToValue(const ItemStore& store, BranchRef branch, TypeKind kind);
std::string TypeToString(const ItemStore& store, BranchRef branch, TypeKind kind);
Delta TypeToDelta(const ItemStore& store, BranchRef branch);

// The value at `offset` within an item's content.
JsValue ContentToValue(const View& view, const Item& item, Clock offset, int depth = 0);
JsValue ContentToValue(const ItemStore& store, const Item& item, Clock offset);
// The last item of a key, if it is not deleted.
ItemRef ValueItemOf(const ItemStore& store, BranchRef branch, Atom key);
// The kind that a type has or, being a root, is taken for.
TypeKind KindOr(const ItemStore& store, BranchRef branch, TypeKind kind);

// JSON.stringify, with big integers as numbers, and undefined as null.
std::string ToJson(JsValue value);

// The order in which JavaScript sorts strings.
bool IsBeforeInUtf16(std::string_view a, std::string_view b);

}  // namespace coterie::crdt
