#include "crdt/relative_position.h"

#include <cmath>

#include "base/check.h"
#include "base/utf8.h"
#include "crdt/js_value.h"
#include "crdt/json.h"

namespace coterie::crdt {
namespace {

enum Kind : std::uint8_t { kItem = 0, kRoot = 1, kType = 2, kKindMax = kType };

constexpr std::int64_t kAssocMax = std::int64_t{1} << 53;

void WriteId(Id id, Lib0Writer& writer) {
  writer.VarUint(id.client.value());
  writer.VarUint(id.clock);
}

Id ReadId(Lib0Reader& reader) {
  const Client client(reader.VarUintUpTo(kClientMax, "a client id is above 2^53 - 1"));
  const std::uint64_t clock = reader.VarUintUpTo(kClockMax, "a clock is above 2^32 - 1");
  return {.client = client, .clock = static_cast<Clock>(clock)};
}

JsValue ToValue(double number) { return {.kind = JsValue::Kind::kNumber, .number = number}; }

JsValue ToValue(Id id) {
  JsValue value{.kind = JsValue::Kind::kObject};
  value.members.push_back({"client", ToValue(static_cast<double>(id.client.value()))});
  value.members.push_back({"clock", ToValue(static_cast<double>(id.clock))});
  return value;
}

bool IsGiven(const JsValue* value) {
  return value != nullptr && value->kind != JsValue::Kind::kNull;
}

// A whole number from `min` to `max`.
bool Get(const JsValue* value, double min, double max, double& number) {
  if (value == nullptr || value->kind != JsValue::Kind::kNumber) return false;
  number = value->number;
  return std::trunc(number) == number && number >= min && number <= max;
}

// True also if there is none.
bool GetId(const JsValue* value, std::optional<Id>& id) {
  if (!IsGiven(value)) return true;
  double client = 0;
  double clock = 0;
  if (!Get(value->Find("client"), 0, static_cast<double>(kClientMax), client)) return false;
  if (!Get(value->Find("clock"), 0, static_cast<double>(kClockMax), clock)) return false;
  id = {.client = Client(static_cast<std::uint64_t>(client)), .clock = static_cast<Clock>(clock)};
  return true;
}

}  // namespace

std::string EncodeRelativePosition(const RelativePosition& position) {
  Lib0Writer writer;
  if (position.item.has_value()) {
    writer.VarUint(kItem);
    WriteId(*position.item, writer);
  } else if (position.root.has_value()) {
    writer.VarUint(kRoot);
    writer.VarBytes(*position.root);
  } else {
    CHECK(position.type.has_value());
    writer.VarUint(kType);
    WriteId(*position.type, writer);
  }
  writer.VarInt(static_cast<std::uint64_t>(std::abs(position.assoc)), position.assoc < 0);
  return writer.Take();
}

Malformed DecodeRelativePosition(std::string_view bytes, RelativePosition& position) {
  Lib0Reader reader(bytes);
  RelativePosition decoded;
  switch (reader.VarUintUpTo(kKindMax, "a position is of an unknown kind")) {
    case kItem:
      decoded.item = ReadId(reader);
      break;
    case kRoot:
      decoded.root = reader.VarString();
      break;
    default:
      decoded.type = ReadId(reader);
  }
  if (reader.ok() && !reader.AtEnd()) {
    const Lib0Reader::SignedInt assoc = reader.VarInt();
    const auto magnitude = static_cast<std::int64_t>(assoc.magnitude);
    decoded.assoc = assoc.is_negative ? -magnitude : magnitude;
  }
  if (reader.ok() && !reader.AtEnd()) reader.Fail("bytes follow the position");
  if (reader.ok()) position = std::move(decoded);
  return reader.malformed();
}

std::string RelativePositionToJson(const RelativePosition& position) {
  JsValue value{.kind = JsValue::Kind::kObject};
  if (position.type.has_value()) value.members.push_back({"type", ToValue(*position.type)});
  // Yjs leaves an empty name out, and what is left says nothing; it reads it where it is given.
  if (position.root.has_value()) {
    value.members.push_back({"tname", {.kind = JsValue::Kind::kString, .text = *position.root}});
  }
  if (position.item.has_value()) value.members.push_back({"item", ToValue(*position.item)});
  value.members.push_back({"assoc", ToValue(static_cast<double>(position.assoc))});
  std::string json;
  CHECK(WriteJson(value, json));
  return json;
}

Malformed RelativePositionFromJson(std::string_view json, RelativePosition& position) {
  if (!IsValidUtf8(json)) return {.reason = "a string is not valid UTF-8"};
  if (const Malformed malformed = CheckJson(json)) return malformed;
  const JsValue value = ParseJson(json);
  RelativePosition decoded;
  if (!GetId(value.Find("item"), decoded.item) || !GetId(value.Find("type"), decoded.type)) {
    return {.reason = "a position has an id that is none"};
  }
  if (const JsValue* root = value.Find("tname"); IsGiven(root)) {
    if (root->kind != JsValue::Kind::kString) return {.reason = "a root's name is not a string"};
    decoded.root = ToUtf8(root->text);
  }
  if (const JsValue* assoc = value.Find("assoc"); IsGiven(assoc)) {
    constexpr auto kMax = static_cast<double>(kAssocMax);
    double number = 0;
    if (!Get(assoc, -kMax, kMax, number)) return {.reason = "an association is no whole number"};
    decoded.assoc = static_cast<std::int64_t>(number);
  }
  if (!decoded.item.has_value() && !decoded.root.has_value() && !decoded.type.has_value()) {
    return {.reason = "a position has no item and no type"};
  }
  position = std::move(decoded);
  return {};
}

}  // namespace coterie::crdt
