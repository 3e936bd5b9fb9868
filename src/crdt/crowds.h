#pragma once

// Places at which very many wrote at once: who comes next would have to go past all of them. For
// such a place, told by the two neighbours that all of them saw, the items there are kept by
// client, in which order they also stand in the list, so that the search can begin near its end.
// Only a hint: who uses an item checks that it still is what it was. One owner: the ItemStore.

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "crdt/id.h"
#include "crdt/item.h"

namespace coterie::crdt {

class Crowds {
 public:
  struct Place {
    SequenceRef sequence = 0;
    LocalId origin;
    LocalId right_origin;
    friend bool operator==(const Place&, const Place&) = default;
  };
  // The leftmost item of each client.
  using Crowd = std::map<Client, ItemRef>;

  // Null if there is no crowd.
  Crowd* Find(const Place& place) {
    if (crowds_.empty()) return nullptr;
    const auto found = crowds_.find(place);
    return found == crowds_.end() ? nullptr : &found->second;
  }
  void Put(const Place& place, Crowd crowd) {
    if (!is_forbidden_) crowds_[place] = std::move(crowd);
  }
  void Erase(const Place& place) { crowds_.erase(place); }
  // From now on there is no crowd anywhere.
  void Forbid() {
    is_forbidden_ = true;
    crowds_.clear();
  }

  std::size_t memory_bytes() const {
    constexpr std::size_t kNodeBytes = 64;
    std::size_t bytes = 0;
    for (const auto& [place, crowd] : crowds_) bytes += kNodeBytes * (crowd.size() + 2);
    return bytes;
  }

 private:
  struct Hash {
    std::size_t operator()(const Place& place) const {
      std::uint64_t hash = place.sequence;
      for (const std::uint64_t part :
           {std::uint64_t{place.origin.client}, std::uint64_t{place.origin.clock},
            std::uint64_t{place.right_origin.client}, std::uint64_t{place.right_origin.clock}}) {
        hash = (hash ^ part) * 0x9e37'79b9'7f4a'7c15;
        hash ^= hash >> 29;
      }
      return hash;
    }
  };

  std::unordered_map<Place, Crowd, Hash> crowds_;
  bool is_forbidden_ = false;
};

}  // namespace coterie::crdt
