#pragma once

// Edits of formatted text: where formatting marks go when text is inserted, formatted or deleted.
// A place in the text is a gap between two items and the formatting that is in force there.
// Text (text.h) decides when this is needed. One owner, for one edit.
// Source: yjs 13.6, src/types/YText.js.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/events.h"
#include "crdt/item.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class ItemStore;

// Whether two attribute values, JSON as JSON.stringify writes it, are the same to Yjs.
bool IsSameAttribute(std::string_view a, std::string_view b);

// Attributes by name, in JavaScript's order of a Map: where a name was set first.
class AttributeMap {
 public:
  using Entry = std::pair<Atom, std::string>;

  // Null if there is none.
  const std::string* Find(Atom key) const;
  void Set(Atom key, std::string_view json);
  void Erase(Atom key);
  // What a mark does: "null" erases.
  void Apply(Atom key, std::string_view json);
  bool empty() const { return entries_.empty(); }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

class RichText {
 public:
  RichText(ItemStore& store, ClientIndex writer, BranchRef branch);

  // Goes behind the unit before `index`, or to the end.
  void MoveTo(std::uint64_t index);

  // What is inserted: text, the JSON of an embed, or a type.
  struct Insertion {
    ContentKind kind;
    std::string_view text;
    const NewType* type = nullptr;
  };
  // With exactly these attributes; yields the item.
  ItemRef Insert(const Insertion& insertion, const Attributes& attributes);
  // With those that are in force here.
  ItemRef InsertLikeLeft(const Insertion& insertion);
  // The next `length` units. Past the end line feeds are added, as Quill expects.
  void Format(std::uint64_t length, const Attributes& attributes);
  void Delete(std::uint64_t length);
  // Goes over the next `length` units, without changing them.
  void Retain(std::uint64_t length);
  bool AtEnd() const { return right_ == 0; }

 private:
  bool IsMark(ItemRef ref) const;
  Atom KeyOf(ItemRef ref) const;
  std::string_view ValueOf(ItemRef ref) const;
  AttributeMap ToMap(const Attributes& attributes) const;
  AttributeMap AttributesAfter(ItemRef left) const;
  ItemRef NextLiveFrom(ItemRef ref) const;
  void Forward();
  void SkipSame(const AttributeMap& attributes);
  AttributeMap InsertMarks(const AttributeMap& attributes);
  void InsertNegated(AttributeMap negated);
  void InsertMark(Atom key, std::string_view json);
  ItemRef InsertContent(const Insertion& insertion);
  bool FormatMark(const AttributeMap& attributes, AttributeMap& negated, std::uint64_t length);
  void CleanGap(ItemRef start, const AttributeMap& before);
  ItemRef FindContent(ItemRef start, std::vector<ItemRef>& last_marks) const;

  ItemStore& store_;
  ClientIndex writer_;
  BranchRef branch_;
  bool is_indexed_;
  std::uint64_t index_ = 0;
  ItemRef left_ = 0;
  ItemRef right_ = 0;
  AttributeMap current_;
};

}  // namespace coterie::crdt
