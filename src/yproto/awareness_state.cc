#include "yproto/awareness_state.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/json.h"

namespace coterie::yproto {
namespace {

constexpr std::size_t kColorBytesMax = 48;

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

void AppendUtf8(char32_t c, std::string& to) {
  if (c < 0x80) {
    to.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    to.push_back(static_cast<char>(0xc0 | (c >> 6)));
    to.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    to.push_back(static_cast<char>(0xe0 | (c >> 12)));
    to.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    to.push_back(static_cast<char>(0xf0 | (c >> 18)));
    to.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
    to.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

std::uint32_t HexValue(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) {
    const char lower = Lower(c);
    value = value * 16 + static_cast<std::uint32_t>(lower <= '9' ? lower - '0' : lower - 'a' + 10);
  }
  return value;
}

// Requires a valid JSON string with its quotes. A lone surrogate becomes U+FFFD.
std::string Unquote(std::string_view quoted) {
  std::string text;
  quoted = quoted.substr(1, quoted.size() - 2);
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      text.push_back(quoted[i]);
      continue;
    }
    const char c = quoted[++i];
    if (c != 'u') {
      constexpr std::string_view kNames = "bfnrt";
      constexpr std::string_view kValues = "\b\f\n\r\t";
      const std::size_t found = kNames.find(c);
      text.push_back(found == std::string_view::npos ? c : kValues[found]);
      continue;
    }
    std::uint32_t unit = HexValue(quoted.substr(i + 1, 4));
    i += 4;
    const bool is_high = unit >= 0xd800 && unit < 0xdc00;
    if (is_high && quoted.substr(i + 1, 2) == "\\u") {
      const std::uint32_t low = HexValue(quoted.substr(i + 3, 4));
      if (low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
    }
    AppendUtf8(unit >= 0xd800 && unit < 0xe000 ? 0xfffd : static_cast<char32_t>(unit), text);
  }
  return text;
}

// Invisible, or of an effect on what stands around it.
bool IsUnfitForName(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xfeff;
}

std::string CleanName(std::string_view name) {
  std::string clean;
  std::size_t kept = 0;
  while (!name.empty() && kept < kNameCodePointsMax) {
    const std::size_t length = CodePointLength(name);
    CHECK(length > 0);  // The state was checked to be UTF-8, and Unquote() keeps it so.
    if (!IsUnfitForName(DecodeCodePoint(name, length))) {
      clean.append(name.substr(0, length));
      ++kept;
    }
    name.remove_prefix(length);
  }
  return clean;
}

enum class Meaning : std::uint8_t { kAnything, kName, kColor, kCursor };

// By the member that a value is in. A colour's parts are colours.
Meaning MeaningOf(std::string_view key, Meaning outer) {
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  const auto has = [&](std::string_view part) { return lower.find(part) != std::string::npos; };
  if (outer == Meaning::kColor || has("color") || has("colour")) return Meaning::kColor;
  if (has("name")) return Meaning::kName;
  return lower == "cursor" || lower == "selection" ? Meaning::kCursor : Meaning::kAnything;
}

// Copies JSON that CheckJson() has found well-formed.
class Cleaner {
 public:
  explicit Cleaner(std::string_view json) : json_(json) {}

  // False if it is nested too deeply.
  bool Value(Meaning meaning, int depth) {
    SkipBlanks();
    const char c = json_[at_];
    if (c == '"') {
      String(meaning);
      return true;
    }
    if (c == '{' || c == '[') {
      const std::size_t begin = out_.size();
      if (depth >= kStateDepthMax) return false;
      if (!(c == '{' ? Object(meaning, depth) : Array(meaning, depth))) return false;
      if (meaning == Meaning::kCursor && out_.size() - begin > kCursorBytesMax) {
        out_.resize(begin);
        out_ += "null";
      }
      return true;
    }
    while (at_ < json_.size() && std::string_view(",]} \t\r\n").find(json_[at_]) == kNone) {
      out_.push_back(json_[at_++]);
    }
    return true;
  }
  // Requires an object, and is given what its last member is to be.
  bool TopLevel(std::string_view last_member) {
    if (!Value(Meaning::kAnything, 0)) return false;
    CHECK(out_.back() == '}');
    out_.pop_back();
    if (out_.size() > 1) out_.push_back(',');
    out_ += last_member;
    out_.push_back('}');
    return true;
  }
  std::string Take() { return std::move(out_); }

