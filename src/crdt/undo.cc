#include "crdt/undo.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "crdt/doc.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/transaction.h"

namespace coterie::crdt {
namespace {

// How deep in types that were deleted something may be and still come back.
constexpr int kRedoDepthMax = 500;

ItemRef OwnerOf(const ItemStore& store, ItemRef ref) {
  return store.BranchAt(store.BranchOf(store.At(ref))).item;
}

// What undo made of an item, beginning exactly there; 0 if nothing.
ItemRef RedoneOf(ItemStore& store, ItemRef ref) {
  return store.At(ref).is_redone ? store.CleanStart(store.RedoneOf(ref)) : 0;
}

// The last one that undo made of it.
ItemRef LastRedoneOf(ItemStore& store, ItemRef ref) {
  while (store.At(ref).is_redone) ref = RedoneOf(store, ref);
  return ref;
}

}  // namespace

void UndoHistory::IdSet::Add(Client client, ClockRange range) {
  if (ids.Of(client).empty()) order.push_back(client);
  ids.Add(client, range);
}

void UndoHistory::IdSet::Add(const IdSet& other) {
  for (const Client client : other.order) {
    if (ids.Of(client).empty()) order.push_back(client);
  }
  ids.Add(other.ids);
}

UndoHistory::UndoHistory(Doc& doc, Options options)
    : doc_(doc), store_(doc.store()), options_(std::move(options)) {
  CHECK(options_.writer.value() <= kClientMax);
}

UndoHistory::Step UndoHistory::TakeNote() const {
  Step step;
  const Changes& changes = store_.changes();
  for (const ClientIndex index : changes.touched) {
    const ClientState& client = store_.ClientAt(index);
    if (client.before < client.end) {
      step.inserted.Add(client.id, {.begin = client.before, .end = client.end});
    }
  }
  std::vector<std::pair<Client, ClockRange>> deleted;
  for (const Changes::Deleted& range : changes.deleted) {
    const Client client = store_.ClientAt(range.client).id;
    deleted.push_back({client, {.begin = range.begin, .end = range.end}});
    std::vector<Client>& order = step.deleted.order;
    if (std::find(order.begin(), order.end(), client) == order.end()) order.push_back(client);
  }
  step.deleted.ids = DeleteSet::FromRanges(std::move(deleted));
  return step;
}

// The items with these ids, cut so that they have no others. GCs are left out.
std::vector<ItemRef> UndoHistory::ItemsOf(const IdSet& set) {
  std::vector<ItemRef> items;
  for (const Client client : set.order) {
    const ClientIndex index = store_.FindClient(client);
    if (index == kNoClient) continue;
    for (const ClockRange& range : set.ids.Of(client)) {
      const Clock end = std::min(range.end, store_.ClientAt(index).end);
      if (range.begin >= end) break;
      store_.CleanStart({.client = index, .clock = range.begin});
      store_.CleanEnd({.client = index, .clock = end - 1});
      const StructList& structs = store_.ClientAt(index).structs;
      StructList::Place place = structs.Find(range.begin);
      do {
        const ItemRef ref = structs.At(place);
        if (store_.At(ref).clock >= end) break;
        if (!store_.At(ref).IsGc()) items.push_back(ref);
      } while (structs.MoveRight(place));
    }
  }
  return items;
}

bool UndoHistory::IsInScope(ItemRef ref) const {
  if (options_.scope.empty()) return true;
  for (; ref != 0; ref = OwnerOf(store_, ref)) {
    const TypeHandle handle = store_.HandleOf(store_.BranchOf(store_.At(ref)));
    const auto& scope = options_.scope;
    if (std::find(scope.begin(), scope.end(), handle) != scope.end()) return true;
  }
  return false;
}

bool UndoHistory::TouchesScope(const Step& step) {
  const auto touches = [this](const IdSet& set) {
    const std::vector<ItemRef> items = ItemsOf(set);
    return std::any_of(items.begin(), items.end(), [this](ItemRef ref) { return IsInScope(ref); });
  };
  return touches(step.inserted) || touches(step.deleted);
}

// Up to the first one for which that is so already.
void UndoHistory::Keep(ItemRef ref, bool is_kept) {
  for (; ref != 0 && store_.At(ref).is_kept != is_kept; ref = OwnerOf(store_, ref)) {
    store_.At(ref).is_kept = is_kept;
  }
}

void UndoHistory::KeepDeleted(const Step& step, bool is_kept) {
  for (const ItemRef ref : ItemsOf(step.deleted)) {
    if (IsInScope(ref)) Keep(ref, is_kept);
  }
}

void UndoHistory::Forget(Steps& steps) {
  for (const Step& step : steps) KeepDeleted(step, false);
  steps.clear();
}

void UndoHistory::Push(Steps& steps, Step step) {
  KeepDeleted(step, true);
  steps.push_back(std::move(step));
  if (steps.size() <= kUndoStepsMax) return;
  KeepDeleted(steps.front(), false);
  steps.pop_front();
}

void UndoHistory::Capture(Transaction& transaction, Ticks now) {
  CHECK(&transaction.doc() == &doc_);
  Step step = TakeNote();
  if (!TouchesScope(step)) return;
  Forget(redo_);
  const bool joins =
      !last_capture_.IsNone() && now - last_capture_ < options_.join_ticks && !undo_.empty();
  last_capture_ = now;
  if (!joins) return Push(undo_, std::move(step));
  KeepDeleted(step, true);
  undo_.back().inserted.Add(step.inserted);
  undo_.back().deleted.Add(step.deleted);
}

void UndoHistory::Clear() {
  Forget(undo_);
  Forget(redo_);
}

bool UndoHistory::Undo(Outcome& outcome, Watch watch) { return Pop(undo_, redo_, outcome, watch); }

bool UndoHistory::Redo(Outcome& outcome, Watch watch) { return Pop(redo_, undo_, outcome, watch); }

bool UndoHistory::Pop(Steps& from, Steps& to, Outcome& outcome, Watch watch) {
  Transaction transaction(doc_, options_.writer, watch);
  bool has_changed = false;
  while (!from.empty() && !has_changed) {
    const Step step = std::move(from.back());
    from.pop_back();
    has_changed = Revert(transaction, step);
  }
  Step reverse = TakeNote();
  if (TouchesScope(reverse)) {
    if (&to == &redo_) StopJoining();
    Push(to, std::move(reverse));
  }
  transaction.Commit(outcome);
  return has_changed;
}

bool UndoHistory::Revert(Transaction& transaction, const Step& step) {
  std::vector<ItemRef> inserted;
  for (ItemRef ref : ItemsOf(step.inserted)) {
    ref = LastRedoneOf(store_, ref);
    if (!store_.At(ref).is_deleted && IsInScope(ref)) inserted.push_back(ref);
  }
  std::vector<ItemRef> deleted;
  for (const ItemRef ref : ItemsOf(step.deleted)) {
    // What came and went within the step stays away.
    const bool is_brief = step.inserted.ids.Contains(store_.ToId(store_.At(ref).id()));
    if (!is_brief && IsInScope(ref)) deleted.push_back(ref);
  }
  redoing_ = {deleted.begin(), deleted.end()};
  bool has_changed = !inserted.empty();
  for (const ItemRef ref : deleted) has_changed |= Redo(ref, step, 0) != 0;
  redoing_.clear();
  // From the back, so that what is in a type goes before the type.
  for (auto ref = inserted.rbegin(); ref != inserted.rend(); ++ref) Delete(store_, *ref);
  static_cast<void>(transaction);
  return has_changed;
}

// The first one from there on that is, or was made anew, in what `parent` is now; 0 if none.
ItemRef UndoHistory::FindNeighbour(ItemRef from, ItemRef parent, bool goes_left) {
  for (ItemRef ref = from; ref != 0; ref = goes_left ? store_.At(ref).left : store_.At(ref).right) {
    ItemRef trace = ref;
    while (trace != 0 && OwnerOf(store_, trace) != parent) trace = RedoneOf(store_, trace);
    if (trace != 0) return trace;
  }
  return 0;
}

bool UndoHistory::IsDeletedByStep(Id id) const {
  const auto has = [id](const Step& step) { return step.deleted.ids.Contains(id); };
  return std::any_of(undo_.begin(), undo_.end(), has) ||
         std::any_of(redo_.begin(), redo_.end(), has);
}

bool UndoHistory::FindLeftOfKey(ItemRef ref, BranchRef parent, const Step& step, ItemRef& left) {
  const Atom key = store_.SequenceAt(store_.At(ref).sequence).key;
  const auto last_value = [&] {
    return store_.SequenceAt(store_.FindKey(parent, key)).tail;  // Of none, the empty one's.
  };
  const bool replaces = options_.others_values == Options::OthersValues::kReplace;
  if (store_.At(ref).right == 0 || replaces) {
    left = last_value();
  } else {
    left = ref;
    while (const ItemRef right = store_.At(left).right) {
      const Id id = store_.ToId(store_.At(right).id());
      const bool is_ours = store_.At(right).is_redone || step.inserted.ids.Contains(id);
      if (!is_ours && !IsDeletedByStep(id)) return false;
      left = LastRedoneOf(store_, right);
    }
  }
  // An origin in a type that is gone would mislead others.
  const ItemRef owner = store_.BranchAt(parent).item;
  if (left != 0 && OwnerOf(store_, left) != owner) left = last_value();
  return true;
}

void UndoHistory::CopyContent(ItemRef from, ItemRef to) {
  const Item& source = store_.At(from);
  store_.At(to).length = source.length;
  switch (source.kind()) {
    case ContentKind::kString:
      return store_.SetText(store_.At(to), std::string(store_.TextOf(source)));
    case ContentKind::kFormat: {
      const Atom key = store_.ExtentOf(source).extra;
      return store_.SetFormat(store_.At(to), key, std::string(store_.BytesOf(source)));
    }
    case ContentKind::kType: {
      const Branch& type = store_.BranchAt(store_.TypeOf(source));
      const std::string name(type.name == 0 ? "" : store_.atoms().Text(type.name));
      return store_.SetType(to, type.kind, name);
    }
    case ContentKind::kJson:
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kAny:
    case ContentKind::kDoc:
      return store_.SetPayload(store_.At(to), source.kind(), std::string(store_.BytesOf(source)));
    case ContentKind::kDeleted:
      return store_.SetDeleted(store_.At(to));
    case ContentKind::kGc:
    case ContentKind::kSkip:
      CHECK(false);
  }
}

// Makes a deleted item anew where it was; 0 if that cannot be.
ItemRef UndoHistory::Redo(ItemRef ref, const Step& step, int depth) {
  if (store_.At(ref).is_redone) return RedoneOf(store_, ref);
  ItemRef parent = OwnerOf(store_, ref);
  if (parent != 0 && store_.At(parent).is_deleted) {
    // The type that it was in must come back first.
    const bool is_coming = redoing_.count(parent) > 0 && depth < kRedoDepthMax;
    const bool is_back =
        store_.At(parent).is_redone || (is_coming && Redo(parent, step, depth + 1) != 0);
    if (!is_back) return 0;
    parent = LastRedoneOf(store_, parent);
  }
  if (parent != 0 && store_.At(parent).kind() != ContentKind::kType) return 0;
  const BranchRef branch =
      parent == 0 ? store_.BranchOf(store_.At(ref)) : store_.TypeOf(store_.At(parent));
  const Atom key = store_.SequenceAt(store_.At(ref).sequence).key;
  ItemRef left = 0;
  ItemRef right = 0;
  if (key == 0) {
    left = FindNeighbour(store_.At(ref).left, parent, true);
    right = FindNeighbour(ref, parent, false);
  } else if (!FindLeftOfKey(ref, branch, step, left)) {
    return 0;
  }
  const SequenceRef sequence = key == 0 ? store_.ChildrenOf(branch) : store_.KeyOf(branch, key);
  const ItemRef made =
      NewBetween(store_, store_.InternClient(options_.writer), left, right, sequence);
  CopyContent(ref, made);
  store_.SetRedone(ref, store_.At(made).id());
  Keep(made, true);
  Integrate(store_, made);
  return made;
}

}  // namespace coterie::crdt
