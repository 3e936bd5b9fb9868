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

}  // namespace

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
