#include "crdt/apply.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "crdt/integrate.h"
#include "crdt/item_store.h"
#include "crdt/struct_writer.h"
#include "crdt/update_reader.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

// The number of a kAny or kJson is written before its values; the store keeps the values alone.
std::string_view ValuesOf(std::string_view payload) {
  Lib0Reader reader(payload);
  static_cast<void>(reader.VarUint());
  return payload.substr(reader.offset_bytes());
}

// The structs of one update on their way into the store.
class Applier {
 public:
  Applier(ItemStore& store, const ParsedUpdate& update) : store_(store), update_(update) {
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
  const StateVector& missing() const { return missing_; }

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
  void Block(const Head& head, Client client, Clock clock);
  bool MaybeTakeNext(Head& head);
  ClientIndex IndexOf(Client client);
  LocalId ToLocal(const Id& id) { return {.client = IndexOf(id.client), .clock = id.clock}; }
  bool Lacks(const StructView& view, const Id& id);
  std::optional<Client> FindMissing(const StructView& view);
  void Resolve(const StructView& view);
  void FindSequence(const StructView& view);
  void IntegrateFrom(StructView& view, Clock offset);
  bool MaybeExtend(ClientIndex client, const StructView& view);
  void SetContent(ItemRef ref, const StructView& view);

  ItemStore& store_;
  const ParsedUpdate& update_;
  std::vector<Source> sources_;  // Descending by client, as Yjs takes them.
  std::size_t current_ = 0;
  std::vector<Head> stack_;  // Each waits for the one above it.
  StateVector missing_;
  Client last_client_;
  ClientIndex last_index_ = kNoClient;

  // The neighbours of the struct at hand.
  ItemRef left_ = 0;
  ItemRef right_ = 0;
  LocalId origin_;
  LocalId right_origin_;
  LocalId last_right_origin_;
  ItemRef last_right_ = 0;
  bool is_garbage_ = false;  // A neighbour or the parent is.
  SequenceRef sequence_ = 0;
  std::string scratch_;
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

// The struct cannot be integrated without (client, clock), nor can those that wait for it, nor what
// their clients wrote after them. If they wait in a circle, the first of each client counts.
void Applier::Block(const Head& head, Client client, Clock clock) {
  stack_.push_back(head);
  const Clock known = missing_.At(client);
  if (known == 0 || clock + 1 < known) missing_.Set(client, clock + 1);
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
      const Client client = head.view.id.client;
      const ClientIndex index = IndexOf(client);
      const Clock known = index == kNoClient ? 0 : store_.ClientAt(index).end;
      if (head.view.id.clock > known) {
        Block(head, client, head.view.id.clock - 1);
        break;
      }
      const std::optional<Client> lacked = FindMissing(head.view);
      if (lacked) {
        const std::optional<std::size_t> source = FindSource(*lacked);
        if (!source || !HasMore(*source)) {
          const ClientIndex other = IndexOf(*lacked);
          Block(head, *lacked, other == kNoClient ? 0 : store_.ClientAt(other).end);
          break;
        }
        stack_.push_back(head);
        Take(*source, head);
        continue;
      }
      IntegrateFrom(head.view, known - head.view.id.clock);
      break;
    }
  }
}

ClientIndex Applier::IndexOf(Client client) {
  if (client != last_client_ || last_index_ == kNoClient) {
    last_client_ = client;
    last_index_ = store_.FindClient(client);
  }
  return last_index_;
}

bool Applier::Lacks(const StructView& view, const Id& id) {
  if (id.client == view.id.client) return false;
  const LocalId local = ToLocal(id);
  return local.IsNone() || !store_.Has(local);
}

std::optional<Client> Applier::FindMissing(const StructView& view) {
  if (view.content == ContentKind::kGc) return std::nullopt;
  if (view.has_origin && Lacks(view, view.origin)) return view.origin.client;
  if (view.has_right_origin && Lacks(view, view.right_origin)) return view.right_origin.client;
  if (view.parent == ParentKind::kItem && Lacks(view, view.parent_item)) {
    return view.parent_item.client;
  }
  return std::nullopt;
}

// Finds the neighbours, cutting items there. Requires that nothing is missing.
void Applier::Resolve(const StructView& view) {
  left_ = 0;
  right_ = 0;
  origin_ = {};
  right_origin_ = {};
  is_garbage_ = false;
  if (view.has_origin) {
    origin_ = ToLocal(view.origin);
    left_ = store_.CleanEnd(origin_);
    is_garbage_ = store_.At(left_).IsGc();
  }
  if (view.has_right_origin) {
    right_origin_ = ToLocal(view.right_origin);
    // What is typed at one place has one right origin.
    if (right_origin_ != last_right_origin_) {
      last_right_origin_ = right_origin_;
      last_right_ = store_.CleanStart(right_origin_);
    }
    right_ = last_right_;
    is_garbage_ = is_garbage_ || store_.At(right_).IsGc();
  }
}

void Applier::FindSequence(const StructView& view) {
  BranchRef branch = 0;
  switch (view.parent) {
    case ParentKind::kNeighbour:
      sequence_ = store_.At(left_ != 0 ? left_ : right_).sequence;
      return;
    case ParentKind::kRoot:
      branch = store_.InternRoot(view.parent_root);
      break;
    case ParentKind::kItem: {
      const Item& parent = store_.At(store_.FindItem(ToLocal(view.parent_item)));
      is_garbage_ = parent.kind() != ContentKind::kType;
      if (is_garbage_) return;
      branch = store_.TypeOf(parent);
      break;
    }
  }
  sequence_ = view.has_parent_sub ? store_.KeyOf(branch, store_.atoms().Intern(view.parent_sub))
                                  : store_.ChildrenOf(branch);
}

