#include "crdt/integrate.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "base/check.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

// Whether something came between the neighbours that the writer saw.
bool HasConflict(const ItemStore& store, const Item& item) {
  if (item.left != 0) return store.At(item.left).right != item.right;
  return item.right == 0 || store.At(item.right).left != 0;
}

// A search that went over so many items leaves a crowd behind.
constexpr std::uint32_t kLongScan = 64;

Crowds::Place PlaceOf(const Item& item) {
  return {.sequence = item.sequence, .origin = item.origin, .right_origin = item.right_origin};
}

// The item of the greatest smaller client among those that saw the same neighbours; 0 if none is
// known. All that is left of it is left of the new item too: between an item and its origin there
// is nothing that hangs on something further left, but for what IsMadeUp() finds.
ItemRef FindShortcut(ItemStore& store, const Item& item, Client client) {
  Crowds::Crowd* crowd = store.crowds().Find(PlaceOf(item));
  if (crowd == nullptr) return 0;
  const auto not_smaller = crowd->lower_bound(client);
  if (not_smaller == crowd->begin()) return 0;
  const auto [smaller, ref] = *std::prev(not_smaller);
  const Item& found = store.At(ref);
  const bool is_same = found.length > 0 && store.ClientAt(found.client).id == smaller &&
                       PlaceOf(found) == PlaceOf(item);
  if (!is_same) store.crowds().Erase(PlaceOf(item));
  return is_same ? ref : 0;
}

void RememberCrowd(ItemStore& store, const Item& item, ItemRef first, std::uint32_t scanned) {
  Crowds::Crowd crowd;
  ItemRef ref = first;
  for (std::uint32_t i = 0; i < scanned; ++i) {
    const Item& other = store.At(ref);
    if (PlaceOf(other) == PlaceOf(item)) crowd.emplace(store.ClientAt(other.client).id, ref);
    ref = other.right;
  }
  store.crowds().Put(PlaceOf(item), std::move(crowd));
}

// Whether the item's right neighbour hangs on something that came in between: then they were no
// neighbours to anybody, for who knows the one knows the other. It is put where it says, between an
// item and what that one hangs on, and the search of others may end there.
bool IsMadeUp(const ItemStore& store, const Item& item, const ScanSet& scanned) {
  const LocalId origin = store.At(item.right).origin;
  return !origin.IsNone() && scanned.PositionOf(store.FindItem(origin)) != 0;
}

// Whether the place is known from the last search: who writes letter before letter, as in a list
// whose newest entry stands first, puts each between the origin of all and the one before, and what
// the last search went over this one would, too.
//
// Proof. Number what stands behind the origin 1, 2, ... and say of each from which clients on a
// search goes past it: `from` of one with this origin is its client, of another one the least
// `from` of all between what it hangs on and itself; so it depends on nothing to its right. By the
// two rules below a search of client c ends behind the last one with from < c before its right
// neighbour, or before one with the same neighbours. The last search, for the same c and origin,
// ended behind some k. Nothing came into the list since but its item, as k + 1, which is where this
// search must end, and which nobody else can have for a neighbour yet. So it ends behind k as well.
bool IsBeforeLastSearched(const ItemStore& store, const Item& item) {
  if (item.right == 0 || item.right != store.last_searched()) return false;
  const Item& last = store.At(item.right);
  return last.sequence == item.sequence && last.client == item.client && last.origin == item.origin;
}

// Goes right from where the writer put the item, over what others put there, and yields what it
// comes to stand behind. What many wrote between the same neighbours without knowing of each other
// each of them goes over: quadratic, as in Yjs, but for what FindShortcut() saves. Who must not
// spend that bounds it, see ItemStore::LimitScannedItems(). Two rules: of those with the same
// origin the smaller client stands left, and what stands behind something that we go past goes with
// it.
ItemRef FindLeft(ItemStore& store, const Item& item) {
  ScanSet& scanned = store.scan_set();
  scanned.Clear();
  const Client client = store.ClientAt(item.client).id;
  ItemRef left = item.left;
  std::uint32_t passed = 0;  // So many of the scanned are left of `left`, or are it.
  const ItemRef first = left != 0 ? store.At(left).right : store.SequenceAt(item.sequence).head;
  ItemRef next = first;
  const ItemRef shortcut = FindShortcut(store, item, client);
  if (shortcut != 0) {
    left = shortcut;
    next = store.At(shortcut).right;
    scanned.Add(shortcut);
    passed = scanned.size();
  }
  for (; next != 0 && next != item.right; next = store.At(next).right) {
    store.CountScanned(1);
    if (store.HasScannedTooMuch()) break;
    scanned.Add(next);
    const Item& other = store.At(next);
    if (other.origin == item.origin) {
      if (store.ClientAt(other.client).id < client) {
        left = next;
        passed = scanned.size();
      } else if (other.right_origin == item.right_origin) {
        break;  // Same neighbours on both sides: the order of clients decides.
      }
      continue;
    }
    if (other.origin.IsNone()) break;
    const std::uint32_t position = scanned.PositionOf(store.FindItem(other.origin));
    if (position == 0) break;  // It hangs on something left of all this.
    if (position <= passed) {
      left = next;
      passed = scanned.size();
    }
  }
  if (next != 0 && next == item.right && IsMadeUp(store, item, scanned)) {
    store.crowds().Forbid();
  } else if (shortcut == 0 && scanned.size() > kLongScan) {
    RememberCrowd(store, item, first, scanned.size());
  }
  return left;
}

