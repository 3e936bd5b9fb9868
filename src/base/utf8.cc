#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
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

// Whether what has the form of a code point of three bytes is one: neither overlong nor a
// surrogate.
bool IsCodePoint(std::uint64_t word) {
  const std::uint64_t bits = word & 0x200f;
  return bits != 0 && bits != 0x200d;
}

// The length in bytes of the well-formed code point above U+007F at the front of a word whose bytes
// ascend from its low end; 0 if there is none. The masks are those of table 3-7, byte by byte.
std::size_t LongCodePointLength(std::uint32_t word) {
  if ((word & 0xc0e0) == 0x80c0) return (word & 0x1e) != 0 ? 2 : 0;
  if ((word & 0xc0c0f0) == 0x8080e0) return IsCodePoint(word) ? 3 : 0;
  if ((word & 0xc0c0c0f8) == 0x808080f0) {
    const bool is_overlong = (word & 0x3007) == 0;
    const bool is_too_large = (word & 4) != 0 && (word & 0x3003) != 0;
    return is_overlong || is_too_large ? 0 : 4;
  }
  return 0;
}

// How much of the front of `bytes` is valid, in steps of words, up to a few bytes before the end or
// to something that is not.
std::size_t SkipValidWords(std::string_view bytes) {
  std::size_t at = 0;
  while (bytes.size() - at >= 8) {
    const std::uint64_t word = LoadWord(bytes.data() + at);
    const std::uint64_t high = word & kHighBits;
    if (high == 0) {
      at += 8;
      continue;
    }
    const bool are_three_bytes = (word & 0xc0c0'f0c0'c0f0) == 0x8080'e080'80e0;
    if (are_three_bytes && IsCodePoint(word) && IsCodePoint(word >> 24)) {
      at += 6;
      continue;
    }
    const int ascii_bits = std::countr_zero(high) & ~7;
    if (ascii_bits > 32) {
      at += static_cast<std::size_t>(ascii_bits) / 8;
      continue;
    }
    const std::size_t length = LongCodePointLength(static_cast<std::uint32_t>(word >> ascii_bits));
    if (length == 0) return at;
    at += static_cast<std::size_t>(ascii_bits) / 8 + length;
  }
  return at;
}

#ifdef __SSE2__
// The UTF-16 units that begin in the first bytes of a text, a multiple of 16 of them.
std::uint64_t CountUnits16(std::string_view text) {
  const __m128i continuation_max = _mm_set1_epi8(static_cast<char>(0xbf));
  const __m128i four_min = _mm_set1_epi8(static_cast<char>(0xf0));
  std::uint64_t units = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    // Each byte of the counter goes up by at most two a step.
    const std::size_t end = std::min(text.size(), at + 16 * std::size_t{127});
    __m128i counts = _mm_setzero_si128();
    for (; at < end; at += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
      // True is -1. Above 0xbf as signed is whatever does not continue a code point.
      counts = _mm_sub_epi8(counts, _mm_cmpgt_epi8(bytes, continuation_max));
      counts = _mm_sub_epi8(counts, _mm_cmpeq_epi8(_mm_max_epu8(bytes, four_min), bytes));
    }
    const __m128i sums = _mm_sad_epu8(counts, _mm_setzero_si128());
    units += static_cast<std::uint64_t>(_mm_cvtsi128_si64(sums)) +
             static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums)));
  }
  return units;
}
#endif

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
  if constexpr (std::endian::native == std::endian::little) {
    bytes.remove_prefix(SkipValidWords(bytes));
  }
  while (!bytes.empty()) {
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
#ifdef __SSE2__
  i = text.size() / 16 * 16;
  units = CountUnits16(text.substr(0, i));
#endif
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
