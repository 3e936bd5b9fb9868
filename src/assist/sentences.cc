#include "assist/sentences.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/check.h"

namespace coterie::assist {
namespace {

constexpr std::size_t kWindowBytesMin = 16;
constexpr std::size_t kStepsPerLook = 1 << 14;  // Well below a millisecond.
constexpr std::array<std::string_view, 15> kAbbreviations = {"mr", "mrs", "ms",  "dr",     "prof",
                                                             "st", "vs",  "etc", "eg",     "ie",
                                                             "cf", "fig", "vol", "approx", "dept"};
// Beyond ASCII: the ideographic full stop, full-width ! and ?, the ellipsis.
constexpr std::array<std::string_view, 4> kWideEnds = {"\xE3\x80\x82", "\xEF\xBC\x81",
                                                       "\xEF\xBC\x9F", "\xE2\x80\xA6"};
// What may stand between the end and the space: quotes and brackets.
constexpr std::array<std::string_view, 7> kClosers = {
    "\"", "'", ")", "]", "\xE2\x80\x9D", "\xE2\x80\x99", "\xC2\xBB"};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The length of that of `candidates` which `text` begins with, or 0.
template <std::size_t kCount>
std::size_t PrefixOf(std::string_view text,
                     const std::array<std::string_view, kCount>& candidates) {
  for (const std::string_view candidate : candidates) {
    if (text.substr(0, candidate.size()) == candidate) return candidate.size();
  }
  return 0;
}

// Whether the point at `at` belongs to the word before it: "Dr.", "e.g.", "J.".
bool IsAbbreviation(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  std::string word;
  while (begin > 0 && (IsLetter(text[begin - 1]) || text[begin - 1] == '.')) --begin;
  for (std::size_t i = begin; i < at; ++i) {
    if (text[i] != '.') {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    }
  }
  if (word.size() == 1 && !IsLower(text[at - 1])) return true;  // An initial.
  return std::find(kAbbreviations.begin(), kAbbreviations.end(), word) != kAbbreviations.end();
}

// The end of the mark that ends a sentence at `at`, without what closes quotes; `at` if none does.
std::size_t EndOfMark(std::string_view text, std::size_t at) {
  const std::size_t wide = PrefixOf(text.substr(at), kWideEnds);
  if (wide > 0) return at + wide;
  if (text[at] != '.' && text[at] != '!' && text[at] != '?') return at;
  std::size_t end = at;
  while (end < text.size() && (text[end] == '.' || text[end] == '!' || text[end] == '?')) ++end;
  return end;
}

std::size_t SkipSpace(std::string_view text, std::size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

// The beginning of the next sentence if one ends at `at`, else `at`.
std::size_t AfterSentence(std::string_view text, std::size_t at) {
  const std::size_t mark = EndOfMark(text, at);
  if (mark == at) return at;
  std::size_t end = mark;
  while (const std::size_t closer = PrefixOf(text.substr(end), kClosers)) end += closer;
  const bool is_wide = static_cast<unsigned char>(text[at]) >= 0x80;
  if (end < text.size() && !IsSpace(text[end])) return is_wide ? end : at;  // 3.14, example.org
  const std::size_t next = SkipSpace(text, end);
  if (mark == at + 1 && text[at] == '.' && next < text.size()) {
    if (IsLower(text[next]) || IsAbbreviation(text, at)) return at;
  }
  return next;
}

// As AfterSentence, for the line feed at `at`.
std::size_t AfterLine(std::string_view text, std::size_t at) {
  const std::size_t next = SkipSpace(text, at);
  const std::string_view space = text.substr(at, next - at);
  if (std::count(space.begin(), space.end(), '\n') > 1) return next;
  if (next == text.size()) return next;
  const char first = text[next];
  const bool begins_item = first == '#' || first == '-' || first == '*' || first == '>' ||
                           (first >= '0' && first <= '9');
  return begins_item ? next : at;
}

// The last place within `bytes_max` of `range` where a word ends, or a character does.
std::size_t CutWithin(std::string_view text, Range range, std::size_t bytes_max) {
  CHECK(range.size() > bytes_max);
  for (std::size_t at = range.begin + bytes_max; at > range.begin; --at) {
    if (IsSpace(text[at - 1])) return at;
  }
  std::size_t at = range.begin + bytes_max;
  while (at > range.begin + 1 && IsContinuation(text[at])) --at;
  return at;
}

}  // namespace

std::vector<Range> SplitSentences(std::string_view text, const IsCancelled& is_cancelled) {
  std::vector<Range> sentences;
  std::size_t begin = 0;
  std::size_t at = 0;
  for (std::size_t steps = 1; at < text.size(); ++steps) {
    if (steps % kStepsPerLook == 0 && is_cancelled && is_cancelled()) return sentences;
    const std::size_t next = text[at] == '\n' ? AfterLine(text, at) : AfterSentence(text, at);
    if (next == at) {
      // Of marks in a row each stands before the same: what is no end at the first is none at all.
      at = std::max(at + 1, EndOfMark(text, at));
      continue;
    }
    sentences.push_back({begin, next});
    begin = next;
    at = next;
  }
  if (begin < text.size()) sentences.push_back({begin, text.size()});
  return sentences;
}

std::vector<Range> MakeWindows(std::string_view text, std::size_t bytes_max,
                               const IsCancelled& is_cancelled) {
  CHECK(bytes_max >= kWindowBytesMin);
  std::vector<Range> windows;
  for (Range sentence : SplitSentences(text, is_cancelled)) {
    if (!windows.empty() && windows.back().size() + sentence.size() <= bytes_max) {
      windows.back().end = sentence.end;
      continue;
    }
    while (sentence.size() > bytes_max) {
      const std::size_t cut = CutWithin(text, sentence, bytes_max);
      windows.push_back({sentence.begin, cut});
      sentence.begin = cut;
    }
    windows.push_back(sentence);
  }
  return windows;
}

}  // namespace coterie::assist
