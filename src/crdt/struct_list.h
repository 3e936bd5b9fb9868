#pragma once

// The structs of one client in the order of their clocks, without gaps. Finding by clock and
// inserting or erasing anywhere cost O(log n) and a bounded move: the list is in blocks.
// One owner: the ItemStore, which knows the items.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "crdt/id.h"
#include "crdt/item.h"

namespace coterie::crdt {

class StructList {
 public:
  struct Entry {
    Clock clock = 0;
    ItemRef item = 0;
  };
  // A place in the list. Good until the next insertion or removal.
  struct Place {
    std::uint32_t block = 0;
    std::uint32_t slot = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  bool empty() const { return blocks_.empty(); }
  // Requires a clock at or above the first's.
  Place Find(Clock clock) const;
  // The same for a clock that is not much above that of `place`.
  Place FindFrom(Place place, Clock clock) const;
  ItemRef At(Place place) const { return blocks_[place.block].entries[place.slot].item; }
  Clock ClockAt(Place place) const { return blocks_[place.block].entries[place.slot].clock; }
  ItemRef back() const { return blocks_.back().entries.back().item; }
  Place First() const { return {}; }
  Place Last() const;
  // Whether there is one, moves there.
  bool MoveLeft(Place& place) const;
  bool MoveRight(Place& place) const;

  void Append(Entry entry);
  // Yields where the entry then is.
  Place InsertAfter(Place place, Entry entry);
  void Erase(Place place);
  void Replace(Place place, ItemRef item) { blocks_[place.block].entries[place.slot].item = item; }

  std::size_t Count() const { return empty() ? 0 : CountFrom(First()); }
  std::size_t CountFrom(Place place) const;  // It and those behind it.
  std::size_t memory_bytes() const;

 private:
  static constexpr std::size_t kBlockMax = 256;

  struct Block {
    Clock first = 0;
    std::vector<Entry> entries;
  };

  std::vector<Block> blocks_;  // None empty.
};

}  // namespace coterie::crdt
