#include "crdt/cleanup.h"

#include <algorithm>
#include <vector>

#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

using Place = StructList::Place;

bool CanMerge(const ItemStore& store, ItemRef left_ref, ItemRef right_ref) {
  const Item& left = store.At(left_ref);
  const Item& right = store.At(right_ref);
  if (left.IsGc() || right.IsGc()) return left.IsGc() && right.IsGc();
  return left.right == right_ref && left.is_deleted == right.is_deleted &&
         right.origin == left.last_id() && left.right_origin == right.right_origin &&
         !left.is_redone && !right.is_redone && ItemStore::CanMergeContent(left, right);
}

void Merge(ItemStore& store, ItemRef left_ref, ItemRef right_ref) {
  Item& left = store.At(left_ref);
  Item& right = store.At(right_ref);
  if (!left.IsGc()) {
    if (right.is_kept) left.is_kept = true;
    Branch& branch = store.BranchAt(store.BranchOf(left));
    if (branch.cached_item == right_ref) {
      branch.cached_item = left_ref;
      branch.cached_start -= store.VisibleUnits(left_ref);
    }
    if (right.leaf != 0) {
      store.index().MergeRight(branch.index_root, left_ref, right_ref,
                               store.VisibleSize(right_ref));
    }
    store.MergeContent(left, right);
    store.Unlink(right_ref);
  }
  left.length += right.length;
  store.FreeItem(right_ref);
}

// Merges the struct at `place` with those to its left while that works. Yields how many it merged;
// `place` is then where the result is.
std::size_t MergeWithLefts(ItemStore& store, ClientIndex client, Place& place) {
  StructList& structs = store.ClientAt(client).structs;
  Place first = place;
  std::size_t merged = 0;
  for (Place left = first; structs.MoveLeft(left); first = left, ++merged) {
    if (!CanMerge(store, structs.At(left), structs.At(first))) break;
  }
  // From the left, where content that grows has room to: from the right all that is merged already
  // would move each time.
  Place next = first;
  for (std::size_t i = 0; i < merged; ++i) {
    structs.MoveRight(next);
    Merge(store, structs.At(first), structs.At(next));
  }
  for (std::size_t i = 0; i < merged; ++i) {
    Place left = place;
    structs.MoveLeft(left);
    structs.Erase(place);
    place = left;
  }
  return merged;
}

// From `place` leftward, down to structs that begin at `first`.
void MergeDownTo(ItemStore& store, ClientIndex client, Place place, Clock first) {
  const StructList& structs = store.ClientAt(client).structs;
  while (place != structs.First() && structs.ClockAt(place) >= first) {
    MergeWithLefts(store, client, place);
    if (!structs.MoveLeft(place)) return;
  }
}

void MergeAround(ItemStore& store, LocalId id) {
  const StructList& structs = store.ClientAt(id.client).structs;
  Place place = structs.Find(id.clock);
  Place next = place;
  if (structs.MoveRight(next)) {
    const std::size_t merged = MergeWithLefts(store, id.client, next);
    if (merged > 1) return;
    if (merged == 1) place = next;
  }
  MergeWithLefts(store, id.client, place);
}

// Turns all that is in a type into garbage without a place. Its item is none of this one's concern.
void CollectType(ItemStore& store, BranchRef root) {
  std::vector<BranchRef> queue = {root};
  const auto collect = [&](ItemRef ref) {
    Item& item = store.At(ref);
    if (item.kind() == ContentKind::kType) {
      queue.push_back(store.TypeOf(item));
    } else {
      store.FreeContent(item);
    }
    item = Item{.clock = item.clock, .length = item.length, .client = item.client};
    item.set_kind(ContentKind::kGc);
    item.is_deleted = true;
  };
  while (!queue.empty()) {
    const BranchRef type = queue.back();
    queue.pop_back();
    store.DropIndex(type);
    for (ItemRef ref = store.HeadOf(type); ref != 0;) {
      const ItemRef next = store.At(ref).right;
      collect(ref);
      ref = next;
    }
    for (SequenceRef key = store.BranchAt(type).first_key; key != 0;) {
      for (ItemRef ref = store.SequenceAt(key).head; ref != 0;) {
        const ItemRef next = store.At(ref).right;
        collect(ref);
        ref = next;
      }
      key = store.SequenceAt(key).next_key;
    }
    store.FreeBranch(type);
  }
}

