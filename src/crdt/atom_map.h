#pragma once

// Values by atom, in JavaScript's order of a Map: where an atom was set first, since it was last
// erased. Nearly all have less than ten, which are walked over; of more, each verb takes constant
// time all the same. Pure value; one owner.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "crdt/item.h"

namespace coterie::crdt {

template <class Value>
class AtomMap {
 public:
  // Null if there is none. Valid until the next change.
  const Value* Find(Atom key) const {
    const std::size_t place = PlaceOf(key);
    return place == kNone ? nullptr : &entries_[place].second;
  }
  void Set(Atom key, Value value) {
    const std::size_t place = PlaceOf(key);
    if (place != kNone) {
      entries_[place].second = std::move(value);
      return;
    }
    entries_.emplace_back(key, std::move(value));
    ++size_;
    if (!places_.empty()) {
      places_.emplace(key, entries_.size() - 1);
    } else if (entries_.size() > kWalkedMax) {
      Index();
    }
  }
  void Erase(Atom key) {
    const std::size_t place = PlaceOf(key);
    if (place == kNone) return;
    --size_;
    if (places_.empty()) {
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(place));
      return;
    }
    places_.erase(key);
    entries_[place] = {};  // A hole: 0 is no atom.
    if (size_ * 2 < entries_.size()) Index();
  }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // Calls `visit(key, value)` for each, in order; it must not change this map.
  template <class Visit>
  void ForEach(const Visit& visit) const {
    for (const auto& [key, value] : entries_) {
      if (key != 0) visit(key, value);
    }
  }

 private:
  static constexpr std::size_t kWalkedMax = 8;
  static constexpr std::size_t kNone = ~std::size_t{0};

  std::size_t PlaceOf(Atom key) const {
    if (!places_.empty()) {
      const auto found = places_.find(key);
      return found == places_.end() ? kNone : found->second;
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].first == key) return i;
    }
    return kNone;
  }
  // Drops the holes, and writes down where the entries are if they are many.
  void Index() {
    std::erase_if(entries_, [](const auto& entry) { return entry.first == 0; });
    places_.clear();
    if (entries_.size() <= kWalkedMax) return;
    for (std::size_t i = 0; i < entries_.size(); ++i) places_.emplace(entries_[i].first, i);
  }

  std::vector<std::pair<Atom, Value>> entries_;
  std::unordered_map<Atom, std::size_t> places_;  // Empty: the entries are few, without holes.
  std::size_t size_ = 0;
};

}  // namespace coterie::crdt
