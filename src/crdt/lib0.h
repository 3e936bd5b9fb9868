#pragma once

// The primitives of lib0's encoding, which everything in Yjs is written in: variable-length
// integers, strings, byte arrays, and `any`, a tagged JSON-like value. The reader never trusts its
// input: the first bad field stops it, keeps the offset and the reason, and every later read yields
// zero. Pure values; one owner. Source: lib0 0.2, encoding.js and decoding.js.

#include <cstddef>
#include <cstdint>
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

class Lib0Reader {
 public:
  // Views `bytes`, which must outlive the reader and every view that it returns.
  explicit Lib0Reader(std::string_view bytes)
      : begin_(bytes.data()), next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint8_t U8();
  // At most 2^53 - 1, as JavaScript can read it.
  std::uint64_t VarUint();
  // A VarUint that is at most `max`; `reason` is why a larger one is refused.
  std::uint64_t VarUintUpTo(std::uint64_t max, std::string_view reason);
  // A length-prefixed byte array.
  std::string_view VarBytes();
  // A length-prefixed string, checked to be UTF-8: an invalid one would throw in every Yjs client.
  std::string_view VarString();
  // An integer with a sign, which zero has too: V2 columns use it.
  struct SignedInt {
    std::uint64_t magnitude = 0;
    bool is_negative = false;
  };
  SignedInt VarInt();
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
  std::uint64_t LongVarUint();
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
  void VarUint(std::uint64_t value) {
    MakeRoom(kIntegerBytesMax);
    size_ = static_cast<std::size_t>(WriteVarUint(value, bytes_.data() + size_) - bytes_.data());
  }
  void VarInt(std::uint64_t magnitude, bool is_negative);
  void VarBytes(std::string_view bytes);
  void Raw(std::string_view bytes);
  // So many bytes that the caller writes, before the next call.
  char* Claim(std::size_t bytes) {
    MakeRoom(bytes);
    size_ += bytes;
    return bytes_.data() + size_ - bytes;
  }
  // Nothing is written any more, and the room is kept.
  void Clear() { size_ = 0; }

  std::string_view view() const { return {bytes_.data(), size_}; }
  std::size_t size_bytes() const { return size_; }
  void Reserve(std::size_t bytes);
  std::string Take();

 private:
  static constexpr std::size_t kIntegerBytesMax = 10;

  // Yields what is behind it.
  static char* WriteVarUint(std::uint64_t value, char* to) {
    for (; value >= 0x80; value >>= 7) *to++ = static_cast<char>(value | 0x80);
    *to++ = static_cast<char>(value);
    return to;
  }
  void MakeRoom(std::size_t bytes) {
    if (bytes_.size() - size_ < bytes) Grow(bytes);
  }
  void Grow(std::size_t bytes);

  std::string bytes_;  // What is written, and room behind it.
  std::size_t size_ = 0;
};

}  // namespace coterie::crdt
