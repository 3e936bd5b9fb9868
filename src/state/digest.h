#pragma once

// A 64-bit hash of everything that a machine was fed and wrote, chained, for comparing replicas: it
// finds accidents, not attacks. A multiply and a rotate per eight bytes. One owner.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace coterie::state {

class Digest {
 public:
  explicit Digest(std::uint64_t value) : value_(value) {}

  void Add(std::uint64_t word) {
    value_ = std::rotl(value_ ^ (word * 0x9e3779b97f4a7c15), 29) * 0xbf58476d1ce4e5b9 + 1;
  }
  void Add(std::string_view bytes) {
    static_assert(std::endian::native == std::endian::little, "the digest must not depend on it");
    Add(bytes.size());
    std::uint64_t word = 0;
    for (; bytes.size() >= sizeof(word); bytes.remove_prefix(sizeof(word))) {
      std::memcpy(&word, bytes.data(), sizeof(word));
      Add(word);
    }
    if (bytes.empty()) return;
    word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    Add(word);
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_;
};

}  // namespace coterie::state
