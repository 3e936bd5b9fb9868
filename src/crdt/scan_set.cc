#include "crdt/scan_set.h"

#include <utility>

namespace coterie::crdt {
namespace {

constexpr std::size_t kSlotsMin = 16;

}  // namespace

void ScanSet::Clear() {
  size_ = 0;
  if (++round_ != 0) return;
  slots_.clear();  // Once in 2^32 rounds: old ones could look new.
  round_ = 1;
}

std::size_t ScanSet::SlotFor(ItemRef item) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = (item * 0x9e3779b1u) & mask;
  while (slots_[slot].round == round_ && slots_[slot].item != item) slot = (slot + 1) & mask;
  return slot;
}

void ScanSet::Insert(ItemRef item, std::uint32_t position) {
  slots_[SlotFor(item)] = {.item = item, .position = position, .round = round_};
}

void ScanSet::Add(ItemRef item) {
  if ((size_ + 1) * 2 > slots_.size()) {
    std::vector<Slot> old = std::exchange(slots_, {});
    slots_.resize(old.empty() ? kSlotsMin : old.size() * 2);
    for (const Slot& slot : old) {
      if (slot.round == round_) Insert(slot.item, slot.position);
    }
  }
  Insert(item, ++size_);
}

std::uint32_t ScanSet::PositionOf(ItemRef item) const {
  if (size_ == 0) return 0;
  const Slot& slot = slots_[SlotFor(item)];
  return slot.round == round_ ? slot.position : 0;
}

}  // namespace coterie::crdt
