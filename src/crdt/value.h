#pragma once

// What arrays, maps and attributes hold: a JSON-like value, as JavaScript knows it, and its two
// written forms: `any` of lib0 and JSON. The engine itself keeps values as the bytes they came in;
// this is for who looks into them. Pure values. Source: lib0 0.2, encoding.js (writeAny); ECMA-262,
// JSON.stringify.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "crdt/lib0.h"

namespace coterie::crdt {

struct Value {
  struct Undefined {
    friend bool operator==(Undefined, Undefined) = default;
  };
  struct Null {
    friend bool operator==(Null, Null) = default;
  };
  struct BigInt {
    std::int64_t value = 0;
    friend bool operator==(BigInt, BigInt) = default;
  };
  struct Bytes {
    std::string value;
    friend bool operator==(const Bytes&, const Bytes&) = default;
  };
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;  // In the order of writing.

  std::variant<Undefined, Null, bool, double, BigInt, std::string, Bytes, Array, Object> held;

  friend bool operator==(const Value&, const Value&) = default;
};

// How deep a value may nest, in either form.
inline constexpr int kValueDepthMax = kAnyDepthMax;

// Requires bytes that Lib0Reader::Any() accepts.
Value DecodeAny(std::string_view any);
void EncodeAny(const Value& value, Lib0Writer& writer);
std::string EncodeAny(const Value& value);

// As JSON.parse does; empty if it is not JSON or nested more than kValueDepthMax deep.
std::optional<Value> ParseJson(std::string_view json);
// As JSON.stringify does, with two differences where that has no answer: a big integer is written
// as a number, and undefined alone as null.
void WriteJson(const Value& value, std::string& json);
std::string ToJson(const Value& value);
// A quoted string.
void WriteJsonString(std::string_view text, std::string& json);
// As JavaScript turns a number into a string.
void WriteNumber(double number, std::string& out);

}  // namespace coterie::crdt
