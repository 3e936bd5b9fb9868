#pragma once

// One way to turn the records of this room into bytes and back. A struct lists its members once, in
// a specialisation of Fields, and is encoded as their concatenation; an enum names its last
// enumerator in LastOf. Integers are varints, strings and vectors carry their length, optionals a
// flag, variants the number of their alternative (which therefore is for ever: only add at the
// end). Reading trusts nothing: what does not fit makes the reader fail. Private to state/. Any
// thread.

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace coterie::state::codec {

template <class Struct>
struct Fields;  // static constexpr auto kMembers = std::tuple(&Struct::a, &Struct::b, ...);

template <class Enum>
struct LastOf;  // static constexpr Enum kValue; the enumerators run from 0 to it.

template <class T>
inline constexpr bool kIsTagged = false;
template <class Tag>
inline constexpr bool kIsTagged<Tagged<Tag>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class Item>
inline constexpr bool kIsVector<std::vector<Item>> = true;
template <class T>
inline constexpr bool kIsPair = false;
template <class A, class B>
inline constexpr bool kIsPair<std::pair<A, B>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class Item>
inline constexpr bool kIsOptional<std::optional<Item>> = true;
template <class T>
inline constexpr bool kIsVariant = false;
template <class... Items>
inline constexpr bool kIsVariant<std::variant<Items...>> = true;

template <class T>
void Put(ByteWriter& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.U8(value ? 1 : 0);
  } else if constexpr (std::is_enum_v<T>) {
    out.U8(static_cast<std::uint8_t>(value));
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    out.Varint(value);
  } else if constexpr (kIsTagged<T>) {
    out.Id(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.Bytes(value);
  } else if constexpr (kIsVector<T>) {
    out.Varint(value.size());
    for (const auto& item : value) Put(out, item);
  } else if constexpr (kIsPair<T>) {
    Put(out, value.first);
    Put(out, value.second);
  } else if constexpr (kIsOptional<T>) {
    out.U8(value ? 1 : 0);
    if (value) Put(out, *value);
  } else if constexpr (kIsVariant<T>) {
    out.U8(static_cast<std::uint8_t>(value.index()));
    std::visit([&out](const auto& item) { Put(out, item); }, value);
  } else {
    std::apply([&](auto... member) { (Put(out, value.*member), ...); }, Fields<T>::kMembers);
  }
}

template <class T>
void Take(ByteReader& in, T& value);

template <class... Items, std::size_t... Numbers>
void TakeVariant(ByteReader& in, std::variant<Items...>& value,
                 std::index_sequence<Numbers...> /*numbers*/) {
  const std::size_t number = in.U8();
  if (number >= sizeof...(Items)) in.Fail();
  if (!in.ok()) return;
  ((number == Numbers ? Take(in, value.template emplace<Numbers>()) : void()), ...);
}

template <class T>
void Take(ByteReader& in, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    const std::uint8_t byte = in.U8();
    if (byte > 1) in.Fail();
    value = byte == 1;
  } else if constexpr (std::is_enum_v<T>) {
    const std::uint8_t byte = in.U8();
    if (byte > static_cast<std::uint8_t>(LastOf<T>::kValue)) return in.Fail();
    value = static_cast<T>(byte);
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    value = in.Varint();
  } else if constexpr (kIsTagged<T>) {
    value = in.template Id<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = in.Bytes();
  } else if constexpr (kIsVector<T>) {
    const std::uint64_t count = in.Varint();
    // Every item takes a byte at least, so a lying count cannot make us reserve much.
    if (count > in.remaining_bytes()) in.Fail();
    for (std::uint64_t i = 0; in.ok() && i < count; ++i) Take(in, value.emplace_back());
  } else if constexpr (kIsPair<T>) {
    Take(in, value.first);
    Take(in, value.second);
  } else if constexpr (kIsOptional<T>) {
    bool has_value = false;
    Take(in, has_value);
    if (in.ok() && has_value) Take(in, value.emplace());
  } else if constexpr (kIsVariant<T>) {
    TakeVariant(in, value, std::make_index_sequence<std::variant_size_v<T>>());
  } else {
    std::apply([&](auto... member) { (Take(in, value.*member), ...); }, Fields<T>::kMembers);
  }
}

// A record on its own: a version byte, then the value. Another version does not decode.
inline constexpr std::uint8_t kVersion = 1;

template <class T>
std::string EncodeRecord(const T& value) {
  ByteWriter out;
  out.U8(kVersion);
  Put(out, value);
  return out.Take();
}

template <class T>
std::optional<T> DecodeRecord(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.U8() != kVersion) return std::nullopt;
  T value;
  Take(in, value);
  if (!in.AtEnd()) return std::nullopt;
  return value;
}

}  // namespace coterie::state::codec
