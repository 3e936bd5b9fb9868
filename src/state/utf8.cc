#include "state/utf8.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace coterie::state {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080;

std::uint64_t LoadWord(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// The length in bytes of the well-formed code point at the start of `bytes`; 0 if there is none.
std::size_t CodePointLength(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i) { return i < bytes.size() && (at(i) & 0xc0) == 0x80; };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (!continues(1)) return 0;
  if (lead < 0xe0) return 2;
  if (!continues(2)) return 0;
  if (lead < 0xf0) {
    if (lead == 0xe0 && at(1) < 0xa0) return 0;  // Overlong.
    if (lead == 0xed && at(1) > 0x9f) return 0;  // A surrogate.
    return 3;
  }
  if (!continues(3)) return 0;
  if (lead == 0xf0 && at(1) < 0x90) return 0;  // Overlong.
  if (lead == 0xf4 && at(1) > 0x8f) return 0;  // Above U+10FFFF.
  return 4;
}

// Requires a well-formed code point of `length` bytes at the start of `bytes`.
char32_t DecodeCodePoint(std::string_view bytes, std::size_t length) {
  const auto at = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(bytes[i]));
  };
  if (length == 1) return at(0);
  char32_t value = at(0) & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (at(i) & 0x3f);
  return value;
}

bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

bool IsBlank(char32_t c) {
  return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x202f ||
         c == 0x205f || c == 0x3000 || c == 0xfeff;
}

}  // namespace

std::uint64_t TextSize::In(PositionUnit unit) const {
  return unit == PositionUnit::kUtf16 ? utf16 : code_points;
}

TextSize& TextSize::operator+=(const TextSize& other) {
  bytes += other.bytes;
  utf16 += other.utf16;
  code_points += other.code_points;
  return *this;
}

TextSize& TextSize::operator-=(const TextSize& other) {
  CHECK(bytes >= other.bytes);
  CHECK(utf16 >= other.utf16);
  CHECK(code_points >= other.code_points);
  bytes -= other.bytes;
  utf16 -= other.utf16;
  code_points -= other.code_points;
  return *this;
}

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() >= 8 && (LoadWord(bytes.data()) & kHighBits) == 0) {
      bytes.remove_prefix(8);
      continue;
    }
    const std::size_t length = CodePointLength(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

TextSize MeasureUtf8(std::string_view text) {
  TextSize size{.bytes = text.size()};
  std::size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size()) {
      const std::uint64_t word = LoadWord(text.data() + i);
      // A byte continues a code point if its two top bits are 10, and leads four bytes, which are
      // two UTF-16 units, if its four top bits are 1111.
      const std::uint64_t continues = word & ~(word << 1) & kHighBits;
      const std::uint64_t leads_four = word & (word << 1) & (word << 2) & (word << 3) & kHighBits;
      const auto code_points = static_cast<std::uint64_t>(8 - std::popcount(continues));
      size.code_points += code_points;
      size.utf16 += code_points + static_cast<std::uint64_t>(std::popcount(leads_four));
      i += 8;
      continue;
    }
    if (!IsContinuationByte(text[i])) {
      ++size.code_points;
      size.utf16 += static_cast<unsigned char>(text[i]) >= 0xf0 ? 2 : 1;
    }
    ++i;
  }
  return size;
}

std::string_view WhyUnfitName(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kNameBytesMax) return "is longer than 256 bytes";
  bool was_blank = true;  // A blank right at the beginning is refused as one at the end is.
  bool is_first = true;
  while (!name.empty()) {
    const std::size_t length = CodePointLength(name);
    if (length == 0) return "is not valid UTF-8";
    const char32_t c = DecodeCodePoint(name, length);
    if (IsControl(c)) return "holds a control character";
    if (is_first && IsBlank(c)) return "begins with a blank";
    was_blank = IsBlank(c);
    is_first = false;
    name.remove_prefix(length);
  }
  return was_blank ? "ends with a blank" : "";
}

}  // namespace coterie::state
