#include "crdt/order_index.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

// How full Build() makes nodes: some room for the edits that follow.
constexpr std::uint32_t kBuildLeaf = 28;
constexpr std::uint32_t kBuildInner = 14;

}  // namespace

std::uint32_t OrderIndex::NewLeaf() {
  if (leaves_.empty()) leaves_.emplace_back();
  if (free_leaf_ == 0) {
    leaves_.emplace_back();
    return static_cast<std::uint32_t>(leaves_.size() - 1);
  }
  const std::uint32_t node = free_leaf_;
  free_leaf_ = leaves_[node].parent;
  leaves_[node].parent = 0;
  leaves_[node].count = 0;
  return node;
}

std::uint32_t OrderIndex::NewInner() {
  if (inners_.empty()) inners_.emplace_back();
  if (free_inner_ == 0) {
    inners_.emplace_back();
    return static_cast<std::uint32_t>(inners_.size() - 1) | kInnerBit;
  }
  const std::uint32_t node = free_inner_;
  free_inner_ = InnerAt(node).parent;
  InnerAt(node).parent = 0;
  InnerAt(node).count = 0;
  return node;
}

void OrderIndex::FreeNode(std::uint32_t node) {
  if (IsInner(node)) {
    InnerAt(node).parent = free_inner_;
    InnerAt(node).count = 0;
    free_inner_ = node;
  } else {
    LeafAt(node).parent = free_leaf_;
    LeafAt(node).count = 0;
    free_leaf_ = node;
  }
}

void OrderIndex::SetParent(std::uint32_t node, std::uint32_t parent, std::uint32_t slot) {
  if (IsInner(node)) {
    InnerAt(node).parent = parent;
    InnerAt(node).slot = static_cast<std::uint16_t>(slot);
  } else {
    LeafAt(node).parent = parent;
    LeafAt(node).slot = static_cast<std::uint16_t>(slot);
  }
}

std::uint32_t OrderIndex::ParentOf(std::uint32_t node) const {
  return IsInner(node) ? InnerAt(node).parent : LeafAt(node).parent;
}

std::uint32_t OrderIndex::SlotOf(std::uint32_t node) const {
  return IsInner(node) ? InnerAt(node).slot : LeafAt(node).slot;
}

std::uint32_t OrderIndex::SlotIn(const Leaf& leaf, ItemRef item) const {
  const ItemRef* end = leaf.items + leaf.count;
  const ItemRef* found = std::find(leaf.items, end, item);
  CHECK(found != end);
  return static_cast<std::uint32_t>(found - leaf.items);
}

TextSize OrderIndex::SizeOf(std::uint32_t node) const {
  TextSize size;
  if (IsInner(node)) {
    const Inner& inner = InnerAt(node);
    for (std::uint32_t i = 0; i < inner.count; ++i) size += inner.children[i].size;
    return size;
  }
  const Leaf& leaf = LeafAt(node);
  for (std::uint32_t i = 0; i < leaf.count; ++i) {
    if (leaf.units[i] != 0) size += store_->VisibleSize(leaf.items[i]);
  }
  return size;
}

OrderIndex::Root OrderIndex::Build(ItemRef head) {
  CHECK(head != 0);
  std::vector<std::uint32_t> leaves;
  for (ItemRef item = head; item != 0; item = store_->At(item).right) {
    if (leaves.empty() || LeafAt(leaves.back()).count == kBuildLeaf) leaves.push_back(NewLeaf());
    Leaf& leaf = LeafAt(leaves.back());
    leaf.items[leaf.count] = item;
    leaf.units[leaf.count] = store_->VisibleUnits(item);
    ++leaf.count;
    store_->At(item).leaf = leaves.back();
    has_marks_ = has_marks_ || IsLiveMark(item);
  }
  return BuildAbove(std::move(leaves));
}

OrderIndex::Root OrderIndex::BuildAbove(std::vector<std::uint32_t> level) {
  while (level.size() > 1) {
    std::vector<std::uint32_t> above;
    for (const std::uint32_t node : level) {
      if (above.empty() || InnerAt(above.back()).count == kBuildInner) above.push_back(NewInner());
      Inner& inner = InnerAt(above.back());
      SetParent(node, above.back(), inner.count);
      Child& child = inner.children[inner.count++];
      child = {.node = node, .marks = 0, .size = SizeOf(node)};
      if (has_marks_) RefreshMarksOf(child);
    }
    level = std::move(above);
  }
  SetParent(level[0], 0, 0);
  return level[0];
}

