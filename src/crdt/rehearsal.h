#pragma once

// What would become of an update, without a change to the document: how much of it could not be
// integrated, because what it builds on is not there. For who has to bound what waits.
// Function over the ItemStore; Doc::BytesThatWouldWait is its only caller.
// Source: as apply.h, without doing it.

#include <cstdint>

namespace coterie::crdt {

class ItemStore;
struct ParsedUpdate;

// What a deleted range that waits counts for.
inline constexpr std::uint64_t kBytesPerWaitingRange = 16;

// The bytes of the structs that would wait, and of the deletions.
std::uint64_t Rehearse(const ItemStore& store, const ParsedUpdate& update);

}  // namespace coterie::crdt
