#pragma once

// What Coterie must know of UTF-8: whether bytes are valid, and how long they are in the three
// units that positions come in. Not a Unicode library: no normalisation, no case, no grapheme
// clusters. Pure functions, any thread. Source: Unicode 15, table 3-7 (well-formed byte sequences).

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coterie {

// How positions in a text are counted: UTF-16 code units as JavaScript does, or code points.
enum class PositionUnit : std::uint8_t { kUtf16, kCodePoint };

// A length or a position of a text in all three units at once.
struct TextSize {
  std::uint64_t bytes = 0;
  std::uint64_t utf16 = 0;
  std::uint64_t code_points = 0;

  std::uint64_t In(PositionUnit unit) const;
  TextSize& operator+=(const TextSize& other);
  // Requires each member of `other` to be at most ours.
  TextSize& operator-=(const TextSize& other);
  friend TextSize operator+(TextSize a, const TextSize& b) { return a += b; }
  friend TextSize operator-(TextSize a, const TextSize& b) { return a -= b; }
  friend bool operator==(const TextSize&, const TextSize&) = default;
};

// Whether `byte` is the second, third or fourth of a code point.
inline bool IsContinuationByte(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// The length in bytes of the well-formed code point at the start of `bytes`, which is not empty; 0
// if there is none.
std::size_t CodePointLength(std::string_view bytes);

// Requires a well-formed code point of `length` bytes at the start of `bytes`.
char32_t DecodeCodePoint(std::string_view bytes, std::size_t length);

bool IsValidUtf8(std::string_view bytes);

// Requires valid UTF-8; of other bytes the answer is some number, never a crash.
TextSize MeasureUtf8(std::string_view text);

// The length in UTF-16 code units alone; as MeasureUtf8().
std::uint64_t Utf16Length(std::string_view text);

}  // namespace coterie
