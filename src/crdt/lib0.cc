#include "crdt/lib0.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "crdt/any_tag.h"

namespace coterie::crdt {
namespace {

constexpr std::uint64_t kSafeIntegerMax = (std::uint64_t{1} << 53) - 1;
constexpr std::string_view kEndsEarly = "ends in the middle of a field";

}  // namespace

void Lib0Reader::FailAt(std::size_t offset_bytes, std::string_view reason) {
  if (!malformed_) malformed_ = {.offset_bytes = offset_bytes, .reason = reason};
  next_ = end_;
}

void Lib0Reader::FailEarly() { Fail(kEndsEarly); }

std::uint64_t Lib0Reader::LongVarUint() {
  std::uint64_t bits = 0;
  if (MaybeTakeWord(7, bits)) return bits;
  const std::size_t start = offset_bytes();
  std::uint64_t value = 0;
  for (int shift = 0; shift < 63; shift += 7) {
    if (next_ == end_) break;
    const auto byte = static_cast<unsigned char>(*next_++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (value > kSafeIntegerMax) {
      FailAt(start, "an integer is above 2^53 - 1");
      return 0;
    }
    if (byte < 0x80) return value;
  }
  FailAt(start, next_ == end_ ? kEndsEarly : "an integer is too long");
  return 0;
}

std::string_view Lib0Reader::Raw(std::size_t size) {
  if (size > remaining_bytes()) {
    Fail(kEndsEarly);
    return {};
  }
  const std::string_view taken(next_, size);
  next_ += size;
  return taken;
}

std::string_view Lib0Reader::VarBytes() {
  const std::size_t start = offset_bytes();
  const std::uint64_t size = VarUint();
  if (size <= remaining_bytes()) return Raw(size);
  FailAt(start, "a length is longer than what follows");
  return {};
}

std::string_view Lib0Reader::VarString() {
  const std::size_t start = offset_bytes();
  const std::string_view text = VarBytes();
  if (IsValidUtf8(text)) return text;
  FailAt(start, "a string is not valid UTF-8");
  return {};
}

Lib0Reader::SignedInt Lib0Reader::LongVarInt() {
  const std::size_t start = offset_bytes();
  const std::uint8_t first = U8();
  SignedInt value{.magnitude = first & 0x3fu, .is_negative = (first & 0x40) != 0};
  if (first < 0x80) return value;
  for (int shift = 6; shift < 62 && next_ != end_; shift += 7) {
    const auto byte = static_cast<unsigned char>(*next_++);
    value.magnitude |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (value.magnitude > kSafeIntegerMax) break;
    if (byte < 0x80) return value;
  }
  FailAt(start, value.magnitude > kSafeIntegerMax ? "an integer is above 2^53 - 1" : kEndsEarly);
  return {};
}

std::string_view Lib0Reader::Any() {
  const std::size_t start = offset_bytes();
  SkipAny(0);
  return ok() ? Between(start, offset_bytes()) : std::string_view();
}

void Lib0Reader::SkipAny(int depth) {
  const std::size_t start = offset_bytes();
  const std::uint8_t tag = U8();
  switch (tag) {
    case any_tag::kUndefined:
    case any_tag::kNull:
    case any_tag::kFalse:
    case any_tag::kTrue:
      return;
    case any_tag::kInteger:
      static_cast<void>(VarInt());
      return;
    case any_tag::kFloat32:
      static_cast<void>(Raw(4));
      return;
    case any_tag::kFloat64:
    case any_tag::kBigInt64:
      static_cast<void>(Raw(8));
      return;
    case any_tag::kString:
      static_cast<void>(VarString());
      return;
    case any_tag::kUint8Array:
      static_cast<void>(VarBytes());
      return;
    case any_tag::kObject:
    case any_tag::kArray:
      if (depth == kAnyDepthMax) return FailAt(start, "a value is nested too deeply");
      return SkipAnyItems(tag, depth);
    default:
      return FailAt(start, "a value has an unknown type");
  }
}

void Lib0Reader::SkipAnyItems(std::uint8_t tag, int depth) {
  // Every item takes a byte at least, so a lying count cannot cost more than the input.
  const std::uint64_t count = VarUintUpTo(remaining_bytes(), "a count is larger than what follows");
  for (std::uint64_t i = 0; i < count && ok(); ++i) {
    if (tag == any_tag::kObject) static_cast<void>(VarString());
    SkipAny(depth + 1);
  }
}

void Lib0Writer::Grow(std::size_t bytes) {
  const std::size_t doubled = bytes_.size() == bytes_.capacity() ? 2 * bytes_.size() : 0;
  bytes_.resize(std::max({bytes_.capacity(), doubled, size_ + bytes}));
}

void Lib0Writer::Reserve(std::size_t bytes) {
  if (bytes > bytes_.size()) bytes_.resize(bytes);
}

std::string Lib0Writer::Take() {
  bytes_.resize(size_);
  size_ = 0;
  return std::exchange(bytes_, {});
}

char* PutLongVarUint(std::uint64_t value, char* to) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<char>(value | 0x80);
  *to++ = static_cast<char>(value);
  return to;
}

void Lib0Writer::VarBytes(std::string_view bytes) {
  VarUint(bytes.size());
  Raw(bytes);
}

void Lib0Writer::Raw(std::string_view bytes) {
  if (bytes.empty()) return;
  MakeRoom(bytes.size());
  std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

}  // namespace coterie::crdt