void OrderIndex::Drop(Root root) {
  std::vector<std::uint32_t> left = {root};
  while (!left.empty()) {
    const std::uint32_t node = left.back();
    left.pop_back();
    if (node == 0) continue;
    if (IsInner(node)) {
      Inner& inner = InnerAt(node);
      for (std::uint32_t i = 0; i < inner.count; ++i) {
        left.push_back(inner.children[i].node);
        FreeMarks(inner.children[i]);
      }
    } else {
      const Leaf& leaf = LeafAt(node);
      for (std::uint32_t i = 0; i < leaf.count; ++i) store_->At(leaf.items[i]).leaf = 0;
    }
    FreeNode(node);
  }
}

void OrderIndex::AddAbove(std::uint32_t node, const TextSize& size) {
  for (std::uint32_t parent = ParentOf(node); parent != 0; parent = InnerAt(node).parent) {
    InnerAt(parent).children[SlotOf(node)].size += size;
    node = parent;
  }
}

void OrderIndex::SubtractAbove(std::uint32_t node, const TextSize& size) {
  for (std::uint32_t parent = ParentOf(node); parent != 0; parent = InnerAt(node).parent) {
    InnerAt(parent).children[SlotOf(node)].size -= size;
    node = parent;
  }
}

void OrderIndex::Insert(Root& root, ItemRef left, ItemRef item) {
  std::uint32_t node = root;
  std::uint32_t slot = 0;
  if (left != 0) {
    node = store_->At(left).leaf;
    slot = SlotIn(LeafAt(node), left) + 1;
  } else {
    while (IsInner(node)) node = InnerAt(node).children[0].node;
  }
  if (LeafAt(node).count == kLeafMax) {
    // At the very end of a leaf the new one starts empty, so that who appends leaves full ones.
    const std::uint32_t from = slot == kLeafMax ? kLeafMax : kLeafMax / 2;
    const std::uint32_t next = SplitLeaf(root, node, from);
    if (slot > from || from == kLeafMax) {
      slot -= from;
      node = next;
    }
  }
  Leaf& leaf = LeafAt(node);
  std::copy_backward(leaf.items + slot, leaf.items + leaf.count, leaf.items + leaf.count + 1);
  std::copy_backward(leaf.units + slot, leaf.units + leaf.count, leaf.units + leaf.count + 1);
  const TextSize size = store_->VisibleSize(item);
  leaf.items[slot] = item;
  leaf.units[slot] = static_cast<std::uint32_t>(size.utf16);
  ++leaf.count;
  store_->At(item).leaf = node;
  if (size.utf16 != 0) AddAbove(node, size);
  if (IsLiveMark(item)) {
    has_marks_ = true;
    RefreshMarks(node);
  }
}

// Moves the items [from, count) to a new leaf to the right, which may be empty for the moment.
std::uint32_t OrderIndex::SplitLeaf(Root& root, std::uint32_t node, std::uint32_t from) {
  const std::uint32_t next = NewLeaf();
  Leaf& leaf = LeafAt(node);
  Leaf& right = LeafAt(next);
  right.count = static_cast<std::uint16_t>(leaf.count - from);
  std::copy(leaf.items + from, leaf.items + leaf.count, right.items);
  std::copy(leaf.units + from, leaf.units + leaf.count, right.units);
  leaf.count = static_cast<std::uint16_t>(from);
  for (std::uint32_t i = 0; i < right.count; ++i) store_->At(right.items[i]).leaf = next;
  InsertChild(root, node, next, SizeOf(next));
  RefreshMarks(node);
  RefreshMarks(next);
  return next;
}

// Puts `node`, whose size was part of that of `left`, to the right of it.
void OrderIndex::InsertChild(Root& root, std::uint32_t left, std::uint32_t node,
                             const TextSize& size) {
  std::uint32_t parent = ParentOf(left);
  if (parent == 0) {
    parent = NewInner();
    Inner& top = InnerAt(parent);
    top.count = 1;
    top.children[0] = {.node = left, .marks = 0, .size = SizeOf(left) + size};
    SetParent(left, parent, 0);
    root = parent;
  } else if (InnerAt(parent).count == kInnerMax) {
    SplitInner(root, parent);
    parent = ParentOf(left);
  }
  Inner& inner = InnerAt(parent);
  const std::uint32_t slot = SlotOf(left) + 1;
  for (std::uint32_t i = inner.count; i > slot; --i) {
    inner.children[i] = inner.children[i - 1];
    SetParent(inner.children[i].node, parent, i);
  }
  inner.children[slot] = {.node = node, .marks = 0, .size = size};
  inner.children[slot - 1].size -= size;
  ++inner.count;
  SetParent(node, parent, slot);
}

