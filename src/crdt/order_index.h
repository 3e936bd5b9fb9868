#pragma once

// Where in its list an item is, and what is at a position: a B+tree per list over all its items,
// deleted ones too, that sums up the visible size below each node in UTF-16 units, UTF-8 bytes and
// code points. An item knows its leaf. All trees of a document share one pool of nodes.
// Owner: the ItemStore, which tells of every change; lists get a tree when someone asks for a
// position and they are long enough.
// Formatting marks are summed up too, so that the formatting at a place costs no walk.
// Invariants: an inner node's size of a child is the sum over it; a leaf's items are neighbours in
// the list, in order; no node is empty, but for none at all.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/utf8.h"
#include "crdt/item.h"

namespace coterie::crdt {

class ItemStore;

// What positions are counted in.
enum class Measure : std::uint8_t { kUnits, kCodePoints, kBytes };

inline std::uint64_t SizeIn(const TextSize& size, Measure measure) {
  switch (measure) {
    case Measure::kUnits:
      return size.utf16;
    case Measure::kCodePoints:
      return size.code_points;
    case Measure::kBytes:
      return size.bytes;
  }
  return 0;
}

class OrderIndex {
 public:
  using Root = std::uint32_t;  // 0 = no tree.

  explicit OrderIndex(ItemStore& store) : store_(&store) {}

  // Over the list that begins with `head`, which is not empty.
  Root Build(ItemRef head);
  void Drop(Root root);

  // Behind `left`, or at the front if that is 0.
  void Insert(Root& root, ItemRef left, ItemRef item);
  // Requires an item whose visible size is 0 or is given.
  void Remove(Root& root, ItemRef item, const TextSize& visible);
  // The right neighbour of `left` becomes part of it; `visible` is its size.
  void MergeRight(Root& root, ItemRef left, ItemRef right, const TextSize& visible);
  void Grow(ItemRef item, const TextSize& by);
  void Shrink(ItemRef item, const TextSize& by);

  struct Spot {
    ItemRef item = 0;
    std::uint64_t rest = 0;  // From its start to the position.
    TextSize before;         // What is visible to its left.
  };
  // The visible item that holds the unit, code point or byte at `position`. Requires one.
  Spot Find(Root root, std::uint64_t position, Measure measure) const;
  std::uint64_t UnitsBefore(ItemRef item) const;
  TextSize SizeBefore(ItemRef item) const;
  TextSize Total(Root root) const;
  // The first item behind `item` that is visible or a live formatting mark; 0 if there is none.
  ItemRef NextLive(ItemRef item) const;

  // The formatting of one key to the left of a place.
  struct Mark {
    Atom key = 0;
    ItemRef last = 0;      // The live mark that decides.
    ItemRef start = 0;     // Since that one the key has a value; 0 if it has none.
    bool has_end = false;  // A mark that ends it is among those that were looked at.
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  // Of every key that has a live mark to the left of `item`, in no order.
  std::vector<Mark> MarksBefore(ItemRef item) const;
  // Has to be told when a mark that is in a tree was deleted.
  void MarkDeleted(ItemRef item);

  // Requires items of one list.
  bool IsBefore(ItemRef a, ItemRef b) const;

  std::size_t memory_bytes() const;
  // Walks the whole tree along the list that begins with `head`.
  void CheckInvariantsDeep(Root root, ItemRef head) const;

 private:
  static constexpr std::uint32_t kLeafMax = 32;
  static constexpr std::uint32_t kInnerMax = 16;
  static constexpr std::uint32_t kInnerBit = 1u << 31;  // In a node's number: it is an inner one.
  // Marks of more keys than a writer has use for are not summed up, so that summing up stays cheap:
  // who asks goes down to where there are fewer.
  static constexpr std::size_t kSummedKeysMax = 64;
  static constexpr std::uint32_t kTooMany = 0xffff'ffff;

  struct Leaf {
    std::uint32_t parent = 0;  // An inner node, 0 = it is the root. While free: the next free one.
    std::uint16_t slot = 0;    // Of this among the parent's children.
    std::uint16_t count = 0;
    ItemRef items[kLeafMax];
    std::uint32_t units[kLeafMax];  // Visible.
  };
  struct Child {
    std::uint32_t node = 0;
    std::uint32_t marks = 0;  // What marks_ has of it; 0 = no live mark is below. Or kTooMany.
    TextSize size;
  };
  struct Inner {
    std::uint32_t parent = 0;
    std::uint16_t slot = 0;
    std::uint16_t count = 0;
    Child children[kInnerMax];
  };

  static bool IsInner(std::uint32_t node) { return (node & kInnerBit) != 0; }
  Leaf& LeafAt(std::uint32_t node) { return leaves_[node]; }
  const Leaf& LeafAt(std::uint32_t node) const { return leaves_[node]; }
  Inner& InnerAt(std::uint32_t node) { return inners_[node & ~kInnerBit]; }
  const Inner& InnerAt(std::uint32_t node) const { return inners_[node & ~kInnerBit]; }
  std::uint32_t NewLeaf();
  std::uint32_t NewInner();
  void FreeNode(std::uint32_t node);
  void SetParent(std::uint32_t node, std::uint32_t parent, std::uint32_t slot);
  std::uint32_t ParentOf(std::uint32_t node) const;
  std::uint32_t SlotOf(std::uint32_t node) const;
  std::uint32_t SlotIn(const Leaf& leaf, ItemRef item) const;
  TextSize SizeOf(std::uint32_t node) const;

  bool IsLiveMark(ItemRef item) const;
  bool EndsKey(ItemRef item) const;
  Mark MarkOf(ItemRef item) const;
  class MarkSum;
  // False: they are of more than kSummedKeysMax keys.
  bool SumMarks(std::uint32_t node, std::vector<Mark>& marks) const;
  void AddMarksOf(const Child& child, MarkSum& sum) const;
  void AddMarksOf(const Leaf& leaf, std::uint32_t end, MarkSum& sum) const;
  void FreeMarks(Child& child);
  void RefreshMarksOf(Child& child);
  void RefreshMarks(std::uint32_t node);
  std::uint32_t FirstLiveChild(const Inner& inner, std::uint32_t from) const;

  Root BuildAbove(std::vector<std::uint32_t> level);
  std::uint32_t SplitLeaf(Root& root, std::uint32_t node, std::uint32_t from);
  void InsertChild(Root& root, std::uint32_t left, std::uint32_t node, const TextSize& size);
  std::uint32_t SplitInner(Root& root, std::uint32_t node);
  void RemoveNode(Root& root, std::uint32_t node);
  void RemoveSlot(Root& root, std::uint32_t node, std::uint32_t slot);
  void MaybeJoin(Root& root, std::uint32_t leaf);
  void AddAbove(std::uint32_t node, const TextSize& size);
  void SubtractAbove(std::uint32_t node, const TextSize& size);

  ItemStore* store_;
  std::vector<Leaf> leaves_;  // [0] is not used.
  std::vector<Inner> inners_;
  std::uint32_t free_leaf_ = 0;
  std::uint32_t free_inner_ = 0;
  std::vector<std::vector<Mark>> marks_;  // Per child that has some; [0] is not used.
  std::vector<std::uint32_t> free_marks_;
  bool has_marks_ = false;  // Some tree ever had one.
};

}  // namespace coterie::crdt
