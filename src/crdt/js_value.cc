#include "crdt/js_value.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/check.h"
#include "crdt/any_tag.h"
#include "crdt/view_budget.h"

namespace coterie::crdt {
namespace {

using Kind = JsValue::Kind;
using Members = std::vector<JsMember>;

constexpr std::int64_t kPowerMax = std::int64_t{1} << 60;
constexpr double kIntegerMax = 2147483647;  // What writeAny writes as an integer.

// The number that a key is if JavaScript takes it for the index of an array.
std::optional<std::uint32_t> ArrayIndex(std::string_view key) {
  if (key.empty() || key.size() > 10 || (key.size() > 1 && key[0] == '0')) return std::nullopt;
  std::uint32_t index = 0;
  const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
  const bool is_all = parsed.ec == std::errc() && parsed.ptr == key.data() + key.size();
  if (!is_all || index == 0xffff'ffff) return std::nullopt;
  return index;
}

double ReadFloat32(Lib0Reader& reader) {
  std::uint32_t bits = 0;
  for (const char c : reader.Raw(4)) bits = bits << 8 | static_cast<unsigned char>(c);
  return static_cast<double>(std::bit_cast<float>(bits));
}

std::uint64_t ReadWord(Lib0Reader& reader) {
  std::uint64_t bits = 0;
  for (const char c : reader.Raw(8)) bits = bits << 8 | static_cast<unsigned char>(c);
  return bits;
}

void WriteBigEndian(std::uint64_t bits, int bytes, Lib0Writer& writer) {
  for (int i = bytes - 1; i >= 0; --i) writer.U8(static_cast<std::uint8_t>(bits >> (8 * i)));
}

JsValue ReadAnyAt(Lib0Reader& reader, int depth, ViewBudget& budget);

void ReadItems(Lib0Reader& reader, int depth, ViewBudget& budget, JsValue& value) {
  if (depth == kAnyDepthMax) return reader.Fail("a value is nested too deeply");
  const std::uint64_t count =
      reader.VarUintUpTo(reader.remaining_bytes(), "a count is larger than what follows");
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    if (!budget.Spend(kBytesPerJsValue)) return;
    if (value.kind == Kind::kArray) {
      value.items.push_back(ReadAnyAt(reader, depth + 1, budget));
      continue;
    }
    std::string key(reader.VarString());
    JsValue member = ReadAnyAt(reader, depth + 1, budget);
    // To assign that is to set the prototype, which nothing writes out again.
    if (key != "__proto__") value.members.push_back({std::move(key), std::move(member)});
  }
  if (reader.ok()) SettleMembers(value.members);
}

JsValue ReadAnyAt(Lib0Reader& reader, int depth, ViewBudget& budget) {
  JsValue value;
  const std::size_t start = reader.offset_bytes();
  switch (reader.U8()) {
    case any_tag::kUndefined:
      break;
    case any_tag::kNull:
      value.kind = Kind::kNull;
      break;
    case any_tag::kInteger: {
      value.kind = Kind::kNumber;
      const Lib0Reader::SignedInt integer = reader.VarInt();
      const auto magnitude = static_cast<double>(integer.magnitude);
      value.number = integer.is_negative ? -magnitude : magnitude;
      break;
    }
    case any_tag::kFloat32:
      value.kind = Kind::kNumber;
      value.number = ReadFloat32(reader);
      break;
    case any_tag::kFloat64:
      value.kind = Kind::kNumber;
      value.number = std::bit_cast<double>(ReadWord(reader));
      break;
    case any_tag::kBigInt64:
      value.kind = Kind::kBigInt;
      value.big_int = ReadWord(reader);
      break;
    case any_tag::kFalse:
      value.kind = Kind::kFalse;
      break;
    case any_tag::kTrue:
      value.kind = Kind::kTrue;
      break;
    case any_tag::kString:
      value.kind = Kind::kString;
      value.text = reader.VarString();
      break;
    case any_tag::kUint8Array:
      value.kind = Kind::kBytes;
      value.text = reader.VarBytes();
      break;
    case any_tag::kObject:
      value.kind = Kind::kObject;
      ReadItems(reader, depth, budget, value);
      break;
    case any_tag::kArray:
      value.kind = Kind::kArray;
      ReadItems(reader, depth, budget, value);
      break;
    default:
      reader.FailAt(start, "a value has an unknown type");
  }
  return value;
}

void WriteNumber(double number, Lib0Writer& writer) {
  if (std::trunc(number) == number && std::abs(number) <= kIntegerMax) {
    writer.U8(any_tag::kInteger);
    return writer.VarInt(static_cast<std::uint64_t>(std::abs(number)), std::signbit(number));
  }
  const bool is_small = std::abs(number) <= std::numeric_limits<float>::max() || std::isinf(number);
  if (is_small && static_cast<double>(static_cast<float>(number)) == number) {
    writer.U8(any_tag::kFloat32);
    return WriteBigEndian(std::bit_cast<std::uint32_t>(static_cast<float>(number)), 4, writer);
  }
  writer.U8(any_tag::kFloat64);
  // JavaScript has one NaN.
  constexpr std::uint64_t kNan = 0x7ff8'0000'0000'0000;
  WriteBigEndian(std::isnan(number) ? kNan : std::bit_cast<std::uint64_t>(number), 8, writer);
}

// A surrogate that stands alone, in three bytes: ED A0..BF 80..BF.
bool IsSurrogateAt(std::string_view text, std::size_t at) {
  return at + 2 < text.size() && text[at] == '\xed' &&
         static_cast<unsigned char>(text[at + 1]) >= 0xa0;
}

std::uint32_t SurrogateAt(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  return 0xd000u | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
}

void AppendCodePoint(std::uint32_t code, std::string& text) {
  const auto tail = [&](int shift) {
    text.push_back(static_cast<char>(0x80 | (code >> shift & 0x3f)));
  };
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    text.push_back(static_cast<char>(0xc0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    text.push_back(static_cast<char>(0xe0 | code >> 12));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xf0 | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// A UTF-16 unit, which makes a code point with the one before if that is the first half of one.
void AppendUnit(std::uint32_t unit, std::string& text) {
  const bool is_low = unit >= 0xdc00 && unit < 0xe000;
  const std::size_t before = text.size() - std::min<std::size_t>(text.size(), 3);
  if (is_low && text.size() >= 3 && IsSurrogateAt(text, before)) {
    const std::uint32_t high = SurrogateAt(text, before);
    if (high < 0xdc00) {
      text.resize(before);
      return AppendCodePoint(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00), text);
    }
  }
  AppendCodePoint(unit, text);
}

// About the decimal logarithm of a number that JSON writes so.
std::int64_t PowerOfTen(std::string_view digits) {
  const std::size_t e = std::min(digits.find_first_of("eE"), digits.size());
  const std::string_view mantissa = digits.substr(0, e);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const std::size_t first = std::min(mantissa.find_first_of("123456789"), mantissa.size());
  std::int64_t power = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (e == digits.size()) return power;
  std::string_view exponent = digits.substr(e + 1);
  if (exponent[0] == '+') exponent.remove_prefix(1);
  std::int64_t shift = exponent[0] == '-' ? -kPowerMax : kPowerMax;
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), shift);
  return power + std::clamp(shift, -kPowerMax, kPowerMax);
}

// Of a text that was checked: looks only at what it must to tell one thing from another.
class JsonParser {
 public:
  JsonParser(std::string_view text, ViewBudget& budget) : text_(text), budget_(budget) {}
  JsValue Value();

