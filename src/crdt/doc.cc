#include "crdt/doc.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "crdt/apply.h"
#include "crdt/cleanup.h"
#include "crdt/encode.h"
#include "crdt/item_store.h"
#include "crdt/merge.h"
#include "crdt/observe.h"
#include "crdt/pending.h"
#include "crdt/rehearsal.h"
#include "crdt/update_view.h"
#include "crdt/view.h"

namespace coterie::crdt {

// What came before what it needs.
struct Doc::Pending {
  PendingStructs structs;
  PendingDeletes deletes;
  std::set<ClientIndex> advanced;  // Who wrote here since something was merged last.
};

Doc::Doc(Options options)
    : garbage_(options.garbage),
      store_(std::make_unique<ItemStore>()),
      pending_(std::make_unique<Pending>()) {}

Doc::~Doc() = default;
Doc::Doc(Doc&& other) noexcept = default;
Doc& Doc::operator=(Doc&& other) noexcept = default;

void Doc::Begin(Watch watch) {
  CHECK(!is_open_);
  is_open_ = true;
  store_->changes().wants_changed = watch == Watch::kEvents;
}

void Doc::End(Watch watch, Outcome& outcome) {
  CHECK(is_open_);
  JoinDeleted(*store_);
  outcome.text_changes.clear();
  outcome.events.clear();
  if (watch >= Watch::kTextChanges) {
    outcome.text_changes = ObserveText(*store_, store_->Resolve(outcome.watched), outcome.embeds);
  }
  if (watch == Watch::kEvents) outcome.events = ObserveTypes(*store_);
  if (garbage_ == Garbage::kCollect) CollectGarbage(*store_);
  MergeChanged(*store_);
  outcome.update.clear();
  if (watch != Watch::kNothing) {
    AddArrived(*store_);
    EncodeChanges(*store_, outcome.update);
  }
  store_->EndChanges();
  is_open_ = false;
}

Malformed Doc::Apply(std::string_view update) {
  Outcome outcome;
  return Apply(update, Watch::kNothing, outcome);
}

Malformed Doc::Apply(std::string_view update, Watch watch, Outcome& outcome) {
  ParsedUpdate parsed;
  const Malformed malformed = ParseUpdate(update, parsed);
  if (malformed) return malformed;
  if (const Malformed too_large = RefuseSize(parsed)) return too_large;
  Begin(watch);
  Merge(parsed);
  End(watch, outcome);
  return {};
}

Malformed Doc::Refuse(std::string_view update) const {
  ParsedUpdate parsed;
  const Malformed malformed = ParseUpdate(update, parsed);
  return malformed ? malformed : RefuseSize(parsed);
}

Malformed Doc::RefuseSize(const ParsedUpdate& update) const {
  if (store_->HasRoomFor(update.bytes.size()) &&
      store_->clients_count() + update.groups.size() <= kClientsMax) {
    return {};
  }
  return {.offset_bytes = 0, .reason = "the document would be too large"};
}

Malformed Doc::ApplyWithin(std::uint64_t scanned_max, std::string_view update, Watch watch,
                           Outcome& outcome) {
  store_->LimitScannedItems(scanned_max);
  const Malformed malformed = Apply(update, watch, outcome);
  if (store_->HasScannedTooMuch()) return {.reason = kTooManyConflicts};
  store_->LimitScannedItems(std::numeric_limits<std::uint64_t>::max());
  return malformed;
}

std::uint64_t Doc::scanned_items() const { return store_->scanned_items(); }

void Doc::Merge(const ParsedUpdate& update) {
  const std::string rest = ApplyStructs(*store_, update);
  if (!rest.empty()) pending_->structs.Park(rest);
  const std::set<ClientIndex> advanced = std::exchange(pending_->advanced, {});
  const auto apply_deletes = [&] {
    const DeleteSet due = pending_->deletes.TakeDue(*store_, advanced);
    if (!due.empty()) pending_->deletes.Add(ApplyDeletes(*store_, due));
  };
  pending_->deletes.Add(ApplyDeletes(*store_, update.deleted));
  apply_deletes();
  if (pending_->structs.empty()) return;
  pending_->structs.Retry(*store_, advanced);
  apply_deletes();
}

// Of a writer here: what waits for it is tried when something is merged the next time, as in Yjs.
void Doc::NoteAdvanced(ClientIndex writer) {
  if (HasPending()) pending_->advanced.insert(writer);
}

std::string Doc::EncodeStateAsUpdate(const StateVector& known) const {
  std::vector<std::string> updates = {EncodeState(*store_, known)};
  if (!pending_->deletes.empty()) {
    Lib0Writer writer;
    writer.VarUint(0);
    pending_->deletes.All().EncodeTo(writer);
    updates.push_back(writer.Take());
  }
  if (!pending_->structs.empty()) {
    const std::string pending = pending_->structs.Encode();
    UpdateView view;
    const Malformed malformed = UpdateView::Open(pending, view);
    CHECK(!malformed);
    // What is pending may say something else of clocks that have come meanwhile, if somebody used
    // an id twice. What was integrated counts, here and wherever this is applied.
    StateVector covered = state_vector();
    covered.Raise(known);
    updates.push_back(view.Diff(covered));
  }
  if (updates.size() == 1) return std::move(updates[0]);
  const std::vector<std::string_view> views(updates.begin(), updates.end());
  MergeResult merged = MergeUpdates(views);
  CHECK(!merged.malformed);
  return std::move(merged.update);
}

std::string Doc::WithoutKnown(std::string_view update, Malformed& malformed) const {
  UpdateView view;
  malformed = UpdateView::Open(update, view);
  if (malformed) return {};
  std::vector<std::pair<Client, Clock>> clocks;
  for (const UpdateView::Group& group : view.groups()) {
    clocks.emplace_back(group.client, ClockOf(group.client));
  }
  std::sort(clocks.begin(), clocks.end());
  StateVector known;
  for (const auto& [client, clock] : clocks) known.Set(client, clock);
  const DeleteSet deleted = NotDeleted(*store_, view.deleted());
  std::string rest = view.Diff(known, deleted);
  // An update of nothing: no groups, and an empty delete set.
  return rest == std::string_view("\0\0", 2) ? std::string() : rest;
}

Clock Doc::ClockOf(Client client) const {
  const ClientIndex index = store_->FindClient(client);
  return index == kNoClient ? 0 : store_->ClientAt(index).end;
}

StateVector Doc::state_vector() const {
  StateVector vector;
  const std::vector<ClientIndex>& clients = store_->ClientsDescending();
  for (auto index = clients.rbegin(); index != clients.rend(); ++index) {
    vector.Set(store_->ClientAt(*index).id, store_->ClientAt(*index).end);
  }
  return vector;
}

DeleteSet Doc::delete_set() const { return CollectDeleteSet(*store_); }

StateVector Doc::missing() const { return pending_->structs.missing(); }

bool Doc::HasPending() const { return !pending_->structs.empty() || !pending_->deletes.empty(); }

std::uint64_t Doc::pending_bytes() const {
  return pending_->structs.bytes() + kBytesPerWaitingRange * pending_->deletes.ranges();
}

std::uint64_t Doc::BytesThatWouldWait(std::string_view update) const {
  ParsedUpdate parsed;
  return ParseUpdate(update, parsed) ? 0 : Rehearse(*store_, parsed);
}

TypeHandle Doc::Root(std::string_view name) { return store_->HandleOf(store_->InternRoot(name)); }

std::optional<TypeHandle> Doc::FindRoot(std::string_view name) const {
  const BranchRef root = store_->FindRoot(name);
  if (root == 0) return std::nullopt;
  return store_->HandleOf(root);
}

std::vector<std::string> Doc::root_names() const {
  std::vector<std::string> names;
  for (const BranchRef root : store_->roots()) {
    names.emplace_back(store_->atoms().Text(store_->BranchAt(root).name));
  }
  return names;
}

std::vector<std::string> Doc::filled_root_names() const {
  std::vector<std::string> names;
  for (const BranchRef root : store_->roots()) {
    const Branch& branch = store_->BranchAt(root);
    if (branch.length > 0) names.emplace_back(store_->atoms().Text(branch.name));
  }
  return names;
}

std::string Doc::ToJson(const std::vector<TypedRoot>& roots) const {
  ViewBudget budget = ViewBudget::Unbounded();
  return ToJson(roots, budget);
}

std::string Doc::ToJson(const std::vector<TypedRoot>& roots, ViewBudget& budget) const {
  JsValue all;
  all.kind = JsValue::Kind::kObject;
  for (const TypedRoot& root : roots) {
    const BranchRef branch = store_->FindRoot(root.name);
    // A root that nobody wrote to is an empty one: the sequence 0 is empty too.
    all.members.push_back({root.name, TypeToValue(View{*store_, budget}, branch, root.kind)});
  }
  if (budget.is_spent()) return {};
  SettleMembers(all.members);
  return crdt::ToJson(std::move(all));
}

std::vector<std::string> Doc::Subdocuments() const {
  std::vector<std::string> guids;
  for (const ClientIndex index : store_->ClientsDescending()) {
    const StructList& structs = store_->ClientAt(index).structs;
    StructList::Place place = structs.First();
    do {
      const Item& item = store_->At(structs.At(place));
      if (item.kind() != ContentKind::kDoc || item.is_deleted) continue;
      Lib0Reader reader(store_->BytesOf(item));
      guids.emplace_back(reader.VarBytes());
    } while (structs.MoveRight(place));
  }
  std::sort(guids.begin(), guids.end());
  return guids;
}

std::size_t Doc::memory_bytes() const {
  return sizeof(Doc) + sizeof(ItemStore) + store_->memory_bytes() +
         pending_->structs.memory_bytes() + pending_->deletes.memory_bytes();
}

}  // namespace coterie::crdt
