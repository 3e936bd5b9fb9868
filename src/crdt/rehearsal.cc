#include "crdt/rehearsal.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "base/check.h"
#include "crdt/apply.h"
#include "crdt/item_store.h"

namespace coterie::crdt {
namespace {

class Rehearsal {
 public:
  Rehearsal(const ItemStore& store, const ParsedUpdate& update) : store_(store), update_(update) {
    sources_.reserve(update.groups.size());
    for (const ParsedUpdate::Group& group : update.groups) {
      Source& source = sources_.emplace_back(Source{
          .reader =
              UpdateReader(update.bytes, UpdateReader::Place{.offset_bytes = group.begin_bytes,
                                                             .id = {group.client, group.clock},
                                                             .structs = group.structs}),
          .view = {},
          .left = group.structs,
          .offset_bytes = group.begin_bytes,
          .end = KnownOf(group.client),
          .waiters = {}});
      Take(source);
    }
  }

  std::uint64_t Run() {
    for (std::size_t i = 0; i < sources_.size(); ++i) ready_.push_back(i);
    while (!ready_.empty()) {
      const std::size_t source = ready_.back();
      ready_.pop_back();
      Advance(source);
      Wake(sources_[source]);
    }
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i].has_view) bytes += update_.groups[i].end_bytes - sources_[i].offset_bytes;
    }
    return bytes + kBytesPerWaitingRange * WaitingRanges();
  }

 private:
  // Who waits for a clock of this client, the smallest first.
  using Waiter = std::pair<Clock, std::size_t>;
  using Waiters = std::priority_queue<Waiter, std::vector<Waiter>, std::greater<>>;
  struct Source {
    UpdateReader reader;
    StructView view;  // The next one.
    bool has_view = false;
    std::uint64_t left = 0;
    std::size_t offset_bytes = 0;  // Of the next one.
    Clock end = 0;                 // What would be there of its client by now.
    Waiters waiters;
  };

  Clock KnownOf(Client client) const {
    const ClientIndex index = store_.FindClient(client);
    return index == kNoClient ? 0 : store_.ClientAt(index).end;
  }
  std::optional<std::size_t> FindSource(Client client) const {
    const auto place = std::lower_bound(
        update_.groups.begin(), update_.groups.end(), client,
        [](const ParsedUpdate::Group& group, Client at) { return group.client > at; });
    if (place == update_.groups.end() || place->client != client) return std::nullopt;
    return static_cast<std::size_t>(place - update_.groups.begin());
  }
  Clock EndOf(Client client) const {
    const std::optional<std::size_t> source = FindSource(client);
    return source ? sources_[*source].end : KnownOf(client);
  }

  void Take(Source& source) {
    source.has_view = source.left > 0;
    if (!source.has_view) return;
    --source.left;
    const bool has_next = source.reader.Next(source.view);
    CHECK(has_next);
    source.offset_bytes =
        static_cast<std::size_t>(source.reader.bytes().data() - update_.bytes.data());
  }

  // As far as it goes.
  void Advance(std::size_t index) {
    Source& source = sources_[index];
    for (; source.has_view; Take(source)) {
      const StructView& view = source.view;
      if (view.content == ContentKind::kSkip) continue;
      if (view.id.clock > source.end) return;  // For ever: its own client's are missing.
      if (const std::optional<Id> lacked = FindMissing(view)) {
        const std::optional<std::size_t> other = FindSource(lacked->client);
        if (other) sources_[*other].waiters.emplace(lacked->clock, index);
        return;
      }
      source.end = std::max(source.end, view.id.clock + view.length);
    }
  }

  void Wake(Source& source) {
    while (!source.waiters.empty() && source.waiters.top().first < source.end) {
      ready_.push_back(source.waiters.top().second);
      source.waiters.pop();
    }
  }

  std::optional<Id> FindMissing(const StructView& view) const {
    if (view.content == ContentKind::kGc) return std::nullopt;
    const auto lacks = [&](const Id& id) {
      return id.client != view.id.client && id.clock >= EndOf(id.client);
    };
    if (view.has_origin && lacks(view.origin)) return view.origin;
    if (view.has_right_origin && lacks(view.right_origin)) return view.right_origin;
    if (view.parent == ParentKind::kItem && lacks(view.parent_item)) return view.parent_item;
    return std::nullopt;
  }

  std::uint64_t WaitingRanges() const {
    std::uint64_t count = 0;
    for (const auto& [client, ranges] : update_.deleted.clients()) {
      const Clock end = EndOf(client);
      for (const ClockRange& range : ranges) count += range.end > end ? 1 : 0;
    }
    return count;
  }

  const ItemStore& store_;
  const ParsedUpdate& update_;
  std::vector<Source> sources_;  // As the update's groups.
  std::vector<std::size_t> ready_;
};

}  // namespace

std::uint64_t Rehearse(const ItemStore& store, const ParsedUpdate& update) {
  return Rehearsal(store, update).Run();
}

}  // namespace coterie::crdt