 private:
  char Take() {
    CHECK(at_ < text_.size());
    return text_[at_++];
  }
  // The next character that is no space.
  char Peek() {
    while (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r') {
      ++at_;
      CHECK(at_ < text_.size());
    }
    return text_[at_];
  }
  std::string String();
  void Escape(std::string& text);
  double Number();
  void Items(JsValue& value);

  std::string_view text_;
  ViewBudget& budget_;
  std::size_t at_ = 0;
};

void JsonParser::Escape(std::string& text) {
  const char c = Take();
  if (c == 'u') {
    std::uint32_t unit = 0;
    std::from_chars(text_.data() + at_, text_.data() + at_ + 4, unit, 16);
    at_ += 4;
    return AppendUnit(unit, text);
  }
  constexpr std::string_view kFrom = "bfnrt";
  constexpr std::string_view kTo = "\b\f\n\r\t";
  const std::size_t place = kFrom.find(c);
  text.push_back(place == std::string_view::npos ? c : kTo[place]);
}

std::string JsonParser::String() {
  std::string text;
  Take();
  for (char c = Take(); c != '"'; c = Take()) {
    if (c == '\\') {
      Escape(text);
    } else {
      text.push_back(c);
    }
  }
  return text;
}

double JsonParser::Number() {
  const std::size_t begin = at_;
  while (at_ < text_.size() &&
         std::string_view("+-.0123456789eE").find(text_[at_]) != std::string_view::npos) {
    ++at_;
  }
  double number = 0;
  const std::string_view digits = text_.substr(begin, at_ - begin);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc::result_out_of_range) return number;
  // from_chars does not say whether it is too large or too small.
  const bool is_negative = digits[0] == '-';
  const double magnitude = PowerOfTen(digits) < 0 ? 0 : std::numeric_limits<double>::infinity();
  return is_negative ? -magnitude : magnitude;
}

void JsonParser::Items(JsValue& value) {
  const char last = Take() == '{' ? '}' : ']';
  value.kind = last == '}' ? Kind::kObject : Kind::kArray;
  while (Peek() != last) {
    if (!budget_.Spend(kBytesPerJsValue)) return;
    if (text_[at_] == ',') Take();
    Peek();
    if (last == ']') {
      value.items.push_back(Value());
    } else {
      std::string key = String();
      Peek();
      Take();
      value.members.push_back({std::move(key), Value()});
    }
    if (budget_.is_spent()) return;
  }
  Take();
  SettleMembers(value.members);
}

JsValue JsonParser::Value() {
  JsValue value;
  const auto word = [&](Kind kind, std::size_t size) {
    value.kind = kind;
    at_ += size;
  };
  switch (Peek()) {
    case '{':
    case '[':
      Items(value);
      break;
    case '"':
      value.kind = Kind::kString;
      value.text = String();
      break;
    case 't':
      word(Kind::kTrue, 4);
      break;
    case 'f':
      word(Kind::kFalse, 5);
      break;
    case 'n':
      word(Kind::kNull, 4);
      break;
    default:
      value.kind = Kind::kNumber;
      value.number = Number();
  }
  return value;
}

void AppendEscaped(std::uint32_t unit, std::string& json) {
  constexpr char kDigits[] = "0123456789abcdef";
  json += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) json.push_back(kDigits[unit >> shift & 15]);
}