std::uint32_t OrderIndex::SplitInner(Root& root, std::uint32_t node) {
  const std::uint32_t next = NewInner();
  Inner& inner = InnerAt(node);
  Inner& right = InnerAt(next);
  // The last of a tree that grows at its end stays almost full.
  const bool is_last = inner.parent == 0 || inner.slot + 1 == InnerAt(inner.parent).count;
  const std::uint32_t from = is_last ? kInnerMax - 2 : kInnerMax / 2;
  right.count = static_cast<std::uint16_t>(inner.count - from);
  TextSize size;
  for (std::uint32_t i = 0; i < right.count; ++i) {
    right.children[i] = inner.children[from + i];
    size += right.children[i].size;
    SetParent(right.children[i].node, next, i);
  }
  inner.count = static_cast<std::uint16_t>(from);
  InsertChild(root, node, next, size);
  RefreshMarks(node);
  RefreshMarks(next);
  return next;
}

void OrderIndex::Remove(Root& root, ItemRef item, const TextSize& visible) {
  const std::uint32_t node = store_->At(item).leaf;
  if (visible.utf16 != 0) SubtractAbove(node, visible);
  RemoveSlot(root, node, SlotIn(LeafAt(node), item));
}

void OrderIndex::MergeRight(Root& root, ItemRef left, ItemRef right, const TextSize& visible) {
  const std::uint32_t node = store_->At(right).leaf;
  if (store_->At(left).leaf != node) {
    Remove(root, right, visible);
    if (visible.utf16 != 0) Grow(left, visible);
    return;
  }
  Leaf& leaf = LeafAt(node);
  const std::uint32_t slot = SlotIn(leaf, right);
  CHECK(slot > 0 && leaf.items[slot - 1] == left);
  leaf.units[slot - 1] += leaf.units[slot];
  RemoveSlot(root, node, slot);
}

void OrderIndex::RemoveSlot(Root& root, std::uint32_t node, std::uint32_t slot) {
  Leaf& leaf = LeafAt(node);
  store_->At(leaf.items[slot]).leaf = 0;
  std::copy(leaf.items + slot + 1, leaf.items + leaf.count, leaf.items + slot);
  std::copy(leaf.units + slot + 1, leaf.units + leaf.count, leaf.units + slot);
  --leaf.count;
  if (leaf.count == 0) {
    RemoveNode(root, node);
  } else if (leaf.count <= kLeafMax / 4) {
    MaybeJoin(root, node);
  }
}

// Takes an empty node out of the tree, and what becomes empty above it.
void OrderIndex::RemoveNode(Root& root, std::uint32_t node) {
  const std::uint32_t parent = ParentOf(node);
  const std::uint32_t slot = SlotOf(node);
  FreeNode(node);
  if (parent == 0) {
    root = 0;
    return;
  }
  Inner& inner = InnerAt(parent);
  FreeMarks(inner.children[slot]);
  for (std::uint32_t i = slot + 1; i < inner.count; ++i) {
    inner.children[i - 1] = inner.children[i];
    SetParent(inner.children[i - 1].node, parent, i - 1);
  }
  --inner.count;
  if (inner.count == 0) {
    RemoveNode(root, parent);
  } else if (inner.count == 1 && inner.parent == 0) {
    FreeMarks(inner.children[0]);
    root = inner.children[0].node;
    SetParent(root, 0, 0);
    FreeNode(parent);
  } else {
    RefreshMarks(parent);
  }
}