// Drops what is known of a struct, the first `offset` clocks.
void CutView(StructView& view, Clock offset, std::string& scratch) {
  if (view.content == ContentKind::kString) {
    const TextCut cut = FindUtf16(view.payload, offset);
    view.payload.remove_prefix(cut.offset_bytes);
    if (cut.is_within_pair) {
      // Half a surrogate pair is no character.
      scratch = "\xef\xbf\xbd";
      scratch += view.payload;
      view.payload = scratch;
    }
  } else if (view.content == ContentKind::kAny || view.content == ContentKind::kJson) {
    Lib0Reader reader(view.payload);
    for (Clock i = 0; i < offset; ++i) {
      static_cast<void>(view.content == ContentKind::kAny ? reader.Any() : reader.VarBytes());
    }
    view.payload.remove_prefix(reader.offset_bytes());
  }
  view.id.clock += offset;
  view.length -= offset;
}

// Integrates it without the first `offset` clocks, which are known; all may be.
void Applier::IntegrateFrom(StructView& view, Clock offset) {
  if (view.content != ContentKind::kGc) Resolve(view);
  if (offset >= view.length) return;
  if (view.content == ContentKind::kAny || view.content == ContentKind::kJson) {
    view.payload = ValuesOf(view.payload);
  }
  if (view.content != ContentKind::kGc && !is_garbage_) FindSequence(view);
  const ClientIndex client = store_.InternClient(view.id.client);
  last_client_ = view.id.client;
  last_index_ = client;
  if (offset > 0) {
    CutView(view, offset, scratch_);
    if (view.content != ContentKind::kGc) {
      origin_ = {.client = client, .clock = view.id.clock - 1};
      left_ = store_.CleanEnd(origin_);
      is_garbage_ = is_garbage_ || store_.At(left_).IsGc();
      // The same, unless somebody wrote two things with one id.
      if (!is_garbage_) sequence_ = store_.At(left_).sequence;
    }
  }
  if (view.content == ContentKind::kGc || is_garbage_) {
    IntegrateGarbage(store_, {.client = client, .clock = view.id.clock}, view.length);
    return;
  }
  if (MaybeExtend(client, view)) return;
  const ItemRef ref = store_.NewItem();
  Item& item = store_.At(ref);
  item.set_client(client);
  item.clock = view.id.clock;
  item.length = view.length;
  item.origin = origin_;
  item.right_origin = right_origin_;
  item.left = left_;
  item.right = right_;
  item.sequence = sequence_;
  SetContent(ref, view);
  Integrate(store_, ref);
}

// Text that would be merged into its left neighbour at the end of the transaction goes there now:
// so it is with what is typed.
bool Applier::MaybeExtend(ClientIndex client, const StructView& view) {
  if (view.content != ContentKind::kString || left_ == 0) return false;
  const Item& left = store_.At(left_);
  const bool fits = left.client == client && left.end() == view.id.clock &&
                    left.kind() == ContentKind::kString && !left.is_deleted && !left.is_redone &&
                    left.right == right_ && left.right_origin == right_origin_ &&
                    !store_.IsKeyed(left);
  if (!fits) return false;
  store_.ExtendLast(left_, view.payload, view.length);
  NoteChanged(store_, store_.BranchOf(left), 0);
  return true;
}

void Applier::SetContent(ItemRef ref, const StructView& view) {
  Item& item = store_.At(ref);
  switch (view.content) {
    case ContentKind::kString:
      return store_.SetText(item, view.payload);
    case ContentKind::kDeleted:
      return store_.SetDeleted(item);
    case ContentKind::kFormat: {
      Lib0Reader reader(view.payload);
      const std::string_view key = reader.VarBytes();
      return store_.SetFormat(item, store_.atoms().Intern(key), reader.VarBytes());
    }
    case ContentKind::kType: {
      Lib0Reader reader(view.payload);
      const auto kind = static_cast<TypeKind>(reader.VarUint());
      return store_.SetType(ref, kind, reader.AtEnd() ? std::string_view() : reader.VarBytes());
    }
    case ContentKind::kJson:
    case ContentKind::kAny:
    case ContentKind::kBinary:
    case ContentKind::kEmbed:
    case ContentKind::kDoc:
      return store_.SetPayload(item, view.content, view.payload);
    case ContentKind::kGc:
    case ContentKind::kSkip:
      break;
  }
  CHECK(false);
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
  while (reader.Next(view)) {
    if (reader.is_first_of_client()) {
      parsed.groups.push_back(
          {.client = view.id.client, .clock = view.id.clock, .begin_bytes = offset_of()});
    }
    ParsedUpdate::Group& group = parsed.groups.back();
    ++group.structs;
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

void ApplyStructs(ItemStore& store, const ParsedUpdate& update, PendingStructs& pending) {
  Applier applier(store, update);
  applier.Run();
  std::string rest = applier.Rest();
  if (rest.empty()) return;
  for (const auto& [client, clock] : applier.missing().clocks()) {
    const Clock known = pending.missing.At(client);
    if (known == 0 || clock < known) pending.missing.Set(client, clock);
  }
  pending.updates.push_back(std::move(rest));
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
  DeleteSet rest;
  // In the order of Yjs, which shows in the order of events.
  for (auto entry = deletes.clients().rbegin(); entry != deletes.clients().rend(); ++entry) {
    const auto& [client, ranges] = *entry;
    const ClientIndex index = store.FindClient(client);
    const Clock end = index == kNoClient ? 0 : store.ClientAt(index).end;
    StructList::Place place;
    for (const ClockRange& range : ranges) {
      if (range.end > end)
        rest.Add(client, {.begin = std::max(range.begin, end), .end = range.end});
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
  return rest;
}

}  // namespace coterie::crdt
