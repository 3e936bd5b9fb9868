#pragma once

// The tags of lib0's `any`, counted down from 127. Source: lib0 0.2, encoding.js, writeAny.

#include <cstdint>

namespace coterie::crdt::any_tag {

inline constexpr std::uint8_t kUint8Array = 116;
inline constexpr std::uint8_t kArray = 117;
inline constexpr std::uint8_t kObject = 118;
inline constexpr std::uint8_t kString = 119;
inline constexpr std::uint8_t kTrue = 120;
inline constexpr std::uint8_t kFalse = 121;
inline constexpr std::uint8_t kBigInt64 = 122;
inline constexpr std::uint8_t kFloat64 = 123;
inline constexpr std::uint8_t kFloat32 = 124;
inline constexpr std::uint8_t kInteger = 125;
inline constexpr std::uint8_t kNull = 126;
inline constexpr std::uint8_t kUndefined = 127;

}  // namespace coterie::crdt::any_tag
