#include "base/utf8.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace coterie {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080;

std::uint64_t LoadWord(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

}  // namespace

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

char32_t DecodeCodePoint(std::string_view bytes, std::size_t length) {
  const auto at = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(bytes[i]));
  };
  if (length == 1) return at(0);
  char32_t value = at(0) & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (at(i) & 0x3f);
  return value;
}

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

std::uint64_t Utf16Length(std::string_view text) {
  std::uint64_t units = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    const std::uint64_t word = LoadWord(text.data() + i);
    if ((word & kHighBits) == 0) {
      units += 8;
      continue;
    }
    const std::uint64_t continues = word & ~(word << 1) & kHighBits;
    const std::uint64_t leads_four = word & (word << 1) & (word << 2) & (word << 3) & kHighBits;
    units += static_cast<std::uint64_t>(8 - std::popcount(continues) + std::popcount(leads_four));
  }
  for (; i < text.size(); ++i) {
    if (IsContinuationByte(text[i])) continue;
    units += static_cast<unsigned char>(text[i]) >= 0xf0 ? 2 : 1;
  }
  return units;
}

}  // namespace coterie