void Quote(std::string_view text, std::string& json) {
  constexpr std::string_view kFrom = "\b\f\n\r\t\"\\";
  constexpr std::string_view kTo = "bfnrt\"\\";
  json.push_back('"');
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::size_t place = kFrom.find(c);
    if (place != std::string_view::npos) {
      json.push_back('\\');
      json.push_back(kTo[place]);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      AppendEscaped(static_cast<unsigned char>(c), json);
    } else if (IsSurrogateAt(text, i)) {
      AppendEscaped(SurrogateAt(text, i), json);
      i += 2;
    } else {
      json.push_back(c);
    }
  }
  json.push_back('"');
}

// A Uint8Array is stringified as the object that it is.
void WriteBytesAsJson(std::string_view bytes, std::string& json) {
  json.push_back('{');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) json.push_back(',');
    json += '"' + std::to_string(i) + "\":";
    json += std::to_string(static_cast<unsigned char>(bytes[i]));
  }
  json.push_back('}');
}

bool WriteItemsAsJson(const JsValue& value, std::string& json) {
  json.push_back('[');
  for (const JsValue& item : value.items) {
    if (&item != &value.items.front()) json.push_back(',');
    if (item.kind == Kind::kUndefined) {
      json += "null";
    } else if (!WriteJson(item, json)) {
      return false;
    }
  }
  json.push_back(']');
  return true;
}

bool WriteMembersAsJson(const JsValue& value, std::string& json) {
  json.push_back('{');
  bool is_first = true;
  for (const auto& [key, member] : value.members) {
    if (member.kind == Kind::kUndefined) continue;
    if (!is_first) json.push_back(',');
    is_first = false;
    Quote(key, json);
    json.push_back(':');
    if (!WriteJson(member, json)) return false;
  }
  json.push_back('}');
  return true;
}

}  // namespace

void SettleMembers(Members& members) {
  std::map<std::string_view, std::size_t> first;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [place, is_new] = first.try_emplace(members[i].first, i);
    if (is_new) {
      kept.push_back(i);
    } else {
      members[place->second].second = std::move(members[i].second);
    }
  }
  std::vector<std::pair<std::optional<std::uint32_t>, std::size_t>> order;
  for (const std::size_t i : kept) order.emplace_back(ArrayIndex(members[i].first), i);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    if (a.first.has_value() != b.first.has_value()) return a.first.has_value();
    return a.first.has_value() && *a.first < *b.first;
  });
  Members settled;
  settled.reserve(order.size());
  for (const auto& [index, i] : order) settled.push_back(std::move(members[i]));
  members = std::move(settled);
}

const JsValue* JsValue::Find(std::string_view key) const {
  const auto place = std::find_if(members.begin(), members.end(),
                                  [key](const auto& member) { return member.first == key; });
  return place == members.end() ? nullptr : &place->second;
}

