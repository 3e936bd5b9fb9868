#include "crdt/slab.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/check.h"

namespace coterie::crdt {

Slab::Slab() { regions_.emplace_back(); }

bool Slab::HasRoomFor(std::size_t size) const {
  // A large allocation takes up to four times its size in addresses, and growing strings move.
  constexpr std::uint64_t kAddressesPerByte = 8;
  const std::uint64_t used = std::uint64_t{regions_.size()} << kRegionBits;
  return used + kAddressesPerByte * size + 2 * kRegionBytes < (std::uint64_t{1} << 32);
}

// The lowest that are free, so that addresses, of which there are 32 bits, do not run out.
std::uint32_t Slab::TakeAddresses(std::uint32_t span) {
  const auto run = std::find_if(free_runs_.begin(), free_runs_.end(),
                                [span](const auto& free) { return free.second >= span; });
  if (run == free_runs_.end()) {
    CHECK(regions_.size() + span <= (std::size_t{1} << (32 - kRegionBits)));
    regions_.resize(regions_.size() + span);
    return static_cast<std::uint32_t>(regions_.size() - span);
  }
  const auto [first, size] = *run;
  free_runs_.erase(run);
  if (size > span) free_runs_.emplace(first + span, size - span);
  return first;
}

std::uint32_t Slab::NewRegions(std::size_t bytes) {
  const auto span = static_cast<std::uint32_t>((bytes + kRegionBytes - 1) >> kRegionBits);
  const std::uint32_t first = TakeAddresses(span);
  Region& owner = regions_[first];
  owner.owned = std::make_unique_for_overwrite<char[]>(bytes);
  owner.span = span;
  owner.capacity = bytes;
  owner.live_bytes = 0;
  for (std::uint32_t i = 0; i < span; ++i) {
    regions_[first + i].bytes = owner.owned.get() + (std::size_t{i} << kRegionBits);
    regions_[first + i].first = first;
  }
  memory_bytes_ += bytes;
  return first;
}

void Slab::Release(std::uint32_t first) {
  Region& owner = regions_[first];
  memory_bytes_ -= owner.capacity;
  std::uint32_t span = owner.span;
  for (std::uint32_t i = 0; i < span; ++i) regions_[first + i] = Region{};
  // Joined with the free runs on both sides.
  const auto right = free_runs_.find(first + span);
  if (right != free_runs_.end()) {
    span += right->second;
    free_runs_.erase(right);
  }
  const auto after = free_runs_.lower_bound(first);
  if (after != free_runs_.begin()) {
    const auto left = std::prev(after);
    if (left->first + left->second == first) {
      left->second += span;
      return;
    }
  }
  free_runs_.emplace(first, span);
}

Address Slab::Allocate(std::size_t size) {
  if (size > kRegionBytes / 4) {
    const std::uint32_t first = NewRegions(size);
    regions_[first].live_bytes = size;
    return first << kRegionBits;
  }
  if (current_ == 0 || regions_[current_].capacity - used_ < size) {
    const std::uint32_t old = current_;
    const std::size_t doubled = old == 0 ? kFirstRegionBytes : regions_[old].capacity * 2;
    current_ = NewRegions(std::min(kRegionBytes, std::max(doubled, size)));
    if (old != 0 && regions_[old].live_bytes == 0) Release(old);
    used_ = 0;
  }
  const auto address = static_cast<Address>((current_ << kRegionBits) + used_);
  used_ += size;
  regions_[current_].live_bytes += size;
  return address;
}

Address Slab::Store(std::string_view bytes) {
  const Address address = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(At(address), bytes.data(), bytes.size());
  return address;
}

void Slab::Free(Address address, std::size_t size) {
  if (size == 0) return;
  const std::uint32_t first = regions_[address >> kRegionBits].first;
  Region& owner = regions_[first];
  CHECK(owner.live_bytes >= size);
  owner.live_bytes -= size;
  if (owner.live_bytes == 0 && first != current_) Release(first);
}

}  // namespace coterie::crdt
