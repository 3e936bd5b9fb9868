#include "crdt/doc_position.h"

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/seek.h"

namespace coterie::crdt {
namespace {

RelativePosition AtEndOf(const ItemStore& store, BranchRef ref, std::int64_t assoc) {
  const Branch& branch = store.BranchAt(ref);
  RelativePosition position{.assoc = assoc};
  if (branch.is_root) {
    position.root = std::string(store.atoms().Text(branch.name));
  } else {
    position.type = store.ToId(store.At(branch.item).id());
  }
  return position;
}

std::uint64_t UnitsBefore(ItemStore& store, ItemRef ref) {
  const Item& item = store.At(ref);
  const bool is_listed = !store.IsKeyed(item);
  if (is_listed && store.MaybeBuildIndex(store.BranchOf(item)) && item.leaf != 0) {
    return store.index().UnitsBefore(ref);
  }
  std::uint64_t units = 0;
  for (ItemRef left = item.left; left != 0; left = store.At(left).left) {
    units += store.VisibleUnits(left);
  }
  return units;
}

struct Found {
  ItemRef item = 0;  // 0 = it is not known yet, or forgotten.
  Clock offset = 0;
};

// The item that has the id, or what undo made of it.
Found Follow(const ItemStore& store, Id id) {
  const ClientIndex client = store.FindClient(id.client);
  if (client == kNoClient || id.clock >= store.ClientAt(client).end) return {};
  LocalId next{.client = client, .clock = id.clock};
  while (true) {
    const ItemRef ref = store.FindItem(next);
    const Item& item = store.At(ref);
    if (item.IsGc()) return {};
    const Clock offset = next.clock - item.clock;
    if (!item.is_redone) return {.item = ref, .offset = offset};
    next = store.RedoneOf(ref);
    next.clock += offset;
  }
}

}  // namespace

std::optional<RelativePosition> ToRelativePosition(Doc& doc, TypeHandle type, std::uint64_t index,
                                                   std::int64_t assoc) {
  ItemStore& store = doc.store();
  const BranchRef branch = store.Resolve(type);
  if (branch == 0) return std::nullopt;
  RelativePosition position = AtEndOf(store, branch, assoc);
  if (assoc < 0) {
    if (index == 0) return position;
    --index;
  }
  if (index < store.BranchAt(branch).length) {
    const Seeked seeked = SeekUnit(store, branch, index);
    LocalId id = store.At(seeked.item).id();
    id.clock += static_cast<Clock>(index - seeked.start);
    position.item = store.ToId(id);
  } else if (const ItemRef tail = store.TailOf(branch); assoc < 0 && tail != 0) {
    position.item = store.ToId(store.At(tail).last_id());
  }
  return position;
}

std::optional<AbsolutePosition> ToAbsolutePosition(Doc& doc, const RelativePosition& position) {
  ItemStore& store = doc.store();
  AbsolutePosition found{.type = {}, .index = 0, .assoc = position.assoc};
  if (position.item.has_value()) {
    const Found right = Follow(store, *position.item);
    if (right.item == 0) return std::nullopt;
    const Item& item = store.At(right.item);
    const BranchRef branch = store.BranchOf(item);
    found.type = store.HandleOf(branch);
    if (store.Resolve(found.type) == 0) return found;  // Deleted: Yjs says 0 too.
    const Clock within = right.offset + (position.assoc >= 0 ? 0 : 1);
    found.index = UnitsBefore(store, right.item) + (item.IsVisible() ? within : 0);
    return found;
  }
  if (position.root.has_value()) {
    found.type = doc.Root(*position.root);
  } else {
    if (!position.type.has_value()) return std::nullopt;
    const Found owner = Follow(store, *position.type);
    if (owner.item == 0 || store.At(owner.item).kind() != ContentKind::kType) return std::nullopt;
    found.type = store.HandleOf(store.TypeOf(store.At(owner.item)));
  }
  const BranchRef branch = store.Resolve(found.type);
  if (position.assoc >= 0 && branch != 0) found.index = store.BranchAt(branch).length;
  return found;
}

}  // namespace coterie::crdt
