#include "state/names.h"

#include <algorithm>

#include "base/utf8.h"
#include "state/command.h"

namespace coterie::state {
namespace {

constexpr char kBetweenNames = '\n';

bool IsControl(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

bool IsBlank(char32_t c) {
  return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x202f ||
         c == 0x205f || c == 0x3000 || c == 0xfeff;
}

// Turns the direction of what is written around it. Unicode 15, Bidi_Control.
bool IsDirectionMark(char32_t c) {
  return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

// Without a shape of its own. Unicode 15, Default_Ignorable_Code_Point without the variation
// selectors, which choose among shapes, and the joiners; with the blank of Braille.
bool IsInvisible(char32_t c) {
  return c == 0xad || c == 0x34f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 ||
         (c >= 0x180b && c <= 0x180f) || c == 0x200b || (c >= 0x2060 && c <= 0x206f) ||
         c == 0x2800 || c == 0x3164 || c == 0xfeff || c == 0xffa0 || (c >= 0xfff0 && c <= 0xfffb) ||
         (c >= 0x1bca0 && c <= 0x1bca3) || (c >= 0x1d173 && c <= 0x1d17a) ||
         (c >= 0xe0000 && c <= 0xe00ff) || (c >= 0xe01f0 && c <= 0xe0fff);
}

bool IsJoiner(char32_t c) { return c == 0x200c || c == 0x200d; }

}  // namespace

std::string_view WhyUnfitName(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kNameBytesMax) return "is longer than 256 bytes";
  bool was_blank = true;  // A blank right at the beginning is refused as one at the end is.
  bool is_first = true;
  char32_t before = 0;
  while (!name.empty()) {
    const std::size_t length = CodePointLength(name);
    if (length == 0) return "is not valid UTF-8";
    const char32_t c = DecodeCodePoint(name, length);
    if (IsControl(c)) return "holds a control character";
    if (is_first && IsBlank(c)) return "begins with a blank";
    if (IsDirectionMark(c)) return "holds a mark that turns the writing direction";
    if (IsInvisible(c)) return "holds a character that cannot be seen";
    const bool joins_nothing = (IsJoiner(c) && before < 0x80) || (IsJoiner(before) && c < 0x80);
    if (joins_nothing || (IsJoiner(before) && IsJoiner(c))) return "holds a joiner without a use";
    was_blank = IsBlank(c);
    before = c;
    is_first = false;
    name.remove_prefix(length);
  }
  if (IsJoiner(before)) return "holds a joiner without a use";
  return was_blank ? "ends with a blank" : "";
}

std::string_view WhyUnfitDocumentName(std::string_view name) {
  constexpr std::string_view kNumber = "id:";
  if (name.starts_with(kNumber) && name.size() > kNumber.size() && name[kNumber.size()] >= '0' &&
      name[kNumber.size()] <= '9') {
    return "begins as a document's number does (id:4)";
  }
  return WhyUnfitName(name);
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  std::string joined;
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (!known.empty()) joined += kBetweenNames;
    joined += name;
    known.push_back(name);
  }
  return joined;
}

std::vector<std::string> SplitNames(std::string_view joined) {
  std::vector<std::string> names;
  while (!joined.empty()) {
    const std::string_view name = joined.substr(0, joined.find(kBetweenNames));
    names.emplace_back(name);
    joined.remove_prefix(std::min(joined.size(), name.size() + 1));
  }
  return names;
}

}  // namespace coterie::state
