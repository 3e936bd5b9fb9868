#include "crdt/apply.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/struct_integrator.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

// The structs of one update on their way into the store.
class Applier {
 public:
  Applier(ItemStore& store, const ParsedUpdate& update) : integrator_(store), update_(update) {
    sources_.reserve(update.groups.size());
    for (const ParsedUpdate::Group& group : update.groups) {
      Source& source = sources_.emplace_back();
      source.left = group.structs;
      if (IsSingle()) return;
      source.reader.emplace(update.bytes, UpdateReader::Place{.offset_bytes = group.begin_bytes,
                                                              .id = {group.client, group.clock},
                                                              .structs = group.structs});
    }
  }

  void Run();
  // What could not be integrated, as an update; "" if nothing.
  std::string Rest() const;

 private:
  // One client's structs.
  struct Source {
    std::optional<UpdateReader> reader;  // Not of the only struct.
    std::uint64_t left = 0;              // Not taken yet.
    // Its next struct lacks something, so that all from there on will be pending.
    bool is_blocked = false;
    struct From {
      Clock clock = 0;
      std::uint64_t structs = 0;
      std::size_t offset_bytes = 0;
    } blocked_from;
  };
  // A struct that was taken from its source.
  struct Head {
    std::size_t source = 0;
    Source::From from;
    StructView view;
  };

  bool IsSingle() const { return update_.groups.size() == 1 && update_.groups[0].structs == 1; }
  void Take(std::size_t source, Head& head);
  bool HasMore(std::size_t source) const {
    return sources_[source].left > 0 && !sources_[source].is_blocked;
  }
  std::optional<std::size_t> FindSource(Client client) const;
  void Block(const Head& head);
  bool MaybeTakeNext(Head& head);

  StructIntegrator integrator_;
  const ParsedUpdate& update_;
  std::vector<Source> sources_;  // Descending by client, as Yjs takes them.
  std::size_t current_ = 0;
  std::vector<Head> stack_;  // Each waits for the one above it.
};

void Applier::Take(std::size_t index, Head& head) {
  Source& source = sources_[index];
  head.source = index;
  std::size_t offset = update_.groups[index].begin_bytes;
  if (source.reader) {
    const bool has_next = source.reader->Next(head.view);
    CHECK(has_next);
    offset = static_cast<std::size_t>(source.reader->bytes().data() - update_.bytes.data());
  } else {
    head.view = update_.last;
  }
  head.from = {.clock = head.view.id.clock, .structs = source.left, .offset_bytes = offset};
  --source.left;
}

std::optional<std::size_t> Applier::FindSource(Client client) const {
  const auto place = std::lower_bound(
      update_.groups.begin(), update_.groups.end(), client,
      [](const ParsedUpdate::Group& group, Client at) { return group.client > at; });
  if (place == update_.groups.end() || place->client != client) return std::nullopt;
  return static_cast<std::size_t>(place - update_.groups.begin());
}

// The struct lacks something, so that it cannot be integrated, nor can those that wait for it, nor
// what their clients wrote after them. If they wait in a circle, the first of each client counts.
void Applier::Block(const Head& head) {
  stack_.push_back(head);
  for (const Head& waiting : stack_) {
    Source& source = sources_[waiting.source];
    if (source.is_blocked) continue;
    source.is_blocked = true;
    source.blocked_from = waiting.from;
  }
  stack_.clear();
}

bool Applier::MaybeTakeNext(Head& head) {
  if (!stack_.empty()) {
    head = stack_.back();
    stack_.pop_back();
    return true;
  }
  while (current_ < sources_.size() && !HasMore(current_)) ++current_;
  if (current_ == sources_.size()) return false;
  Take(current_, head);
  return true;
}

void Applier::Run() {
  Head head;
  while (MaybeTakeNext(head)) {
    while (head.view.content != ContentKind::kSkip) {
      const Clock known = integrator_.EndOf(head.view.id.client);
      if (head.view.id.clock > known) {
        Block(head);
        break;
      }
      const std::optional<Id> lacked = integrator_.FindMissing(head.view);
      if (lacked) {
        const std::optional<std::size_t> source = FindSource(lacked->client);
        if (!source || !HasMore(*source)) {
          Block(head);
          break;
        }
        stack_.push_back(head);
        Take(*source, head);
        continue;
      }
      integrator_.IntegrateFrom(head.view, known - head.view.id.clock);
      break;
    }
  }
}

