#include "crdt/encode.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "crdt/item_store.h"
#include "crdt/lib0.h"

namespace coterie::crdt {
namespace {

constexpr unsigned kHasOrigin = 0x80;
constexpr unsigned kHasRightOrigin = 0x40;
constexpr unsigned kHasParentSub = 0x20;

void WriteId(const ItemStore& store, LocalId id, Lib0Writer& writer) {
  writer.VarUint(store.ClientAt(id.client).id.value());
  writer.VarUint(id.clock);
}

void WriteParent(const ItemStore& store, const Sequence& sequence, Lib0Writer& writer) {
  const Branch& branch = store.BranchAt(sequence.branch);
  if (branch.is_root) {
    writer.VarUint(1);
    writer.VarBytes(store.atoms().Text(branch.name));
  } else {
    writer.VarUint(0);
    WriteId(store, store.At(branch.item).id(), writer);
  }
  if (sequence.key != 0) writer.VarBytes(store.atoms().Text(sequence.key));
}

// A struct without its first `offset` clocks.
void WriteStruct(const ItemStore& store, const Item& item, Clock offset, Lib0Writer& writer) {
  if (item.IsGc()) {
    writer.U8(0);
    writer.VarUint(item.length - offset);
    return;
  }
  LocalId origin = item.origin;
  if (offset > 0) origin = {.client = item.client, .clock = item.clock + offset - 1};
  const Sequence& sequence = store.SequenceAt(item.sequence);
  writer.U8(static_cast<std::uint8_t>(static_cast<unsigned>(item.kind()) |
                                      (origin.IsNone() ? 0 : kHasOrigin) |
                                      (item.right_origin.IsNone() ? 0 : kHasRightOrigin) |
                                      (sequence.key == 0 ? 0 : kHasParentSub)));
  if (!origin.IsNone()) WriteId(store, origin, writer);
  if (!item.right_origin.IsNone()) WriteId(store, item.right_origin, writer);
  if (origin.IsNone() && item.right_origin.IsNone()) WriteParent(store, sequence, writer);
  store.WriteContent(item, offset, writer);
}

// One client's structs from `clock` on, of which there are some.
void WriteGroup(const ItemStore& store, ClientIndex index, Clock clock, Lib0Writer& writer) {
  const ClientState& client = store.ClientAt(index);
  StructList::Place place = client.structs.Find(clock);
  writer.VarUint(client.structs.CountFrom(place));
  writer.VarUint(client.id.value());
  writer.VarUint(clock);
  const Item* item = &store.At(client.structs.At(place));
  WriteStruct(store, *item, clock - item->clock, writer);
  while (client.structs.MoveRight(place)) {
    WriteStruct(store, store.At(client.structs.At(place)), 0, writer);
  }
}

void WriteDeleted(const ItemStore& store, Lib0Writer& writer) {
  const std::vector<Changes::Deleted>& deleted = store.changes().deleted;
  if (deleted.empty()) return writer.VarUint(0);
  // Sorted by client index and clock; wanted descending by client id.
  std::vector<std::pair<std::size_t, std::size_t>> groups;
  for (std::size_t begin = 0; begin < deleted.size();) {
    std::size_t end = begin;
    while (end < deleted.size() && deleted[end].client == deleted[begin].client) ++end;
    groups.emplace_back(begin, end);
    begin = end;
  }
  const auto id_of = [&](const auto& group) {
    return store.ClientAt(deleted[group.first].client).id;
  };
  std::sort(groups.begin(), groups.end(),
            [&](const auto& a, const auto& b) { return id_of(a) > id_of(b); });
  writer.VarUint(groups.size());
  for (const auto& group : groups) {
    writer.VarUint(id_of(group).value());
    writer.VarUint(group.second - group.first);
    for (std::size_t i = group.first; i < group.second; ++i) {
      writer.VarUint(deleted[i].begin);
      writer.VarUint(deleted[i].end - deleted[i].begin);
    }
  }
}

}  // namespace

std::string EncodeState(const ItemStore& store, const StateVector& known) {
  std::vector<std::pair<ClientIndex, Clock>> groups;
  for (const ClientIndex index : store.ClientsDescending()) {
    const ClientState& client = store.ClientAt(index);
    const Clock clock = known.At(client.id);
    if (clock < client.end) groups.emplace_back(index, clock);
  }
  Lib0Writer writer;
  writer.VarUint(groups.size());
  for (const auto& [index, clock] : groups) WriteGroup(store, index, clock, writer);
  CollectDeleteSet(store).EncodeTo(writer);
  return writer.Take();
}

void EncodeChanges(const ItemStore& store, std::string& update) {
  const Changes& changes = store.changes();
  update.clear();
  if (changes.touched.empty() && changes.deleted.empty()) return;
  Lib0Writer writer(std::move(update));
  writer.VarUint(changes.touched.size());
  if (changes.touched.size() == 1) {
    WriteGroup(store, changes.touched[0], store.ClientAt(changes.touched[0]).before, writer);
  } else if (!changes.touched.empty()) {
    std::vector<ClientIndex> touched = changes.touched;
    std::sort(touched.begin(), touched.end(), [&](ClientIndex a, ClientIndex b) {
      return store.ClientAt(a).id > store.ClientAt(b).id;
    });
    for (const ClientIndex index : touched) {
      WriteGroup(store, index, store.ClientAt(index).before, writer);
    }
  }
  WriteDeleted(store, writer);
  update = writer.Take();
}

DeleteSet CollectDeleteSet(const ItemStore& store) {
  DeleteSet deleted;
  const std::vector<ClientIndex>& clients = store.ClientsDescending();
  for (auto index = clients.rbegin(); index != clients.rend(); ++index) {
    const ClientState& client = store.ClientAt(*index);
    StructList::Place place = client.structs.First();
    ClockRange range;
    do {
      const Item& item = store.At(client.structs.At(place));
      if (!item.is_deleted) continue;
      if (range.end != item.clock || range.begin == range.end) {
        if (range.begin != range.end) deleted.Add(client.id, range);
        range.begin = item.clock;
      }
      range.end = item.end();
    } while (client.structs.MoveRight(place));
    if (range.begin != range.end) deleted.Add(client.id, range);
  }
  return deleted;
}

}  // namespace coterie::crdt
