#pragma once

// The primitives of lib0's encoding, which everything in Yjs is written in: variable-length
// integers, strings, byte arrays, and `any`, a tagged JSON-like value. The reader never trusts its
// input: the first bad field stops it, keeps the offset and the reason, and every later read yields
// zero. Pure values; one owner. Source: lib0 0.2, encoding.js and decoding.js.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace coterie::crdt {

// Why bytes are not what they claim to be. Empty reason = they are.
struct Malformed {
  std::size_t offset_bytes = 0;
  std::string_view reason;  // Of static storage; the end of a sentence.
  explicit operator bool() const { return !reason.empty(); }
};

// How deep arrays and objects in an `any` may nest.
inline constexpr int kAnyDepthMax = 100;

// A variable-length integer as it is written: a word whose first bytes in memory it is.
struct VarUintWord {
  std::uint64_t word = 0;
  std::size_t bytes = 0;
};

// Requires a value below 2^56.
inline VarUintWord EncodeVarUint(std::uint64_t value) {
  // Eight groups of seven bits, moved apart in halves.
  std::uint64_t word = (value & 0x0fff'ffff) | (value & 0x00ff'ffff'f000'0000) << 4;
  word = (word & 0x0000'3fff'0000'3fff) | (word & 0x0fff'c000'0fff'c000) << 2;
  word = (word & 0x007f'007f'007f'007f) | (word & 0x3f80'3f80'3f80'3f80) << 1;
  const auto last = static_cast<std::size_t>(std::bit_width(value | 1) - 1) / 7;
  // All but the last one say that they go on.
  word |= 0x8080'8080'8080'8080 & ((std::uint64_t{1} << (8 * last)) - 1);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return {.word = word, .bytes = last + 1};
}