 private:
  static constexpr std::size_t kNone = std::string_view::npos;

  void SkipBlanks() {
    while (at_ < json_.size() && std::string_view(" \t\r\n").find(json_[at_]) != kNone) ++at_;
  }
  std::string_view ReadQuoted() {
    const std::size_t begin = at_++;
    while (json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
    ++at_;
    return json_.substr(begin, at_ - begin);
  }
  void String(Meaning meaning) {
    const std::string_view quoted = ReadQuoted();
    if (meaning == Meaning::kName) {
      out_ += QuoteJson(CleanName(Unquote(quoted)));
    } else if (meaning == Meaning::kColor) {
      const std::string color = Unquote(quoted);
      out_ += QuoteJson(IsColor(color) ? std::string_view(color) : kNoColor);
    } else if (meaning == Meaning::kCursor && quoted.size() > kCursorBytesMax) {
      out_ += "null";
    } else {
      out_ += quoted;
    }
  }
  bool Object(Meaning meaning, int depth) {
    out_.push_back(json_[at_++]);
    bool is_first = true;
    for (SkipBlanks(); json_[at_] != '}'; SkipBlanks()) {
      if (json_[at_] == ',') {
        ++at_;
        continue;
      }
      const std::string_view quoted = ReadQuoted();
      const std::string key = Unquote(quoted);
      SkipBlanks();
      ++at_;  // The colon.
      const std::size_t begin = out_.size();
      if (!is_first) out_.push_back(',');
      out_ += quoted;
      out_.push_back(':');
      if (!Value(MeaningOf(key, meaning), depth + 1)) return false;
      const bool is_ours = depth == 0 && key == "coterie";
      if (is_ours) out_.resize(begin);
      is_first = is_first && is_ours;
    }
    out_.push_back(json_[at_++]);
    return true;
  }
  bool Array(Meaning meaning, int depth) {
    out_.push_back(json_[at_++]);
    for (SkipBlanks(); json_[at_] != ']'; SkipBlanks()) {
      if (json_[at_] == ',') {
        out_.push_back(json_[at_++]);
      } else if (!Value(meaning == Meaning::kCursor ? Meaning::kAnything : meaning, depth + 1)) {
        return false;
      }
    }
    out_.push_back(json_[at_++]);
    return true;
  }

  const std::string_view json_;
  std::size_t at_ = 0;
  std::string out_;
};

bool IsFunctionOfNumbers(std::string_view text) {
  for (const std::string_view name : {"rgb(", "rgba(", "hsl(", "hsla("}) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    if (text.empty()) return false;
    return text.find_first_not_of("0123456789., %/") == text.size() - 1 && text.back() == ')';
  }
  return false;
}

}  // namespace

bool IsColor(std::string_view text) {
  if (text.empty() || text.size() > kColorBytesMax) return false;
  if (text[0] == '#') {
    const std::size_t digits = text.size() - 1;
    const bool is_length = digits == 3 || digits == 4 || digits == 6 || digits == 8;
    return is_length && std::all_of(text.begin() + 1, text.end(), IsHex);
  }
  return std::all_of(text.begin(), text.end(), IsLetter) || IsFunctionOfNumbers(text);
}

std::string QuoteJson(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (byte < 0x20) {
      quoted += "\\u00";
      quoted.push_back(kHex[byte >> 4]);
      quoted.push_back(kHex[byte & 15]);
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

crdt::Malformed CleanState(std::string_view json, std::string_view user, std::string& clean) {
  if (json.size() > kStateBytesMax) return {.reason = "an awareness state is too large"};
  if (!IsValidUtf8(json)) return {.reason = "an awareness state is not valid UTF-8"};
  if (const crdt::Malformed malformed = crdt::CheckJson(json)) return malformed;
  const std::size_t begin = json.find_first_not_of(" \t\r\n");
  if (json[begin] != '{') return {.reason = "an awareness state is no JSON object"};
  Cleaner cleaner(json);
  const std::string stamp = "\"coterie\":{\"user\":" + QuoteJson(user) + "}";
  if (!cleaner.TopLevel(stamp)) return {.reason = "an awareness state is nested too deeply"};
  clean = cleaner.Take();
  return {};
}

}  // namespace coterie::yproto
