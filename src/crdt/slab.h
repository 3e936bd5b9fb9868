#pragma once

// The bytes of a document's content, at 32-bit addresses. What is stored stays where it is until it
// is freed; a region whose bytes are all freed is given back. Bytes are owned by who stored them.
// Who stores foreign bytes asks HasRoomFor() before. One owner.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

namespace coterie::crdt {

using Address = std::uint32_t;

class Slab {
 public:
  Slab();

  // Whether content that comes in `size` bytes can be stored, with all that is moved for it.
  bool HasRoomFor(std::size_t size) const;
  // Room for `size` bytes that follow each other, to be written by the caller.
  Address Allocate(std::size_t size);
  Address Store(std::string_view bytes);
  // Of what was allocated, a part or more than one piece that follow each other.
  void Free(Address address, std::size_t size);

  // Whether what begins at `next` follows the `size` bytes at `address` in one allocation's memory.
  bool AreNeighbours(Address address, std::size_t size, Address next) const {
    return address + size == next &&
           regions_[address >> kRegionBits].first == regions_[next >> kRegionBits].first;
  }

  const char* At(Address address) const {
    return regions_[address >> kRegionBits].bytes + (address & kOffsetMask);
  }
  char* At(Address address) {
    return regions_[address >> kRegionBits].bytes + (address & kOffsetMask);
  }
  std::string_view View(Address address, std::size_t size) const { return {At(address), size}; }

  std::size_t memory_bytes() const { return memory_bytes_ + regions_.capacity() * sizeof(Region); }

 private:
  static constexpr std::uint32_t kRegionBits = 16;
  static constexpr std::uint32_t kOffsetMask = (1u << kRegionBits) - 1;
  static constexpr std::size_t kRegionBytes = std::size_t{1} << kRegionBits;
  static constexpr std::size_t kFirstRegionBytes = 512;

  // 64 KiB of addresses. A large allocation spans several, of which the first owns the memory.
  struct Region {
    char* bytes = nullptr;
    std::unique_ptr<char[]> owned;
    std::uint32_t span = 1;        // Regions of this allocation.
    std::uint64_t capacity = 0;    // Of the owner, in bytes.
    std::uint64_t live_bytes = 0;  // Of the owner.
    std::uint32_t first = 0;       // The owner.
  };

  std::uint32_t NewRegions(std::size_t bytes);
  std::uint32_t TakeAddresses(std::uint32_t span);
  void Release(std::uint32_t first);

  std::vector<Region> regions_;
  // Regions without memory: the first of each run, and how many follow each other.
  std::map<std::uint32_t, std::uint32_t> free_runs_;
  std::uint32_t current_ = 0;  // Where small allocations go.
  std::size_t used_ = 0;       // Bytes of it that are handed out.
  std::size_t memory_bytes_ = 0;
};

}  // namespace coterie::crdt
