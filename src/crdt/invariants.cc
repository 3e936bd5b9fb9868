// What must hold of a document between transactions (Doc::CheckInvariants*).

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

// A client's structs follow each other without gaps, and know who wrote them.
std::size_t CheckStructs(const ItemStore& store, ClientIndex index) {
  const ClientState& client = store.ClientAt(index);
  CHECK(!client.is_touched);
  Clock next = 0;
  std::size_t listed = 0;
  StructList::Place place = client.structs.First();
  do {
    const ItemRef ref = client.structs.At(place);
    const Item& item = store.At(ref);
    CHECK(item.client == index);
    CHECK(item.clock == next && client.structs.ClockAt(place) == next);
    CHECK(item.length > 0);
    next = item.end();
    CHECK(store.FindItem(item.id()) == ref && store.FindItem(item.last_id()) == ref);
    if (item.IsGc()) {
      CHECK(item.is_deleted && item.sequence == 0 && item.leaf == 0);
      continue;
    }
    ++listed;
    CHECK(item.sequence != 0);
    CHECK(item.origin.IsNone() || store.Has(item.origin));
    CHECK(item.right_origin.IsNone() || store.Has(item.right_origin));
    if (item.kind() == ContentKind::kDeleted) CHECK(item.is_deleted);
    if (item.kind() == ContentKind::kType) CHECK(store.BranchAt(store.TypeOf(item)).item == ref);
    if (item.kind() == ContentKind::kString) {
      const std::string_view text = store.TextOf(item);
      const TextSize size = MeasureUtf8(text);
      CHECK(IsValidUtf8(text) && size.utf16 == item.length);
      CHECK(store.ContentSize(item) == size);
    }
  } while (client.structs.MoveRight(place));
  CHECK(next == client.end);
  return listed;
}

// A list is one chain; yields its length in items.
std::size_t CheckSequence(const ItemStore& store, SequenceRef ref, std::uint64_t& units) {
  const Sequence& sequence = store.SequenceAt(ref);
  std::size_t count = 0;
  ItemRef left = 0;
  for (ItemRef at = sequence.head; at != 0; at = store.At(at).right) {
    const Item& item = store.At(at);
    CHECK(item.sequence == ref && item.left == left);
    units += store.VisibleUnits(at);
    left = at;
    ++count;
  }
  CHECK(sequence.tail == left);
  return count;
}

std::size_t CheckBranch(const ItemStore& store, BranchRef ref) {
  const Branch& branch = store.BranchAt(ref);
  std::size_t count = 0;
  std::uint64_t units = 0;
  if (branch.children != 0) {
    CHECK(store.SequenceAt(branch.children).branch == ref);
    count = CheckSequence(store, branch.children, units);
  }
  CHECK(branch.items_count == count && branch.length == units);
  if (branch.index_root != 0) {
    store.index().CheckInvariantsDeep(branch.index_root, store.HeadOf(ref));
    CHECK(store.index().Total(branch.index_root).utf16 == units);
  }
  if (branch.cached_item != 0) {
    std::uint64_t start = 0;
    ItemRef at = store.HeadOf(ref);
    for (; at != 0 && at != branch.cached_item; at = store.At(at).right) {
      start += store.VisibleUnits(at);
    }
    CHECK(at == branch.cached_item && start == branch.cached_start);
  }
  for (SequenceRef key = branch.first_key; key != 0; key = store.SequenceAt(key).next_key) {
    const Sequence& sequence = store.SequenceAt(key);
    CHECK(sequence.branch == ref && sequence.key != 0);
    CHECK(store.FindKey(ref, sequence.key) == key);
    count += CheckSequence(store, key, units);
  }
  return count;
}

}  // namespace

void Doc::CheckInvariants() const {
  CHECK(!is_open_);
  CHECK(store_->changes().touched.empty() && store_->changes().deleted.empty());
}

void Doc::CheckInvariantsDeep() const {
  CheckInvariants();
  std::size_t listed = 0;
  Client last;
  for (const ClientIndex index : store_->ClientsDescending()) {
    const Client client = store_->ClientAt(index).id;
    CHECK(listed == 0 || client < last || last.IsNone());
    CHECK(store_->FindClient(client) == index);
    last = client;
    listed += CheckStructs(*store_, index);
  }
  std::size_t reached = 0;
  for (BranchRef ref = 1; ref < store_->branches_count(); ++ref) {
    const Branch& branch = store_->BranchAt(ref);
    if (branch.is_root || branch.has_kind) reached += CheckBranch(*store_, ref);
  }
  CHECK(reached == listed);
}

}  // namespace coterie::crdt
