#pragma once

// The items that a search for a place has gone over, and which of them came since the search last
// moved on. Empties in O(1) and is used again, so that a search allocates nothing as a rule.
// Pure value; one owner.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "crdt/item.h"

namespace coterie::crdt {

class ScanSet {
 public:
  void Clear();
  // The position of each is one more than that of the one before; the first has 1.
  void Add(ItemRef item);
  // 0 if it is not there.
  std::uint32_t PositionOf(ItemRef item) const;
  std::uint32_t size() const { return size_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    ItemRef item = 0;
    std::uint32_t position = 0;
    std::uint32_t round = 0;  // Another than round_: free.
  };
  void Insert(ItemRef item, std::uint32_t position);
  std::size_t SlotFor(ItemRef item) const;

  std::vector<Slot> slots_;  // A power of two of them, half of them free.
  std::uint32_t round_ = 1;
  std::uint32_t size_ = 0;
};

}  // namespace coterie::crdt
