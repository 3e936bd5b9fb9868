#include "crdt/pending.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "crdt/apply.h"
#include "crdt/item_store.h"
#include "crdt/lib0.h"
#include "crdt/merge.h"
#include "crdt/struct_integrator.h"
#include "crdt/update_reader.h"

namespace coterie::crdt {
namespace {

// Up to so many pending bytes all goes as in Yjs: each update that is pending is merged with the
// others at once (which of two forms of a struct is kept can depend on the order), and all of it is
// tried again from the front (the order of a map's keys is that in which they came). Beyond,
// merging waits until they have become twice as many, so that what comes again and again does not
// stay more than once, and trying reads nothing but what can go on.
constexpr std::uint64_t kEagerBytesMax = 4 << 10;
// So many groups are tried again at most.
constexpr std::size_t kEagerGroupsMax = 64;

std::string Merge(const std::vector<std::string>& updates) {
  const std::vector<std::string_view> views(updates.begin(), updates.end());
  MergeResult merged = MergeUpdates(views);
  CHECK(!merged.malformed);
  return std::move(merged.update);
}

}  // namespace

void PendingStructs::Park(std::string_view rest) {
  if (empty()) merged_bytes_ = 0;
  const bool is_due =
      bytes_ <= kEagerBytesMax ||
      bytes_ + rest.size() > 2 * std::max<std::uint64_t>(merged_bytes_, kEagerBytesMax);
  if (empty() || !is_due) return Add(rest);
  const std::string merged = Merge({Encode(), std::string(rest)});
  Clear();
  Add(merged);
  merged_bytes_ = bytes_;
}

void PendingStructs::Add(std::string_view update) {
  ParsedUpdate parsed;
  const Malformed malformed = ParseUpdate(update, parsed);
  CHECK(!malformed);
  ++parts_;
  for (const ParsedUpdate::Group& group : parsed.groups) {
    if (free_.empty()) {
      free_.push_back(groups_.size());
      groups_.emplace_back();
    }
    const std::size_t index = free_.back();
    free_.pop_back();
    const std::size_t bytes = group.end_bytes - group.begin_bytes;
    groups_[index] = {.client = group.client,
                      .clock = group.clock,
                      .structs = group.structs,
                      .part = parts_,
                      .bytes = std::string(update.substr(group.begin_bytes, bytes)),
                      .begin_bytes = 0,
                      .missing = {}};
    bytes_ += bytes;
    ++count_;
    ready_.push_back(index);
  }
}

void PendingStructs::Clear() {
  groups_ = {};
  free_ = {};
  ready_ = {};
  waiters_ = {};
  count_ = 0;
  bytes_ = 0;
}

void PendingStructs::Retry(ItemStore& store, const std::set<ClientIndex>& advanced) {
  const bool is_little = bytes_ <= kEagerBytesMax && count_ <= kEagerGroupsMax;
  if (is_little && IsDue(store, advanced)) RetryFromTheFront(store);
  if (empty()) return;
  StructIntegrator integrator(store);
  const auto run = [&] {
    while (!ready_.empty()) {
      const std::size_t index = ready_.back();
      ready_.pop_back();
      const Client client = groups_[index].client;
      Advance(integrator, index);
      Wake(client, integrator.EndOf(client));
    }
  };
  const auto wake = [&](ClientIndex index) {
    Wake(store.ClientAt(index).id, store.ClientAt(index).end);
    run();
  };
  run();
  for (const ClientIndex index : advanced) wake(index);
  // By index: what is integrated may be of clients that were not touched before.
  for (std::size_t i = 0; i < store.changes().touched.size(); ++i) {
    wake(store.changes().touched[i]);
  }
  if (empty()) Clear();
}

bool PendingStructs::IsDue(const ItemStore& store, const std::set<ClientIndex>& advanced) const {
  if (!ready_.empty()) return true;
  const auto wakes = [&](ClientIndex index) {
    const auto found = waiters_.find(store.ClientAt(index).id);
    return found != waiters_.end() && found->second.top().first < store.ClientAt(index).end;
  };
  return std::any_of(advanced.begin(), advanced.end(), wakes) ||
         std::any_of(store.changes().touched.begin(), store.changes().touched.end(), wakes);
}

void PendingStructs::RetryFromTheFront(ItemStore& store) {
  const std::string all = Encode();
  Clear();
  ParsedUpdate parsed;
  const Malformed malformed = ParseUpdate(all, parsed);
  CHECK(!malformed);
  const std::string rest = ApplyStructs(store, parsed);
  if (!rest.empty()) Add(rest);
}

void PendingStructs::Wake(Client client, Clock end) {
  const auto found = waiters_.find(client);
  if (found == waiters_.end()) return;
  Waiters& waiters = found->second;
  while (!waiters.empty() && waiters.top().first < end) {
    ready_.push_back(waiters.top().second);
    waiters.pop();
  }
  if (waiters.empty()) waiters_.erase(found);
}

// As far as it goes.
void PendingStructs::Advance(StructIntegrator& integrator, std::size_t index) {
  Group& group = groups_[index];
  UpdateReader reader(group.bytes, UpdateReader::Place{.offset_bytes = group.begin_bytes,
                                                       .id = {group.client, group.clock},
                                                       .structs = group.structs});
  StructView view;
  for (; group.structs > 0; --group.structs) {
    const bool has_next = reader.Next(view);
    CHECK(has_next);
    if (view.content == ContentKind::kSkip) continue;
    const Clock known = integrator.EndOf(group.client);
    std::optional<Id> missing;
    if (view.id.clock > known) {
      missing = {.client = group.client, .clock = view.id.clock - 1};
    } else {
      missing = integrator.FindMissing(view);
    }
    if (missing) {
      group.clock = view.id.clock;
      group.missing = *missing;
      waiters_[missing->client].emplace(missing->clock, index);
      return Cut(group, static_cast<std::size_t>(reader.bytes().data() - group.bytes.data()));
    }
    integrator.IntegrateFrom(view, known - view.id.clock);
  }
  bytes_ -= group.bytes.size() - group.begin_bytes;
  group = {};
  free_.push_back(index);
  --count_;
}

// What is integrated is dropped once it is half of the bytes, so that each is copied once.
void PendingStructs::Cut(Group& group, std::size_t begin_bytes) {
  bytes_ -= begin_bytes - group.begin_bytes;
  group.begin_bytes = begin_bytes;
  if (group.begin_bytes * 2 < group.bytes.size()) return;
  group.bytes = group.bytes.substr(group.begin_bytes);
  group.begin_bytes = 0;
}

std::string PendingStructs::Encode() const {
  CHECK(!empty());
  std::vector<const Group*> waiting;
  for (const Group& group : groups_) {
    if (group.structs > 0) waiting.push_back(&group);
  }
  std::sort(waiting.begin(), waiting.end(), [](const Group* a, const Group* b) {
    return a->part != b->part ? a->part < b->part : a->client > b->client;
  });
  std::vector<std::string> updates;
  for (auto first = waiting.begin(); first != waiting.end();) {
    const auto last = std::find_if(
        first, waiting.end(), [&](const Group* group) { return group->part != (*first)->part; });
    Lib0Writer writer;
    writer.VarUint(static_cast<std::uint64_t>(last - first));
    for (; first != last; ++first) {
      const Group& group = **first;
      writer.VarUint(group.structs);
      writer.VarUint(group.client.value());
      writer.VarUint(group.clock);
      writer.Raw(std::string_view(group.bytes).substr(group.begin_bytes));
    }
    writer.VarUint(0);
    updates.push_back(writer.Take());
  }
  return Merge(updates);
}

StateVector PendingStructs::missing() const {
  std::map<Client, Clock> clocks;
  for (const Group& group : groups_) {
    if (group.structs == 0) continue;
    const Clock end = group.missing.clock + 1;
    const auto [place, is_new] = clocks.try_emplace(group.missing.client, end);
    if (!is_new) place->second = std::min(place->second, end);
  }
  StateVector missing;
  for (const auto& [client, clock] : clocks) missing.Set(client, clock);
  return missing;
}

std::size_t PendingStructs::memory_bytes() const {
  constexpr std::size_t kWaiterBytes = 64;
  return groups_.capacity() * (sizeof(Group) + kWaiterBytes) + 2 * bytes_;
}

void PendingDeletes::Add(const DeleteSet& deletes) {
  for (const auto& [client, ranges] : deletes.clients()) {
    DeleteSet& waiting = deletes_[client];
    ranges_ -= waiting.Of(client).size();
    for (const ClockRange& range : ranges) waiting.Add(client, range);
    ranges_ += waiting.Of(client).size();
  }
}

DeleteSet PendingDeletes::TakeDue(const ItemStore& store, const std::set<ClientIndex>& advanced) {
  if (empty()) return {};
  std::vector<std::pair<Client, ClockRange>> due;
  const auto take = [&](ClientIndex index) {
    TakeDueOf(store.ClientAt(index).id, store.ClientAt(index).end, due);
  };
  for (const ClientIndex index : advanced) take(index);
  for (const ClientIndex index : store.changes().touched) take(index);
  return DeleteSet::FromRanges(std::move(due));
}

void PendingDeletes::TakeDueOf(Client client, Clock end,
                               std::vector<std::pair<Client, ClockRange>>& due) {
  const auto found = deletes_.find(client);
  if (found == deletes_.end()) return;
  const DeleteSet::Ranges& ranges = found->second.Of(client);
  const auto later = std::find_if(ranges.begin(), ranges.end(),
                                  [end](const ClockRange& range) { return range.begin >= end; });
  if (later == ranges.begin()) return;
  for (auto range = ranges.begin(); range != later; ++range) due.emplace_back(client, *range);
  ranges_ -= static_cast<std::uint64_t>(later - ranges.begin());
  DeleteSet rest;
  for (auto range = later; range != ranges.end(); ++range) rest.Add(client, *range);
  if (rest.empty()) {
    deletes_.erase(found);
  } else {
    found->second = std::move(rest);
  }
}

DeleteSet PendingDeletes::All() const {
  DeleteSet all;
  for (const auto& [client, deletes] : deletes_) {  // Ascending.
    for (const ClockRange& range : deletes.Of(client)) all.Add(client, range);
  }
  return all;
}

std::size_t PendingDeletes::memory_bytes() const {
  constexpr std::size_t kClientBytes = 128;
  return deletes_.size() * kClientBytes + ranges_ * sizeof(ClockRange);
}

}  // namespace coterie::crdt
