#pragma once

// Where items live: fixed addresses, handed out by number, used again after they were freed.
// One owner: the ItemStore.

#include <cstddef>
#include <memory>
#include <vector>

#include "crdt/item.h"

namespace coterie::crdt {

class ItemArena {
 public:
  Item& At(ItemRef ref) { return chunks_[ref >> kChunkBits][ref & kChunkMask]; }
  const Item& At(ItemRef ref) const { return chunks_[ref >> kChunkBits][ref & kChunkMask]; }

  // An item with all members at their defaults.
  ItemRef New() {
    if (free_ != 0) {
      const ItemRef ref = free_;
      free_ = At(ref).right;
      At(ref) = Item{};
      return ref;
    }
    if ((next_ >> kChunkBits) == chunks_.size()) {
      chunks_.push_back(std::make_unique<Item[]>(std::size_t{1} << kChunkBits));
    }
    return next_++;
  }

  void Free(ItemRef ref) {
    At(ref) = Item{.right = free_};
    free_ = ref;
  }

  std::size_t memory_bytes() const {
    return chunks_.size() * (sizeof(Item) << kChunkBits) + chunks_.capacity() * sizeof(void*);
  }

 private:
  static constexpr std::uint32_t kChunkBits = 7;
  static constexpr std::uint32_t kChunkMask = (1u << kChunkBits) - 1;

  std::vector<std::unique_ptr<Item[]>> chunks_;
  ItemRef next_ = 1;  // 0 is none.
  ItemRef free_ = 0;  // Chained by `right`.
};

}  // namespace coterie::crdt
