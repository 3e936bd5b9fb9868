#pragma once

// Edits of formatted text: where formatting marks go when text is inserted, formatted or deleted.
// A place in the text is a gap between two items and the formatting that is in force there.
// Text (text.h) decides when this is needed. One owner, for one edit.
// Source: yjs 13.6, src/types/YText.js.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crdt/atom_map.h"
#include "crdt/events.h"
#include "crdt/item.h"
#include "crdt/type_handle.h"

namespace coterie::crdt {

class ItemStore;

// Whether two attribute values, JSON as JSON.stringify writes it, are the same to Yjs.
bool IsSameAttribute(std::string_view a, std::string_view b);

// The JSON of attributes, by name.
using AttributeMap = AtomMap<std::string>;
// What a mark does: "null" erases.
void ApplyMark(AttributeMap& attributes, Atom key, std::string_view json);

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
  const AttributeMap& Current();
  void SetCurrent(Atom key, std::string_view json);
  void ApplyCurrent(Atom key, std::string_view json);
  void NoteOld(Atom key);
  ItemRef NextLiveFrom(ItemRef ref) const;
  void Forward();
  void SkipSame(const AttributeMap& attributes);
  AttributeMap InsertMarks(const AttributeMap& attributes);
  void InsertNegated(AttributeMap negated);
  void InsertMark(Atom key, std::string_view json);
  ItemRef InsertContent(const Insertion& insertion);
  bool FormatMark(const AttributeMap& attributes, AttributeMap& negated, std::uint64_t length);
  void CleanGap(ItemRef start);
  ItemRef FindContent(ItemRef start, AtomMap<ItemRef>& last_marks) const;

  ItemStore& store_;
  ClientIndex writer_;
  BranchRef branch_;
  bool is_indexed_;
  std::uint64_t index_ = 0;
  ItemRef left_ = 0;
  ItemRef right_ = 0;
  // What is in force behind left_. Of many attributes that takes long to find out and most edits do
  // not need it, so it is found when it is asked for: until then no mark is between anchor_, a
  // visible item or 0, and left_.
  AttributeMap current_;
  ItemRef anchor_ = 0;
  bool is_current_known_ = true;
  // While a deletion goes on: what was in force at its start, of the keys that changed since.
  std::optional<AttributeMap> before_;
};

}  // namespace coterie::crdt