void Collect(ItemStore& store, ItemRef ref) {
  Item& item = store.At(ref);
  if (item.kind() == ContentKind::kType) {
    const BranchRef type = store.TypeOf(item);
    item.content = 0;
    CollectType(store, type);
  } else {
    store.FreeContent(item);
  }
  store.SetDeleted(item);
}

}  // namespace

void JoinDeleted(ItemStore& store) {
  std::vector<Changes::Deleted>& deleted = store.changes().deleted;
  if (deleted.size() < 2) return;
  const auto is_before = [](const Changes::Deleted& a, const Changes::Deleted& b) {
    return a.client != b.client ? a.client < b.client : a.begin < b.begin;
  };
  if (!std::is_sorted(deleted.begin(), deleted.end(), is_before)) {
    std::sort(deleted.begin(), deleted.end(), is_before);
  }
  std::size_t last = 0;
  for (std::size_t i = 1; i < deleted.size(); ++i) {
    if (deleted[last].client == deleted[i].client && deleted[last].end >= deleted[i].begin) {
      deleted[last].end = std::max(deleted[last].end, deleted[i].end);
    } else {
      deleted[++last] = deleted[i];
    }
  }
  deleted.resize(last + 1);
}

void AddArrived(ItemStore& store) {
  Changes& changes = store.changes();
  if (changes.arrived.empty()) return;
  changes.deleted.insert(changes.deleted.end(), changes.arrived.begin(), changes.arrived.end());
  JoinDeleted(store);
}

void CollectGarbage(ItemStore& store) {
  Place place;
  ClientIndex client = kNoClient;
  for (const Changes::Deleted& range : store.changes().deleted) {
    const StructList& structs = store.ClientAt(range.client).structs;
    place =
        client == range.client ? structs.FindFrom(place, range.begin) : structs.Find(range.begin);
    client = range.client;
    do {
      const ItemRef ref = structs.At(place);
      const Item& item = store.At(ref);
      if (item.clock >= range.end) break;
      if (!item.IsGc() && item.is_deleted && !item.is_kept) Collect(store, ref);
    } while (structs.MoveRight(place));
  }
}

void MergeChanged(ItemStore& store) {
  const Changes& changes = store.changes();
  // Among a client's new structs every boundary is tried anyway, and the order is of no account:
  // whether two neighbours merge does not depend on what else does.
  const auto is_new = [&](ClientIndex client, Clock clock) {
    const ClientState& state = store.ClientAt(client);
    return state.is_touched && clock >= state.before;
  };
  for (std::size_t i = changes.deleted.size(); i-- > 0;) {
    const Changes::Deleted& range = changes.deleted[i];
    if (is_new(range.client, range.begin)) continue;
    const StructList& structs = store.ClientAt(range.client).structs;
    Place place = structs.Find(range.end - 1);
    structs.MoveRight(place);
    MergeDownTo(store, range.client, place, range.begin);
  }
  for (const ClientIndex client : changes.touched) {
    const ClientState& state = store.ClientAt(client);
    const Clock first = state.structs.ClockAt(state.structs.Find(state.before));
    MergeDownTo(store, client, state.structs.Last(), first);
  }
  for (std::size_t i = changes.merge_candidates.size(); i-- > 0;) {
    const LocalId candidate = changes.merge_candidates[i];
    if (!is_new(candidate.client, candidate.clock)) MergeAround(store, candidate);
  }
}

}  // namespace coterie::crdt