// Moves the items of a leaf that has few to its right neighbour under the same parent.
void OrderIndex::MaybeJoin(Root& root, std::uint32_t node) {
  const Leaf& leaf = LeafAt(node);
  if (leaf.parent == 0) return;
  Inner& inner = InnerAt(leaf.parent);
  if (leaf.slot + 1 == inner.count) return;
  const std::uint32_t next = inner.children[leaf.slot + 1].node;
  Leaf& right = LeafAt(next);
  if (leaf.count + right.count > kLeafMax * 3 / 4) return;
  std::copy_backward(right.items, right.items + right.count,
                     right.items + right.count + leaf.count);
  std::copy_backward(right.units, right.units + right.count,
                     right.units + right.count + leaf.count);
  std::copy(leaf.items, leaf.items + leaf.count, right.items);
  std::copy(leaf.units, leaf.units + leaf.count, right.units);
  for (std::uint32_t i = 0; i < leaf.count; ++i) store_->At(right.items[i]).leaf = next;
  right.count = static_cast<std::uint16_t>(right.count + leaf.count);
  inner.children[leaf.slot + 1].size += inner.children[leaf.slot].size;
  RemoveNode(root, node);
  RefreshMarks(next);
}

bool OrderIndex::IsLiveMark(ItemRef item) const {
  const Item& record = store_->At(item);
  return record.kind() == ContentKind::kFormat && !record.is_deleted;
}

bool OrderIndex::EndsKey(ItemRef item) const { return store_->BytesOf(store_->At(item)) == "null"; }

OrderIndex::Mark OrderIndex::MarkOf(ItemRef item) const {
  const bool ends = EndsKey(item);
  return {.key = store_->ExtentOf(store_->At(item)).extra,
          .last = item,
          .start = ends ? 0 : item,
          .has_end = ends};
}

// The marks of a piece of a list that grows to the left.
class OrderIndex::MarkSum {
 public:
  void AddLeft(const std::vector<Mark>& left) {
    for (const Mark& earlier : left) AddLeft(earlier);
  }
  void AddLeft(const Mark& earlier) {
    Mark* found = Find(earlier.key);
    if (found == nullptr) {
      if (marks_.size() >= kSummedKeysMax) places_.emplace(earlier.key, marks_.size());
      marks_.push_back(earlier);
    } else if (!found->has_end) {
      if (earlier.start != 0) found->start = earlier.start;
      found->has_end = earlier.has_end || earlier.start == 0;
    }
  }
  std::size_t size() const { return marks_.size(); }
  std::vector<Mark> Take() { return std::move(marks_); }

 private:
  Mark* Find(Atom key) {
    const std::size_t walked = std::min(marks_.size(), kSummedKeysMax);
    for (std::size_t i = 0; i < walked; ++i) {
      if (marks_[i].key == key) return &marks_[i];
    }
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &marks_[found->second];
  }

  std::vector<Mark> marks_;
  std::unordered_map<Atom, std::size_t> places_;  // Of all but the first ones.
};

void OrderIndex::AddMarksOf(const Leaf& leaf, std::uint32_t end, MarkSum& sum) const {
  for (std::uint32_t i = end; i-- > 0;) {
    if (leaf.units[i] == 0 && IsLiveMark(leaf.items[i])) sum.AddLeft(MarkOf(leaf.items[i]));
  }
}

void OrderIndex::AddMarksOf(const Child& child, MarkSum& sum) const {
  if (child.marks == 0) return;
  if (child.marks != kTooMany) return sum.AddLeft(marks_[child.marks]);
  const Inner& inner = InnerAt(child.node);  // A leaf has too few items.
  for (std::uint32_t i = inner.count; i-- > 0;) AddMarksOf(inner.children[i], sum);
}

bool OrderIndex::SumMarks(std::uint32_t node, std::vector<Mark>& marks) const {
  MarkSum sum;
  if (!IsInner(node)) {
    AddMarksOf(LeafAt(node), LeafAt(node).count, sum);
  } else {
    const Inner& inner = InnerAt(node);
    for (std::uint32_t i = inner.count; i-- > 0;) {
      if (inner.children[i].marks == kTooMany) return false;
      AddMarksOf(inner.children[i], sum);
      if (sum.size() > kSummedKeysMax) return false;
    }
  }
  marks = sum.Take();
  return true;
}

void OrderIndex::FreeMarks(Child& child) {
  if (child.marks != 0 && child.marks != kTooMany) {
    marks_[child.marks] = {};
    free_marks_.push_back(child.marks);
  }
  child.marks = 0;
}

