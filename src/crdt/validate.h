#pragma once

// The gate: whether bytes from a socket or a disk are an update that every Yjs 13 client can read,
// and that this engine can hold. Beyond what UpdateReader checks of every struct this checks the
// delete set and that nothing follows it. Pure function, about a gigabyte a second on texts.

#include <cstdint>
#include <string_view>

#include "crdt/lib0.h"

namespace coterie::crdt {

inline constexpr std::string_view kBytesFollow = "bytes follow the delete set";

// What an update was found to hold.
struct UpdateCounts {
  std::uint64_t groups = 0;
  std::uint64_t structs = 0;
  std::uint64_t deleted_ranges = 0;
};

// What is wrong with it, and where; nothing if nothing is. Whether the structs fit to a document is
// for who integrates them.
Malformed ValidateUpdate(std::string_view update, UpdateCounts* counts = nullptr);

// Reads over a delete set; the number of its ranges.
std::uint64_t SkimDeleteSet(Lib0Reader& reader);

}  // namespace coterie::crdt
