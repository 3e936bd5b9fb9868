#include "state/delta_json.h"

#include <cmath>
#include <utility>

#include "base/utf8.h"
#include "crdt/js_value.h"
#include "crdt/json.h"

namespace coterie::state {
namespace {

using Kind = crdt::JsValue::Kind;

std::string ToJson(const crdt::JsValue& value) {
  std::string json;
  return crdt::WriteJson(value, json) ? json : "null";
}

// What is wrong with an op's length; "" and `length` else.
std::string_view TakeLength(const crdt::JsValue& value, std::uint64_t& length) {
  const bool is_whole = value.kind == Kind::kNumber && std::trunc(value.number) == value.number;
  if (!is_whole || value.number < 1 || value.number > static_cast<double>(kTextBytesMax)) {
    return "retains or deletes what is no number of units from 1 to 64 Mi";
  }
  length = static_cast<std::uint64_t>(value.number);
  return {};
}

std::string_view TakeAttributes(const crdt::JsValue& value, DeltaStep& step) {
  if (value.kind == Kind::kNull) return {};
  if (value.kind != Kind::kObject) return "has attributes that are no object";
  for (const crdt::JsMember& member : value.members) {
    step.attributes.emplace_back(crdt::ToUtf8(member.first), ToJson(member.second));
  }
  return {};
}

std::string_view TakeInsert(const crdt::JsValue& value, DeltaStep& step) {
  if (value.kind == Kind::kString) {
    step.kind = StepKind::kInsert;
    step.text = crdt::ToUtf8(value.text);
    return step.text.empty() ? "inserts nothing" : "";
  }
  step.kind = StepKind::kEmbed;
  step.text = ToJson(value);
  return {};
}

// What is wrong with an op; "" and the step else.
std::string_view TakeStep(const crdt::JsValue& op, DeltaStep& step) {
  if (op.kind != Kind::kObject) return "is no object";
  const crdt::JsValue* insert = op.Find("insert");
  const crdt::JsValue* retain = op.Find("retain");
  const crdt::JsValue* remove = op.Find("delete");
  const int verbs =
      (insert != nullptr ? 1 : 0) + (retain != nullptr ? 1 : 0) + (remove != nullptr ? 1 : 0);
  if (verbs != 1) return "has not exactly one of insert, retain and delete";
  std::string_view why;
  if (insert != nullptr) {
    why = TakeInsert(*insert, step);
  } else if (retain != nullptr) {
    step.kind = StepKind::kRetain;
    why = TakeLength(*retain, step.length);
  } else {
    step.kind = StepKind::kDelete;
    why = TakeLength(*remove, step.length);
  }
  if (!why.empty()) return why;
  const crdt::JsValue* attributes = op.Find("attributes");
  if (attributes != nullptr) why = TakeAttributes(*attributes, step);
  if (why.empty() && op.members.size() != (attributes == nullptr ? 1U : 2U)) {
    return "has members that a delta does not know";
  }
  return why;
}

}  // namespace

ParsedDelta ParseDeltaJson(std::string_view json) {
  ParsedDelta parsed;
  if (!IsValidUtf8(json)) return {.steps = {}, .why_not = "The delta is not valid UTF-8."};
  if (const crdt::Malformed malformed = crdt::CheckJson(json)) {
    parsed.why_not = "The delta is no JSON, at byte " + std::to_string(malformed.offset_bytes) +
                     ": " + std::string(malformed.reason) + ".";
    return parsed;
  }
  const crdt::JsValue value = crdt::ParseJson(json);
  const crdt::JsValue* ops = value.kind == Kind::kObject ? value.Find("ops") : &value;
  if (ops == nullptr || ops->kind != Kind::kArray) {
    parsed.why_not = "The delta is no array of ops, nor an object with one under \"ops\".";
    return parsed;
  }
  for (const crdt::JsValue& op : ops->items) {
    const std::string_view why = TakeStep(op, parsed.steps.emplace_back());
    if (why.empty()) continue;
    parsed.why_not =
        "Op " + std::to_string(parsed.steps.size() - 1) + " of the delta " + std::string(why) + ".";
    parsed.steps.clear();
    return parsed;
  }
  return parsed;
}

}  // namespace coterie::state