std::string Applier::Rest() const {
  Lib0Writer writer;
  const auto is_blocked = [](const Source& source) { return source.is_blocked; };
  const auto count = std::count_if(sources_.begin(), sources_.end(), is_blocked);
  if (count == 0) return {};
  writer.VarUint(static_cast<std::uint64_t>(count));
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (!sources_[i].is_blocked) continue;
    const Source::From& from = sources_[i].blocked_from;
    writer.VarUint(from.structs);
    writer.VarUint(update_.groups[i].client.value());
    writer.VarUint(from.clock);
    writer.Raw(
        update_.bytes.substr(from.offset_bytes, update_.groups[i].end_bytes - from.offset_bytes));
  }
  writer.VarUint(0);
  return writer.Take();
}

// What of a range is there and not deleted.
void AddLive(const ItemStore& store, ClientIndex index, const ClockRange& range, DeleteSet& live) {
  const ClientState& client = store.ClientAt(index);
  StructList::Place place = client.structs.Find(range.begin);
  do {
    const Item& item = store.At(client.structs.At(place));
    if (item.clock >= range.end) return;
    if (item.is_deleted) continue;
    live.Add(client.id,
             {.begin = std::max(range.begin, item.clock), .end = std::min(range.end, item.end())});
  } while (client.structs.MoveRight(place));
}

}  // namespace

Malformed ParseUpdate(std::string_view update, ParsedUpdate& parsed) {
  UpdateReader reader(update);
  StructView& view = parsed.last;
  const auto offset_of = [&] {
    return static_cast<std::size_t>(reader.bytes().data() - update.data());
  };
  StructRun run;
  while (reader.Next(view)) {
    if (reader.is_first_of_client()) {
      parsed.groups.push_back(
          {.client = view.id.client, .clock = view.id.clock, .begin_bytes = offset_of()});
    }
    ParsedUpdate::Group& group = parsed.groups.back();
    ++group.structs;
    if (reader.NextRun({}, run)) group.structs += run.structs;
    group.end_bytes = offset_of() + reader.bytes().size();
  }
  if (reader.ok()) parsed.deleted = DeleteSet::Decode(reader.rest());
  if (reader.ok() && !reader.rest().AtEnd()) reader.rest().Fail(kBytesFollow);
  if (!reader.ok()) return reader.malformed();
  std::sort(parsed.groups.begin(), parsed.groups.end(),
            [](const auto& a, const auto& b) { return a.client > b.client; });
  parsed.bytes = update;
  return {};
}

std::string ApplyStructs(ItemStore& store, const ParsedUpdate& update) {
  Applier applier(store, update);
  applier.Run();
  return applier.Rest();
}

DeleteSet NotDeleted(const ItemStore& store, const DeleteSet& deletes) {
  DeleteSet rest;
  for (const auto& [client, ranges] : deletes.clients()) {
    const ClientIndex index = store.FindClient(client);
    const Clock end = index == kNoClient ? 0 : store.ClientAt(index).end;
    for (const ClockRange& range : ranges) {
      if (range.begin < end) AddLive(store, index, range, rest);
      if (range.end > end) {
        rest.Add(client, {.begin = std::max(range.begin, end), .end = range.end});
      }
    }
  }
  return rest;
}

DeleteSet ApplyDeletes(ItemStore& store, const DeleteSet& deletes) {
  std::vector<std::pair<Client, ClockRange>> rest;
  // In the order of Yjs, which shows in the order of events.
  for (auto entry = deletes.clients().rbegin(); entry != deletes.clients().rend(); ++entry) {
    const auto& [client, ranges] = *entry;
    const ClientIndex index = store.FindClient(client);
    const Clock end = index == kNoClient ? 0 : store.ClientAt(index).end;
    StructList::Place place;
    for (const ClockRange& range : ranges) {
      if (range.end > end) {
        rest.push_back({client, {.begin = std::max(range.begin, end), .end = range.end}});
      }
      if (range.begin >= end) continue;
      const StructList& structs = store.ClientAt(index).structs;
      place = place == structs.First() ? structs.Find(range.begin)
                                       : structs.FindFrom(place, range.begin);
      const Item& first = store.At(structs.At(place));
      if (!first.is_deleted && first.clock < range.begin) {
        store.SplitAt(index, place, range.begin - first.clock);
        place = structs.Find(range.begin);
      }
      do {
        const ItemRef ref = structs.At(place);
        const Item& item = store.At(ref);
        if (item.clock >= range.end) break;
        if (item.is_deleted) continue;
        if (range.end < item.end()) {
          store.SplitAt(index, place, range.end - item.clock);
          place = structs.Find(item.clock);
        }
        Delete(store, ref);
      } while (structs.MoveRight(place));
    }
  }
  return DeleteSet::FromRanges(std::move(rest));
}

}  // namespace coterie::crdt
