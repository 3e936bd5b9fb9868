#pragma once

// The formatting of one text made what it is in another that has the same letters and objects: the
// part of restore.h that knows marks. It goes once over each of the two, from the front, so that it
// costs O(n log n) in items however many attributes are in force; what is formatted alike keeps its
// marks. One owner, for one text; both stores outlive it.
// Source: yjs 13.6, src/types/YText.js, for what marks mean and which ones are in the way.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crdt/item.h"
#include "crdt/seek.h"

namespace coterie::crdt {

class ItemStore;

// Whether there are any in the list that are not deleted. Branch::has_formats says more, and is not
// the same where a document was loaded and where it came to be.
bool HasMarks(const ItemStore& store, BranchRef branch);

class MarkRestorer {
 public:
  struct Texts {
    ItemStore& store;
    ClientIndex writer;
    BranchRef mine;
    const ItemStore& target;
    BranchRef theirs;
  };
  explicit MarkRestorer(const Texts& texts);

  // Where to insert what the other text has at `position`, so that few marks have to be changed
  // for it: where most attributes are what is wanted. Positions ascend from call to
  // call, or begin anew, once or twice; everything up to there is what it is in the target, but for
  // its formatting.
  Gap GapAt(std::uint64_t position);
  // When all else is done. `touched`: where something was deleted, or inserted on either side;
  // ascending. Of several marks of one key one is left there.
  void Restore(const std::vector<std::uint64_t>& touched);

 private:
  // What is in force: attribute -> JSON, in the atoms of `store_`.
  class Attributes {
   public:
    std::string_view At(Atom key) const;
    void Set(Atom key, std::string_view json) { values_[key] = json; }

   private:
    std::unordered_map<Atom, std::string> values_;  // Never iterated over.
  };
  // A mark of the target, in front of the unit `position`.
  struct Mark {
    std::uint64_t position = 0;
    Atom key = 0;
    std::string_view json;
  };
  struct KeyInGap;
  struct MarksInGap;

  std::string_view ValueOf(ItemRef ref) const;
  Atom KeyOf(ItemRef ref) const;
  // The live marks from `ref` on up to what is visible, which it moves on to.
  std::vector<ItemRef> TakeMarks(ItemRef& ref) const;
  void RestoreGap(const MarksInGap& gap);
  bool RestoreKey(const MarksInGap& gap, Atom key, KeyInGap& state);
  void Insert(Atom key, std::string_view json, ItemRef before);

  ItemStore& store_;
  ClientIndex writer_;
  BranchRef branch_;
  std::vector<Mark> wanted_marks_;
  std::size_t next_for_gaps_ = 0;  // Of wanted_marks_; those before are in wanted_for_gaps_.
  Attributes wanted_for_gaps_;
  Attributes held_;    // In front of what Restore() has come to, as it was found,
  Attributes wanted_;  // and as it is now.
};

}  // namespace coterie::crdt