// The value of a key is the last item of its sequence; all others are deleted.
void ReplaceValue(ItemStore& store, const Item& item) {
  if (item.right == 0 && item.left != 0) Delete(store, item.left);
}

bool IsBornDeleted(const ItemStore& store, const Item& item) {
  const Sequence& sequence = store.SequenceAt(item.sequence);
  if (sequence.key != 0 && item.right != 0) return true;
  const ItemRef parent = store.BranchAt(sequence.branch).item;
  return parent != 0 && store.At(parent).is_deleted;
}

// Puts what is in a type that is being deleted on the stack, the first of it on top.
void DeleteChildren(ItemStore& store, BranchRef type, std::vector<ItemRef>& stack) {
  const auto begin = static_cast<std::ptrdiff_t>(stack.size());
  const auto take = [&](ItemRef child) {
    const Item& item = store.At(child);
    if (!item.is_deleted) {
      stack.push_back(child);
    } else if (item.clock < store.BeforeClock(item.client)) {
      // It becomes garbage without being in the transaction's deletions, so that it could only be
      // merged by being mentioned here.
      store.changes().merge_candidates.push_back(item.id());
    }
  };
  store.DropIndex(type);
  for (ItemRef child = store.HeadOf(type); child != 0; child = store.At(child).right) take(child);
  for (SequenceRef key = store.BranchAt(type).first_key; key != 0;) {
    const Sequence& sequence = store.SequenceAt(key);
    if (sequence.tail != 0) take(sequence.tail);
    key = sequence.next_key;
  }
  std::reverse(stack.begin() + begin, stack.end());
}

}  // namespace

void NoteChanged(ItemStore& store, BranchRef branch, Atom key) {
  Changes& changes = store.changes();
  if (!changes.wants_changed) return;
  const ItemRef owner = store.BranchAt(branch).item;
  if (owner != 0) {
    const Item& item = store.At(owner);
    if (item.is_deleted || item.clock >= store.BeforeClock(item.client)) return;
  }
  if (!changes.changed.empty() && changes.changed.back() == std::pair(branch, key)) return;
  changes.changed.emplace_back(branch, key);
}

void Integrate(ItemStore& store, ItemRef ref) {
  Item& item = store.At(ref);
  CHECK(item.length > 0 && item.sequence != 0);
  bool was_searched = false;
  if (HasConflict(store, item)) {
    item.left =
        IsBeforeLastSearched(store, item) ? store.At(item.right).left : FindLeft(store, item);
    was_searched = true;
    Crowds::Crowd* crowd = store.crowds().Find(PlaceOf(item));
    if (crowd != nullptr) (*crowd)[store.ClientAt(item.client).id] = ref;
  }
  if (item.kind() == ContentKind::kDeleted) {
    item.is_deleted = true;
    store.changes().arrived.push_back(
        {.client = item.client, .begin = item.clock, .end = item.end()});
  }
  store.Link(ref);
  if (was_searched) store.SetLastSearched(ref);
  const Sequence sequence = store.SequenceAt(item.sequence);
  if (sequence.key != 0) ReplaceValue(store, item);
  store.AppendStruct(ref);
  if (item.kind() == ContentKind::kFormat) store.NoteMark(sequence.branch, item);
  NoteChanged(store, sequence.branch, sequence.key);
  if (IsBornDeleted(store, item)) Delete(store, ref);
}

void IntegrateGarbage(ItemStore& store, LocalId id, Clock length) {
  const ItemRef ref = store.NewItem();
  Item& item = store.At(ref);
  item.set_client(id.client);
  item.clock = id.clock;
  item.length = length;
  item.set_kind(ContentKind::kGc);
  item.is_deleted = true;
  store.AppendStruct(ref);
}

void Delete(ItemStore& store, ItemRef ref) {
  // No recursion: types nest as deep as an update says. In the order of Yjs all the same, because
  // undo makes things anew in the order in which their clients were first met here.
  std::vector<ItemRef> stack;
  while (true) {
    Item& item = store.At(ref);
    if (!item.is_deleted) {
      const Sequence sequence = store.SequenceAt(item.sequence);
      store.UncountVisible(ref);
      item.is_deleted = true;
      if (item.kind() == ContentKind::kFormat && item.leaf != 0) store.index().MarkDeleted(ref);
      store.changes().deleted.push_back(
          {.client = item.client, .begin = item.clock, .end = item.end()});
      NoteChanged(store, sequence.branch, sequence.key);
      if (item.kind() == ContentKind::kType) DeleteChildren(store, store.TypeOf(item), stack);
    }
    if (stack.empty()) return;
    ref = stack.back();
    stack.pop_back();
  }
}

ItemRef NewBetween(ItemStore& store, ClientIndex client, ItemRef left, ItemRef right,
                   SequenceRef sequence) {
  const ItemRef ref = store.NewItem();
  Item& item = store.At(ref);
  item.set_client(client);
  item.clock = store.ClientAt(client).end;
  item.left = left;
  item.right = right;
  item.sequence = sequence;
  if (left != 0) item.origin = store.At(left).last_id();
  if (right != 0) item.right_origin = store.At(right).id();
  return ref;
}

}  // namespace coterie::crdt
