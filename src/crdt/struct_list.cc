#include "crdt/struct_list.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::crdt {

StructList::Place StructList::Find(Clock clock) const {
  CHECK(!blocks_.empty());
  std::size_t block = blocks_.size() - 1;
  if (blocks_[block].first > clock) {
    const auto after =
        std::upper_bound(blocks_.begin(), blocks_.end(), clock,
                         [](Clock at, const Block& candidate) { return at < candidate.first; });
    CHECK(after != blocks_.begin());
    block = static_cast<std::size_t>(after - blocks_.begin()) - 1;
  }
  const std::vector<Entry>& entries = blocks_[block].entries;
  std::size_t slot = entries.size() - 1;
  if (entries[slot].clock > clock) {
    const auto after =
        std::upper_bound(entries.begin(), entries.end(), clock,
                         [](Clock at, const Entry& entry) { return at < entry.clock; });
    slot = static_cast<std::size_t>(after - entries.begin()) - 1;
  }
  return {.block = static_cast<std::uint32_t>(block), .slot = static_cast<std::uint32_t>(slot)};
}

StructList::Place StructList::FindFrom(Place place, Clock clock) const {
  constexpr int kStepsMax = 8;
  for (int step = 0; step < kStepsMax; ++step) {
    Place next = place;
    if (!MoveRight(next) || ClockAt(next) > clock) return place;
    place = next;
  }
  return Find(clock);
}

StructList::Place StructList::Last() const {
  CHECK(!blocks_.empty());
  return {.block = static_cast<std::uint32_t>(blocks_.size() - 1),
          .slot = static_cast<std::uint32_t>(blocks_.back().entries.size() - 1)};
}

bool StructList::MoveLeft(Place& place) const {
  if (place.slot > 0) {
    --place.slot;
    return true;
  }
  if (place.block == 0) return false;
  --place.block;
  place.slot = static_cast<std::uint32_t>(blocks_[place.block].entries.size() - 1);
  return true;
}

bool StructList::MoveRight(Place& place) const {
  if (place.slot + 1 < blocks_[place.block].entries.size()) {
    ++place.slot;
    return true;
  }
  if (place.block + 1 == blocks_.size()) return false;
  ++place.block;
  place.slot = 0;
  return true;
}

void StructList::Append(Entry entry) {
  if (blocks_.empty() || blocks_.back().entries.size() == kBlockMax) {
    blocks_.push_back({.first = entry.clock, .entries = {}});
  }
  blocks_.back().entries.push_back(entry);
}

StructList::Place StructList::InsertAfter(Place place, Entry entry) {
  std::vector<Entry>& entries = blocks_[place.block].entries;
  if (entries.size() < kBlockMax) {
    entries.insert(entries.begin() + place.slot + 1, entry);
    ++place.slot;
    return place;
  }
  const std::size_t half = kBlockMax / 2;
  Block right{.first = entries[half].clock, .entries = {}};
  right.entries.assign(entries.begin() + half, entries.end());
  entries.resize(half);
  blocks_.insert(blocks_.begin() + place.block + 1, std::move(right));
  if (place.slot >= half) {
    ++place.block;
    place.slot -= static_cast<std::uint32_t>(half);
  }
  return InsertAfter(place, entry);
}

void StructList::Erase(Place place) {
  Block& block = blocks_[place.block];
  block.entries.erase(block.entries.begin() + place.slot);
  if (block.entries.empty()) {
    blocks_.erase(blocks_.begin() + place.block);
    return;
  }
  block.first = block.entries.front().clock;
  // Halves that were emptied by merges join, so that a block is a quarter full on average at least.
  if (block.entries.size() > kBlockMax / 4 || place.block + 1 == blocks_.size()) return;
  Block& next = blocks_[place.block + 1];
  if (block.entries.size() + next.entries.size() > kBlockMax / 2) return;
  block.entries.insert(block.entries.end(), next.entries.begin(), next.entries.end());
  blocks_.erase(blocks_.begin() + place.block + 1);
}

std::size_t StructList::CountFrom(Place place) const {
  std::size_t count = blocks_[place.block].entries.size() - place.slot;
  for (std::size_t i = place.block + 1; i < blocks_.size(); ++i) count += blocks_[i].entries.size();
  return count;
}

std::size_t StructList::memory_bytes() const {
  std::size_t bytes = blocks_.capacity() * sizeof(Block);
  for (const Block& block : blocks_) bytes += block.entries.capacity() * sizeof(Entry);
  return bytes;
}

}  // namespace coterie::crdt
