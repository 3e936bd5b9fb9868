#include "crdt/seek.h"

#include <algorithm>

#include "base/check.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

// So many items are walked from the last place before the index is asked.
constexpr int kWalkMax = 8;

bool MaybeWalk(const ItemStore& store, Branch& branch, std::uint64_t index) {
  ItemRef item = branch.cached_item;
  std::uint64_t start = branch.cached_start;
  for (int step = 0; step < kWalkMax && item != 0; ++step) {
    const std::uint32_t units = store.VisibleUnits(item);
    if (index < start) {
      item = store.At(item).left;
      if (item != 0) start -= store.VisibleUnits(item);
    } else if (index >= start + units) {
      start += units;
      item = store.At(item).right;
    } else {
      branch.cached_item = item;
      branch.cached_start = start;
      return true;
    }
  }
  return false;
}

}  // namespace

Seeked SeekUnit(ItemStore& store, BranchRef ref, std::uint64_t index) {
  Branch& branch = store.BranchAt(ref);
  CHECK(index < branch.length);
  if (!MaybeWalk(store, branch, index)) {
    if (store.MaybeBuildIndex(ref)) {
      const OrderIndex::Spot spot = store.index().Find(branch.index_root, index, Measure::kUnits);
      branch.cached_item = spot.item;
      branch.cached_start = spot.before.utf16;
    } else {
      ItemRef item = store.HeadOf(ref);
      std::uint64_t start = 0;
      while (index >= start + store.VisibleUnits(item)) {
        start += store.VisibleUnits(item);
        item = store.At(item).right;
      }
      branch.cached_item = item;
      branch.cached_start = start;
    }
  }
  return {.item = branch.cached_item, .start = branch.cached_start};
}

Gap GapBeforeUnit(ItemStore& store, BranchRef ref, std::uint64_t index) {
  if (index >= store.BranchAt(ref).length) return {.left = store.TailOf(ref), .right = 0};
  const Seeked seeked = SeekUnit(store, ref, index);
  if (seeked.start == index) return {.left = store.At(seeked.item).left, .right = seeked.item};
  const ItemRef right = store.Split(seeked.item, static_cast<Clock>(index - seeked.start));
  return {.left = seeked.item, .right = right};
}

Gap GapAfterUnit(ItemStore& store, BranchRef ref, std::uint64_t index) {
  if (index == 0) return {.left = 0, .right = store.HeadOf(ref)};
  const Seeked seeked = SeekUnit(store, ref, index - 1);
  const std::uint64_t offset = index - seeked.start;
  if (offset < store.At(seeked.item).length) store.Split(seeked.item, static_cast<Clock>(offset));
  return {.left = seeked.item, .right = store.At(seeked.item).right};
}

void DeleteUnits(ItemStore& store, BranchRef ref, std::uint64_t index, std::uint64_t length) {
  while (length > 0 && index < store.BranchAt(ref).length) {
    Seeked seeked = SeekUnit(store, ref, index);
    if (seeked.start < index) {
      seeked.item = store.Split(seeked.item, static_cast<Clock>(index - seeked.start));
    }
    const Clock size = store.At(seeked.item).length;
    if (length < size) store.Split(seeked.item, static_cast<Clock>(length));
    length -= std::min<std::uint64_t>(length, size);
    Delete(store, seeked.item);
    Branch& branch = store.BranchAt(ref);
    branch.cached_item = seeked.item;
    branch.cached_start = index;
  }
}

}  // namespace coterie::crdt
