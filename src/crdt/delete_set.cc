#include "crdt/delete_set.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::crdt {
namespace {

using Entry = std::pair<Client, DeleteSet::Ranges>;

constexpr std::string_view kEmptyRange = "a deleted range is empty";

bool IsBefore(const Entry& entry, Client client) { return entry.first < client; }

// The first range that ends at `clock` or later: it holds, touches, or follows it.
DeleteSet::Ranges::const_iterator FirstEndingFrom(const DeleteSet::Ranges& ranges, Clock clock) {
  return std::lower_bound(ranges.begin(), ranges.end(), clock,
                          [](const ClockRange& range, Clock at) { return range.end < at; });
}

void AddTo(DeleteSet::Ranges& ranges, ClockRange range) {
  if (ranges.empty() || ranges.back().end < range.begin) {
    ranges.push_back(range);
    return;
  }
  const auto first = FirstEndingFrom(ranges, range.begin);
  auto last = first;  // Behind the last one that touches.
  while (last != ranges.end() && last->begin <= range.end) {
    range.begin = std::min(range.begin, last->begin);
    range.end = std::max(range.end, last->end);
    ++last;
  }
  const auto place = ranges.erase(first, last);
  ranges.insert(place, range);
}

// What is descending by client, as Yjs writes it, ascends afterwards. The ranges of each stay.
void ReverseClients(std::vector<std::pair<Client, ClockRange>>& ranges) {
  std::reverse(ranges.begin(), ranges.end());
  auto begin = ranges.begin();
  while (begin != ranges.end()) {
    const Client client = begin->first;
    const auto end = std::find_if(begin, ranges.end(),
                                  [client](const auto& range) { return range.first != client; });
    std::reverse(begin, end);
    begin = end;
  }
}

}  // namespace

DeleteSet::Ranges& DeleteSet::MutableOf(Client client) {
  auto place = std::lower_bound(clients_.begin(), clients_.end(), client, IsBefore);
  if (place == clients_.end() || place->first != client)
    place = clients_.insert(place, {client, {}});
  return place->second;
}

void DeleteSet::Add(Client client, ClockRange range) {
  CHECK(range.begin < range.end);
  AddTo(MutableOf(client), range);
}

void DeleteSet::Add(const DeleteSet& other) {
  // One by one is cheaper only where few come to many.
  if (other.clients_.size() == 1 && other.clients_[0].second.size() == 1) {
    return Add(other.clients_[0].first, other.clients_[0].second[0]);
  }
  std::vector<std::pair<Client, ClockRange>> all;
  for (const DeleteSet* set : {static_cast<const DeleteSet*>(this), &other}) {
    for (const auto& [client, ranges] : set->clients_) {
      for (const ClockRange& range : ranges) all.push_back({client, range});
    }
  }
  *this = FromRanges(std::move(all));
}

const DeleteSet::Ranges& DeleteSet::Of(Client client) const {
  static const Ranges kEmpty;
  const auto place = std::lower_bound(clients_.begin(), clients_.end(), client, IsBefore);
  return place != clients_.end() && place->first == client ? place->second : kEmpty;
}

bool DeleteSet::Contains(Id id) const {
  const Ranges& ranges = Of(id.client);
  const auto place =
      std::upper_bound(ranges.begin(), ranges.end(), id.clock,
                       [](Clock at, const ClockRange& range) { return at < range.end; });
  return place != ranges.end() && place->begin <= id.clock;
}

std::string DeleteSet::Encode() const {
  Lib0Writer writer;
  EncodeTo(writer);
  return writer.Take();
}

void DeleteSet::EncodeTo(Lib0Writer& writer) const {
  writer.VarUint(clients_.size());
  for (auto entry = clients_.rbegin(); entry != clients_.rend(); ++entry) {
    writer.VarUint(entry->first.value());
    writer.VarUint(entry->second.size());
    for (const ClockRange& range : entry->second) {
      writer.VarUint(range.begin);
      writer.VarUint(range.end - range.begin);
    }
  }
}

void DeleteSet::DecodeTo(Lib0Reader& reader, std::vector<std::pair<Client, ClockRange>>& ranges) {
  const auto count = [&reader] {
    return reader.VarUintUpTo(reader.remaining_bytes() / 2, "a count is larger than what follows");
  };
  const std::uint64_t clients = count();
  for (std::uint64_t i = 0; i < clients && reader.ok(); ++i) {
    const Client client(reader.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
    const std::uint64_t ranges_count = count();
    for (std::uint64_t k = 0; k < ranges_count && reader.ok(); ++k) {
      const auto begin =
          static_cast<Clock>(reader.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1"));
      const auto length = static_cast<Clock>(
          reader.VarUintUpTo(kClockMax - begin, "a length leads past the clock 2^32 - 1"));
      // Yjs throws where it must keep an empty one until the rest comes.
      if (length == 0) return reader.Fail(kEmptyRange);
      ranges.push_back({client, {.begin = begin, .end = begin + length}});
    }
  }
}

DeleteSet DeleteSet::Decode(Lib0Reader& reader) {
  std::vector<std::pair<Client, ClockRange>> ranges;
  DecodeTo(reader, ranges);
  return reader.ok() ? FromRanges(std::move(ranges)) : DeleteSet();
}

DeleteSet DeleteSet::FromRanges(std::vector<std::pair<Client, ClockRange>> ranges) {
  const auto is_before = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.begin < b.second.begin;
  };
  if (!std::is_sorted(ranges.begin(), ranges.end(), is_before)) {
    ReverseClients(ranges);
    if (!std::is_sorted(ranges.begin(), ranges.end(), is_before)) {
      std::sort(ranges.begin(), ranges.end(), is_before);
    }
  }
  DeleteSet set;
  for (const auto& [client, range] : ranges) {
    CHECK(range.begin < range.end);
    if (set.clients_.empty() || set.clients_.back().first != client) {
      set.clients_.push_back({client, {}});
    }
    AddTo(set.clients_.back().second, range);
  }
  return set;
}

}  // namespace coterie::crdt
