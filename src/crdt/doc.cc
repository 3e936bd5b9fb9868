#include "crdt/doc.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "crdt/apply.h"
#include "crdt/cleanup.h"
#include "crdt/encode.h"
#include "crdt/item_store.h"
#include "crdt/merge.h"
#include "crdt/observe.h"
#include "crdt/rehearsal.h"
#include "crdt/update_view.h"
#include "crdt/view.h"

namespace coterie::crdt {

namespace {

// Up to so many pending bytes each update that is pending is merged with the others at once, as Yjs
// does it: which of two forms of a struct is kept can depend on the order. Beyond, once for many,
// so that a long wait does not cost quadratically.
constexpr std::size_t kEagerBytesMax = std::size_t{4} << 10;

}  // namespace

// What came before what it needs.
struct Doc::Pending {
  PendingStructs structs;
  DeleteSet deletes;
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
  const StateVector waited = pending_->structs.missing;
  ApplyStructs(*store_, update, pending_->structs);
  if (pending_->structs.updates.size() == 2 &&
      pending_->structs.updates[0].size() <= kEagerBytesMax) {
    PendingUpdate();
  }
  bool may_go_on = false;
  for (const auto& [client, clock] : waited.clocks()) {
    const ClientIndex index = store_->FindClient(client);
    may_go_on = may_go_on || (index != kNoClient && clock <= store_->ClientAt(index).end);
  }
  DeleteSet rest = ApplyDeletes(*store_, update.deleted);
  if (!pending_->deletes.empty()) rest.Add(ApplyDeletes(*store_, pending_->deletes));
  pending_->deletes = std::move(rest);
  if (!may_go_on) return;
  const std::string pending = PendingUpdate();
  ParsedUpdate again;
  if (ParseUpdate(pending, again)) return;  // Of sound updates: it cannot be.
  pending_->structs = {};
  Merge(again);
}

// As one, and keeps it so.
const std::string& Doc::PendingUpdate() const {
  std::vector<std::string>& updates = pending_->structs.updates;
  CHECK(!updates.empty());
  if (updates.size() > 1) {
    const std::vector<std::string_view> views(updates.begin(), updates.end());
    MergeResult merged = MergeUpdates(views);
    CHECK(!merged.malformed);
    updates = {std::move(merged.update)};
  }
  return updates[0];
}

std::string Doc::EncodeStateAsUpdate(const StateVector& known) const {
  std::vector<std::string> updates = {EncodeState(*store_, known)};
  if (!pending_->deletes.empty()) {
    Lib0Writer writer;
    writer.VarUint(0);
    pending_->deletes.EncodeTo(writer);
    updates.push_back(writer.Take());
  }
  if (!pending_->structs.empty()) {
    const std::string& pending = PendingUpdate();
    UpdateView view;
    const Malformed malformed = UpdateView::Open(pending, view);
    CHECK(!malformed);
    // What is pending may say something else of clocks that have come meanwhile, if somebody used
    // an id twice. What was integrated counts, here and wherever this is applied.
    StateVector covered = state_vector();
    for (const auto& [client, clock] : known.clocks()) covered.Raise(client, clock);
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

StateVector Doc::missing() const { return pending_->structs.missing; }

bool Doc::HasPending() const { return !pending_->structs.empty() || !pending_->deletes.empty(); }

std::uint64_t Doc::pending_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& update : pending_->structs.updates) bytes += update.size();
  for (const auto& [client, ranges] : pending_->deletes.clients()) {
    bytes += kBytesPerWaitingRange * ranges.size();
  }
  return bytes;
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
  JsValue all;
  all.kind = JsValue::Kind::kObject;
  for (const TypedRoot& root : roots) {
    const BranchRef branch = store_->FindRoot(root.name);
    // A root that nobody wrote to is an empty one: the sequence 0 is empty too.
    all.members.push_back({root.name, TypeToValue(*store_, branch, root.kind)});
  }
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
  std::size_t bytes = sizeof(Doc) + sizeof(ItemStore) + store_->memory_bytes();
  for (const std::string& update : pending_->structs.updates) bytes += update.capacity();
  for (const auto& [client, ranges] : pending_->deletes.clients()) {
    bytes += sizeof(client) + sizeof(ranges) + ranges.capacity() * sizeof(ClockRange);
  }
  return bytes;
}

}  // namespace coterie::crdt