// The other way: a word of an integer's bytes, those behind it 0.
inline std::uint64_t DecodeVarUint(std::uint64_t word) {
  word &= 0x7f7f'7f7f'7f7f'7f7f;
  word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
  word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
  return (word & 0x0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
}

// What such an integer takes at most, and what is written over where it is put.
inline constexpr std::size_t kVarUintBytesMax = 10;

char* PutLongVarUint(std::uint64_t value, char* to);

// Puts it where there is room for kVarUintBytesMax; yields what is behind it. There is no branch on
// how long it is, because that cannot be foretold.
inline char* PutVarUint(std::uint64_t value, char* to) {
  if (value >> 56 != 0) return PutLongVarUint(value, to);
  const VarUintWord written = EncodeVarUint(value);
  std::memcpy(to, &written.word, sizeof(written.word));
  return to + written.bytes;
}

// An integer with a sign, of a magnitude of at most 2^53 - 1: the same groups of seven bits, but
// that the first one has six, and the sign above them.
inline char* PutVarInt(std::uint64_t magnitude, bool is_negative, char* to) {
  return PutVarUint((magnitude & 0x3f) | std::uint64_t{is_negative} << 6 | magnitude >> 6 << 7, to);
}

class Lib0Reader {
 public:
  // Views `bytes`, which must outlive the reader and every view that it returns.
  explicit Lib0Reader(std::string_view bytes)
      : begin_(bytes.data()), next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint8_t U8() {
    if (next_ != end_) return static_cast<std::uint8_t>(*next_++);
    FailEarly();
    return 0;
  }
  // At most 2^53 - 1, as JavaScript can read it.
  std::uint64_t VarUint() {
    if (next_ != end_ && static_cast<unsigned char>(*next_) < 0x80) {
      return static_cast<unsigned char>(*next_++);
    }
    return LongVarUint();
  }
  // A VarUint that is at most `max`; `reason` is why a larger one is refused.
  std::uint64_t VarUintUpTo(std::uint64_t max, std::string_view reason) {
    const char* const start = next_;
    const std::uint64_t value = VarUint();
    if (value <= max) return value;
    FailAt(static_cast<std::size_t>(start - begin_), reason);
    return 0;
  }
  // A length-prefixed byte array.
  std::string_view VarBytes();
  // A length-prefixed string, checked to be UTF-8: an invalid one would throw in every Yjs client.
  std::string_view VarString();
  // An integer with a sign, which zero has too: V2 columns use it.
  struct SignedInt {
    std::uint64_t magnitude = 0;
    bool is_negative = false;
  };
  SignedInt VarInt() {
    std::uint64_t bits = 0;
    // Each integer of this size, and no larger one, is at most 2^53 - 1 for sure.
    constexpr std::size_t kBytesMax = 7;
    if (!MaybeTakeWord(kBytesMax, bits)) return LongVarInt();
    return {.magnitude = (bits & 0x3f) | bits >> 7 << 6, .is_negative = (bits & 0x40) != 0};
  }
  std::string_view Raw(std::size_t size);
  // Reads over one `any` of any depth up to kAnyDepthMax and returns its bytes.
  std::string_view Any();

  bool ok() const { return !malformed_; }
  bool AtEnd() const { return next_ == end_; }
  std::size_t offset_bytes() const { return static_cast<std::size_t>(next_ - begin_); }
  std::string_view ahead() const { return {next_, remaining_bytes()}; }
  // Requires that much to be ahead.
  void Advance(std::size_t bytes) { next_ += bytes; }
  std::size_t remaining_bytes() const { return static_cast<std::size_t>(end_ - next_); }
  const Malformed& malformed() const { return malformed_; }
  // What lies between two offsets that this reader has had.
  std::string_view Between(std::size_t from, std::size_t to) const {
    return {begin_ + from, to - from};
  }
  // For callers that find a value bad which the reader cannot judge. The first reason stays.
  void Fail(std::string_view reason) { FailAt(offset_bytes(), reason); }
  void FailAt(std::size_t offset_bytes, std::string_view reason);

 private:
  // Takes the groups of seven bits of the integer ahead, if it has at most so many bytes
  // and can be read as a word.
  bool MaybeTakeWord(std::size_t bytes_max, std::uint64_t& bits) {
    if (std::endian::native == std::endian::big || remaining_bytes() < 8) return false;
    std::uint64_t word = 0;
    std::memcpy(&word, next_, sizeof(word));
    const std::uint64_t ends = ~word & 0x8080'8080'8080'8080;
    if (ends == 0) return false;
    const auto bytes = static_cast<std::size_t>(std::countr_zero(ends)) / 8 + 1;
    if (bytes > bytes_max) return false;
    next_ += bytes;
    bits = DecodeVarUint(word & (~std::uint64_t{0} >> (64 - 8 * bytes)));
    return true;
  }
  std::uint64_t LongVarUint();
  SignedInt LongVarInt();
  void FailEarly();
  void SkipAny(int depth);
  void SkipAnyItems(std::uint8_t tag, int depth);

  const char* begin_;
  const char* next_;
  const char* end_;
  Malformed malformed_;
};

class Lib0Writer {
 public:
  Lib0Writer() = default;
  // Appends to `bytes`.
  explicit Lib0Writer(std::string bytes) : bytes_(std::move(bytes)), size_(bytes_.size()) {}
  Lib0Writer(const Lib0Writer&) = default;
  Lib0Writer& operator=(const Lib0Writer&) = default;
  // The other one is empty afterwards.
  Lib0Writer(Lib0Writer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), size_(std::exchange(other.size_, 0)) {}
  Lib0Writer& operator=(Lib0Writer&& other) noexcept {
    bytes_ = std::exchange(other.bytes_, {});
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  void U8(std::uint8_t value) {
    MakeRoom(1);
    bytes_[size_++] = static_cast<char>(value);
  }
  void VarUint(std::uint64_t value) { Keep(PutVarUint(value, Room(kVarUintBytesMax))); }
  // Of a magnitude of at most 2^53 - 1.
  void VarInt(std::uint64_t magnitude, bool is_negative) {
    Keep(PutVarInt(magnitude, is_negative, Room(kVarUintBytesMax)));
  }
  void VarBytes(std::string_view bytes);
  void Raw(std::string_view bytes);
  // For what is written before it is known whether it is wanted: room for so many bytes at least,
  // where PutVarUint() and its like may write, and how far it is kept. In between nothing is
  // called.
  char* Room(std::size_t bytes) {
    MakeRoom(bytes);
    return bytes_.data() + size_;
  }
  void Keep(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }
  // So many bytes that the caller writes, before the next call.
  char* Claim(std::size_t bytes) {
    MakeRoom(bytes);
    size_ += bytes;
    return bytes_.data() + size_ - bytes;
  }
  // Takes back what is behind the first `bytes`, and keeps the room.
  void Truncate(std::size_t bytes) { size_ = bytes; }

  std::string_view view() const { return {bytes_.data(), size_}; }
  std::size_t size_bytes() const { return size_; }
  void Reserve(std::size_t bytes);
  std::string Take();

 private:
  void MakeRoom(std::size_t bytes) {
    if (bytes_.size() - size_ < bytes) Grow(bytes);
  }
  void Grow(std::size_t bytes);

  std::string bytes_;  // What is written, and room behind it.
  std::size_t size_ = 0;
};

}  // namespace coterie::crdt
