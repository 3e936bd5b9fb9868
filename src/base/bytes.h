#pragma once

// Writing and reading of little records: fixed-width little-endian integers, varints (LEB128, at
// most 10 bytes) and length-prefixed byte strings. The reader never trusts its input: the first
// short or malformed field makes it fail, every later read then yields zero, and the caller asks
// ok() once at the end. Pure values; one owner.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.h"

namespace coterie {

class ByteWriter {
 public:
  void U8(std::uint8_t value);
  void Fixed32(std::uint32_t value);
  void Fixed64(std::uint64_t value);
  void Varint(std::uint64_t value);
  template <class Tag>
  void Id(Tagged<Tag> id) {
    Varint(id.value());
  }
  // Varint length, then the bytes.
  void Bytes(std::string_view bytes);
  // The bytes alone.
  void Raw(std::string_view bytes);

  std::size_t size_bytes() const { return bytes_.size(); }
  std::string_view view() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  // Views `bytes`, which must outlive the reader and every view that it returns.
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t U8();
  std::uint32_t Fixed32();
  std::uint64_t Fixed64();
  std::uint64_t Varint();
  template <class TaggedId>
  TaggedId Id() {
    return TaggedId(Varint());
  }
  // A length-prefixed string; a view into the input.
  std::string_view Bytes();
  // `size` bytes without a prefix; a view into the input.
  std::string_view Raw(std::size_t size);

  // True while every read so far was whole and well formed.
  bool ok() const { return ok_; }
  // True when all was read and nothing failed: the usual end of a parser.
  bool AtEnd() const { return ok_ && rest_.empty(); }
  std::size_t remaining_bytes() const { return rest_.size(); }
  // For callers that find a value malformed which the reader cannot judge.
  void Fail();

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace coterie
