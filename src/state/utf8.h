#pragma once

// What the state machine must know of UTF-8: whether bytes are valid, how long they are in the
// three units that positions come in, and which names are fit to be shown. Not a Unicode library:
// no normalisation, no case, no grapheme clusters. Pure functions, any thread. Source: Unicode 15,
// table 3-7 (well-formed byte sequences).

#include <cstdint>
#include <string_view>

#include "state/command.h"

namespace coterie::state {

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

bool IsValidUtf8(std::string_view bytes);

// Requires valid UTF-8; of other bytes the answer is some number, never a crash.
TextSize MeasureUtf8(std::string_view text);

// Why `name` is no fit name for a user or a document, as the end of a sentence; empty if it is fit:
// 1 to kNameBytesMax bytes of UTF-8, no control characters or line separators, no blank at an end.
std::string_view WhyUnfitName(std::string_view name);

}  // namespace coterie::state