bool JsValue::IsTruthy() const {
  switch (kind) {
    case Kind::kUndefined:
    case Kind::kNull:
    case Kind::kFalse:
      return false;
    case Kind::kNumber:
      return number != 0 && !std::isnan(number);
    case Kind::kBigInt:
      return big_int != 0;
    case Kind::kString:
      return !text.empty();
    case Kind::kTrue:
    case Kind::kBytes:
    case Kind::kArray:
    case Kind::kObject:
      break;
  }
  return true;
}

JsValue ReadAny(Lib0Reader& reader) {
  ViewBudget budget = ViewBudget::Unbounded();
  return ReadAny(reader, budget);
}

JsValue ReadAny(Lib0Reader& reader, ViewBudget& budget) { return ReadAnyAt(reader, 0, budget); }

void WriteAny(const JsValue& value, Lib0Writer& writer) {
  switch (value.kind) {
    case Kind::kUndefined:
      return writer.U8(any_tag::kUndefined);
    case Kind::kNull:
      return writer.U8(any_tag::kNull);
    case Kind::kFalse:
      return writer.U8(any_tag::kFalse);
    case Kind::kTrue:
      return writer.U8(any_tag::kTrue);
    case Kind::kNumber:
      return WriteNumber(value.number, writer);
    case Kind::kBigInt:
      writer.U8(any_tag::kBigInt64);
      return WriteBigEndian(value.big_int, 8, writer);
    case Kind::kString:
      writer.U8(any_tag::kString);
      return writer.VarBytes(ToUtf8(value.text));
    case Kind::kBytes:
      writer.U8(any_tag::kUint8Array);
      return writer.VarBytes(value.text);
    case Kind::kArray:
      writer.U8(any_tag::kArray);
      writer.VarUint(value.items.size());
      for (const JsValue& item : value.items) WriteAny(item, writer);
      return;
    case Kind::kObject:
      writer.U8(any_tag::kObject);
      writer.VarUint(value.members.size());
      for (const auto& [key, member] : value.members) {
        writer.VarBytes(ToUtf8(key));
        WriteAny(member, writer);
      }
      return;
  }
}

JsValue ParseJson(std::string_view text) {
  ViewBudget budget = ViewBudget::Unbounded();
  return ParseJson(text, budget);
}

JsValue ParseJson(std::string_view text, ViewBudget& budget) {
  return JsonParser(text, budget).Value();
}

bool WriteJson(const JsValue& value, std::string& json) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kBigInt:
      return false;
    case Kind::kNull:
      json += "null";
      break;
    case Kind::kFalse:
      json += "false";
      break;
    case Kind::kTrue:
      json += "true";
      break;
    case Kind::kNumber:
      json += std::isfinite(value.number) ? NumberText(value.number) : "null";
      break;
    case Kind::kString:
      Quote(value.text, json);
      break;
    case Kind::kBytes:
      WriteBytesAsJson(value.text, json);
      break;
    case Kind::kArray:
      return WriteItemsAsJson(value, json);
    case Kind::kObject:
      return WriteMembersAsJson(value, json);
  }
  return true;
}

std::string NumberText(double number) {
  if (std::isnan(number)) return "NaN";
  if (number == 0) return "0";
  if (number < 0) return "-" + NumberText(-number);
  if (std::isinf(number)) return "Infinity";
  // "d.ddde+XX": the fewest digits that are this number and no other.
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific);
  CHECK(end.ec == std::errc());
  const std::string_view written(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const std::size_t e = written.find('e');
  std::string digits(1, written[0]);
  if (e > 2) digits += written.substr(2, e - 2);
  int exponent = 0;
  const bool is_plus = written[e + 1] == '+';
  std::from_chars(written.data() + e + (is_plus ? 2 : 1), end.ptr, exponent);
  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // So many digits stand before the point.
  if (count <= point && point <= 21) {
    return digits + std::string(static_cast<std::size_t>(point - count), '0');
  }
  if (0 < point && point <= 21) return digits.insert(static_cast<std::size_t>(point), ".");
  if (-6 < point && point <= 0) {
    return "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  }
  if (count > 1) digits.insert(1, ".");
  return digits + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
}

std::string ToUtf8(std::string text) {
  for (std::size_t i = text.find('\xed'); i != std::string::npos; i = text.find('\xed', i + 1)) {
    if (IsSurrogateAt(text, i)) text.replace(i, 3, "\xef\xbf\xbd");
  }
  return text;
}

}  // namespace coterie::crdt
