#pragma once

// What an `any` or a JSON text says, as a JavaScript engine would hold it, and its way back into
// either: numbers are written as JavaScript writes them, and the keys of objects are put in its
// order. Only needed where the two forms are turned into each other. Pure values.
// Source: ECMA-262, Number::toString, OrdinaryOwnPropertyKeys, QuoteJSONString; lib0 0.2, writeAny.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/lib0.h"

namespace coterie::crdt {

class ViewBudget;
struct JsMember;

struct JsValue {
  enum class Kind : std::uint8_t {
    kUndefined,
    kNull,
    kFalse,
    kTrue,
    kNumber,
    kBigInt,
    kString,
    kBytes,
    kArray,
    kObject,
  };
  Kind kind = Kind::kUndefined;
  double number = 0;
  std::uint64_t big_int = 0;  // Two's complement.
  // kBytes: those. kString: UTF-8 but for unpaired surrogates, which take three bytes, each, as in
  // WTF-8.
  std::string text;
  std::vector<JsValue> items;
  std::vector<JsMember> members;  // In JavaScript's order; no key twice.

  // A member's value; null if there is none.
  const JsValue* Find(std::string_view key) const;
  // As JavaScript's Boolean() says.
  bool IsTruthy() const;
};

// Of an object. A pair by name: clang 14 does not take std::pair of what is not complete yet.
struct JsMember {
  std::string first;
  JsValue second;
};

// What each value within another one is taken to come to: what lists and objects have room for, and
// what it takes to put members in order.
inline constexpr std::uint64_t kBytesPerJsValue = 2 * sizeof(JsMember);

// Puts members in JavaScript's order: a key that comes again replaces the value and keeps the
// place; indices come first, in order.
void SettleMembers(std::vector<JsMember>& members);

// On malformed bytes the reader has failed.
JsValue ReadAny(Lib0Reader& reader);
// The same of bytes that anybody may have made, which take a hundred times as much as values: once
// the budget is spent, neither the value nor the reader's place is of use.
JsValue ReadAny(Lib0Reader& reader, ViewBudget& budget);
void WriteAny(const JsValue& value, Lib0Writer& writer);

// Requires a text that CheckJson() finds nothing wrong with.
JsValue ParseJson(std::string_view text);
JsValue ParseJson(std::string_view text, ViewBudget& budget);
// As JSON.stringify; false where that gives nothing (undefined) or throws (a BigInt).
[[nodiscard]] bool WriteJson(const JsValue& value, std::string& json);

// As String(number).
std::string NumberText(double number);
// `text` of a kString with U+FFFD for each unpaired surrogate: what an encoder writes.
std::string ToUtf8(std::string text);

}  // namespace coterie::crdt
