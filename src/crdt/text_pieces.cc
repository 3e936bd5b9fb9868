#include "crdt/text_pieces.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

// Where pieces end that are cut by a hash: where these bits of it are 0, and at this size at the
// latest. What is short is found again by chance. Bit n of the hash is made of the last n + 1
// bytes.
struct HashCuts {
  std::uint64_t zeroes;
  std::size_t bytes_min;
  std::size_t bytes_max;
};
constexpr HashCuts kChunkCuts = {
    .zeroes = std::uint64_t{0xfff} << 52, .bytes_min = 1 << 10, .bytes_max = 64 << 10};
constexpr HashCuts kFragmentCuts = {
    .zeroes = std::uint64_t{0x1f} << 15, .bytes_min = 32, .bytes_max = 1 << 10};

constexpr std::array<std::uint64_t, 256> MakeGears() {
  std::array<std::uint64_t, 256> gears{};
  std::uint64_t seed = 0;
  for (std::uint64_t& gear : gears) {  // Splitmix64.
    seed += 0x9e37'79b9'7f4a'7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    gear = z ^ (z >> 31);
  }
  return gears;
}
constexpr std::array<std::uint64_t, 256> kGears = MakeGears();

std::size_t LineSize(std::string_view text) {
  const std::size_t newline = text.find('\n');
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

struct CodePoints {
  char32_t first;
  char32_t last;
};
// What is no part of a longer word: punctuation and symbols, and the letters of scripts that are
// written without spaces. Ascending. Source: the blocks of Unicode 15.
constexpr std::array<CodePoints, 22> kAlone = {{
    {0x0080, 0x00a9},     // Controls, signs.
    {0x00ab, 0x00b4},     //
    {0x00b6, 0x00b9},     //
    {0x00bb, 0x00bf},     //
    {0x00d7, 0x00d7},     //
    {0x00f7, 0x00f7},     //
    {0x0e00, 0x0fff},     // Thai, Lao, Tibetan.
    {0x1000, 0x109f},     // Myanmar.
    {0x1100, 0x11ff},     // Hangul Jamo.
    {0x1780, 0x17ff},     // Khmer.
    {0x1950, 0x19ff},     // Tai Le, New Tai Lue, Khmer symbols.
    {0x1a20, 0x1aaf},     // Tai Tham.
    {0x1b00, 0x1b7f},     // Balinese.
    {0x2000, 0x2bff},     // Punctuation, symbols, arrows, shapes.
    {0x2e00, 0xa4cf},     // Punctuation, CJK, kana, bopomofo, Yi.
    {0xa960, 0xa9ff},     // Hangul Jamo, Javanese, Myanmar.
    {0xaa60, 0xaadf},     // Myanmar, Tai Viet.
    {0xac00, 0xd7ff},     // Hangul.
    {0xf900, 0xfaff},     // CJK.
    {0xfe00, 0xfe6f},     // Variation selectors, vertical and small forms.
    {0xff00, 0xffff},     // Half and full width, U+FFFD.
    {0x1b000, 0x10ffff},  // Kana, symbols, emoji, CJK.
}};

bool IsAsciiOfWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsOfWord(std::string_view code_point) {
  if (code_point.size() == 1) return IsAsciiOfWord(code_point[0]);
  const char32_t value = DecodeCodePoint(code_point, code_point.size());
  const auto* behind =
      std::upper_bound(kAlone.begin(), kAlone.end(), value,
                       [](char32_t at, const CodePoints& range) { return at < range.first; });
  return behind == kAlone.begin() || (behind - 1)->last < value;
}

std::size_t WordSize(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size()) {
    const std::size_t length = CodePointLength(text.substr(size));
    CHECK(length > 0);
    if (!IsOfWord(text.substr(size, length))) return size == 0 ? length : size;
    size += length;
  }
  return size;
}

// Cuts one piece after the other off the front of a text.
class Cutter {
 public:
  explicit Cutter(Grain grain) : grain_(grain) {}

  std::size_t NextSize(std::string_view text) {
    switch (grain_) {
      case Grain::kChunks:
        return SizeByHash(text, kChunkCuts);
      case Grain::kLines:
        return LineSize(text);
      case Grain::kFragments:
        return SizeByHash(text, kFragmentCuts);
      case Grain::kWords:
        break;
    }
    return WordSize(text);
  }

 private:
  std::size_t SizeByHash(std::string_view text, const HashCuts& cuts) {
    std::size_t size = 0;
    while (size < text.size()) {
      hash_ = (hash_ << 1) + kGears[static_cast<unsigned char>(text[size++])];
      if (size < cuts.bytes_min) continue;
      const bool may_end = size == text.size() || !IsContinuationByte(text[size]);
      if (may_end && ((hash_ & cuts.zeroes) == 0 || size >= cuts.bytes_max)) break;
    }
    return size;
  }

  Grain grain_;
  std::uint64_t hash_ = 0;  // Of what was cut off so far.
};

}  // namespace

std::optional<std::vector<std::string_view>> PiecesOf(std::string_view text, Grain grain,
                                                      std::size_t pieces_max) {
  std::vector<std::string_view> pieces;
  Cutter cutter(grain);
  while (!text.empty()) {
    if (pieces.size() == pieces_max) return std::nullopt;
    pieces.push_back(text.substr(0, cutter.NextSize(text)));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
}

}  // namespace coterie::crdt