void OrderIndex::RefreshMarksOf(Child& child) {
  std::vector<Mark> marks;
  const bool are_few = SumMarks(child.node, marks);
  if (!are_few || marks.empty()) {
    FreeMarks(child);
    child.marks = are_few ? 0 : kTooMany;
    return;
  }
  if (child.marks == 0 || child.marks == kTooMany) {
    if (marks_.empty()) marks_.emplace_back();
    if (free_marks_.empty()) {
      free_marks_.push_back(static_cast<std::uint32_t>(marks_.size()));
      marks_.emplace_back();
    }
    child.marks = free_marks_.back();
    free_marks_.pop_back();
  }
  marks_[child.marks] = std::move(marks);
}

// Sums up a node's marks again, and those of all above it.
void OrderIndex::RefreshMarks(std::uint32_t node) {
  if (!has_marks_) return;
  for (std::uint32_t parent = ParentOf(node); parent != 0; parent = InnerAt(node).parent) {
    RefreshMarksOf(InnerAt(parent).children[SlotOf(node)]);
    node = parent;
  }
}

void OrderIndex::MarkDeleted(ItemRef item) { RefreshMarks(store_->At(item).leaf); }

std::vector<OrderIndex::Mark> OrderIndex::MarksBefore(ItemRef item) const {
  if (!has_marks_) return {};
  MarkSum sum;
  std::uint32_t node = store_->At(item).leaf;
  const Leaf& leaf = LeafAt(node);
  AddMarksOf(leaf, SlotIn(leaf, item), sum);
  for (std::uint32_t parent = leaf.parent; parent != 0; parent = InnerAt(node).parent) {
    const Inner& inner = InnerAt(parent);
    for (std::uint32_t i = SlotOf(node); i-- > 0;) AddMarksOf(inner.children[i], sum);
    node = parent;
  }
  return sum.Take();
}

std::uint32_t OrderIndex::FirstLiveChild(const Inner& inner, std::uint32_t from) const {
  for (std::uint32_t i = from; i < inner.count; ++i) {
    if (inner.children[i].size.utf16 != 0 || inner.children[i].marks != 0) return i;
  }
  return inner.count;
}

ItemRef OrderIndex::NextLive(ItemRef item) const {
  std::uint32_t node = store_->At(item).leaf;
  const auto first_live = [this](const Leaf& leaf, std::uint32_t from) -> ItemRef {
    for (std::uint32_t i = from; i < leaf.count; ++i) {
      if (leaf.units[i] != 0 || IsLiveMark(leaf.items[i])) return leaf.items[i];
    }
    return 0;
  };
  const ItemRef near = first_live(LeafAt(node), SlotIn(LeafAt(node), item) + 1);
  if (near != 0) return near;
  std::uint32_t parent = ParentOf(node);
  std::uint32_t slot = SlotOf(node) + 1;
  while (parent != 0 && FirstLiveChild(InnerAt(parent), slot) == InnerAt(parent).count) {
    slot = SlotOf(parent) + 1;
    parent = ParentOf(parent);
  }
  if (parent == 0) return 0;
  node = InnerAt(parent).children[FirstLiveChild(InnerAt(parent), slot)].node;
  while (IsInner(node)) node = InnerAt(node).children[FirstLiveChild(InnerAt(node), 0)].node;
  return first_live(LeafAt(node), 0);
}

void OrderIndex::Grow(ItemRef item, const TextSize& by) {
  const std::uint32_t node = store_->At(item).leaf;
  Leaf& leaf = LeafAt(node);
  leaf.units[SlotIn(leaf, item)] += static_cast<std::uint32_t>(by.utf16);
  AddAbove(node, by);
}

void OrderIndex::Shrink(ItemRef item, const TextSize& by) {
  const std::uint32_t node = store_->At(item).leaf;
  Leaf& leaf = LeafAt(node);
  leaf.units[SlotIn(leaf, item)] -= static_cast<std::uint32_t>(by.utf16);
  SubtractAbove(node, by);
}

OrderIndex::Spot OrderIndex::Find(Root root, std::uint64_t position, Measure measure) const {
  Spot spot;
  std::uint32_t node = root;
  while (IsInner(node)) {
    const Inner& inner = InnerAt(node);
    std::uint32_t slot = 0;
    for (; slot < inner.count; ++slot) {
      const TextSize& child = inner.children[slot].size;
      const std::uint64_t size = SizeIn(child, measure);
      if (position < size) break;
      position -= size;
      spot.before += child;
    }
    CHECK(slot < inner.count);
    node = inner.children[slot].node;
  }
  const Leaf& leaf = LeafAt(node);
  for (std::uint32_t slot = 0; slot < leaf.count; ++slot) {
    if (leaf.units[slot] == 0) continue;
    const TextSize size = store_->VisibleSize(leaf.items[slot]);
    if (position < SizeIn(size, measure)) {
      spot.item = leaf.items[slot];
      spot.rest = position;
      return spot;
    }
    position -= SizeIn(size, measure);
    spot.before += size;
  }
  CHECK(false);
  return spot;
}

std::uint64_t OrderIndex::UnitsBefore(ItemRef item) const {
  std::uint32_t node = store_->At(item).leaf;
  const Leaf& leaf = LeafAt(node);
  const std::uint32_t slot = SlotIn(leaf, item);
  std::uint64_t units = 0;
  for (std::uint32_t i = 0; i < slot; ++i) units += leaf.units[i];
  for (std::uint32_t parent = leaf.parent; parent != 0; parent = InnerAt(node).parent) {
    const Inner& inner = InnerAt(parent);
    for (std::uint32_t i = 0; i < SlotOf(node); ++i) units += inner.children[i].size.utf16;
    node = parent;
  }
  return units;
}

TextSize OrderIndex::SizeBefore(ItemRef item) const {
  std::uint32_t node = store_->At(item).leaf;
  const Leaf& leaf = LeafAt(node);
  const std::uint32_t slot = SlotIn(leaf, item);
  TextSize size;
  for (std::uint32_t i = 0; i < slot; ++i) {
    if (leaf.units[i] != 0) size += store_->VisibleSize(leaf.items[i]);
  }
  for (std::uint32_t parent = leaf.parent; parent != 0; parent = InnerAt(node).parent) {
    const Inner& inner = InnerAt(parent);
    for (std::uint32_t i = 0; i < SlotOf(node); ++i) size += inner.children[i].size;
    node = parent;
  }
  return size;
}

TextSize OrderIndex::Total(Root root) const { return SizeOf(root); }

bool OrderIndex::IsBefore(ItemRef a, ItemRef b) const {
  std::uint32_t node_a = store_->At(a).leaf;
  std::uint32_t node_b = store_->At(b).leaf;
  if (node_a == node_b) return SlotIn(LeafAt(node_a), a) < SlotIn(LeafAt(node_b), b);
  // All leaves of a tree are equally deep, so the paths up meet at the same step.
  while (ParentOf(node_a) != ParentOf(node_b)) {
    node_a = ParentOf(node_a);
    node_b = ParentOf(node_b);
    CHECK(node_a != 0 && node_b != 0);
  }
  return SlotOf(node_a) < SlotOf(node_b);
}

std::size_t OrderIndex::memory_bytes() const {
  std::size_t bytes = leaves_.capacity() * sizeof(Leaf) + inners_.capacity() * sizeof(Inner);
  for (const std::vector<Mark>& marks : marks_)
    bytes += sizeof(marks) + sizeof(Mark) * marks.size();
  return bytes;
}

void OrderIndex::CheckInvariantsDeep(Root root, ItemRef head) const {
  ItemRef expected = head;
  std::vector<std::uint32_t> left = {root};
  CHECK(ParentOf(root) == 0);
  while (!left.empty()) {
    const std::uint32_t node = left.back();
    left.pop_back();
    if (!IsInner(node)) {
      const Leaf& leaf = LeafAt(node);
      CHECK(leaf.count > 0 && leaf.count <= kLeafMax);
      for (std::uint32_t i = 0; i < leaf.count; ++i) {
        CHECK(leaf.items[i] == expected);
        CHECK(store_->At(expected).leaf == node);
        CHECK(leaf.units[i] == store_->VisibleUnits(expected));
        expected = store_->At(expected).right;
      }
      continue;
    }
    const Inner& inner = InnerAt(node);
    CHECK(inner.count > 0 && inner.count <= kInnerMax);
    for (std::uint32_t i = inner.count; i-- > 0;) {
      const Child& child = inner.children[i];
      CHECK(ParentOf(child.node) == node && SlotOf(child.node) == i);
      CHECK(child.size == SizeOf(child.node));
      std::vector<Mark> marks;
      const bool are_few = SumMarks(child.node, marks);
      CHECK(are_few == (child.marks != kTooMany));
      CHECK(!are_few || (child.marks == 0 ? marks.empty() : marks == marks_[child.marks]));
      left.push_back(child.node);
    }
  }
  CHECK(expected == 0);
}

}  // namespace coterie::crdt
