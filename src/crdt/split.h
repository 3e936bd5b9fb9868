#pragma once

// A large update becomes several small ones of the same effect, in an order in which each can be
// integrated as soon as it comes: what a struct refers to, of any client, is in its own part or in
// one before, unless the whole update lacks it, too. Deletions come last. A text that is too long
// for a part is cut between two characters, as Yjs cuts an item. Works on the bytes; nothing is
// built. Pure function.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/lib0.h"

namespace coterie::crdt {

// Of one update that is to be split: each costs a reader while it is done.
inline constexpr std::size_t kSplitClientsMax = 100'000;
// So much at least must a part be allowed to have.
inline constexpr std::size_t kSplitBytesMin = 256;

inline constexpr std::string_view kStructTooLarge =
    "a single value is larger than a part may be and no text that can be cut";
inline constexpr std::string_view kTooManyClients = "it has structs of more than 100000 clients";

struct SplitResult {
  std::vector<std::string> parts;  // One at least; empty if refused.
  Malformed refused;               // Malformed, or one of the reasons above.
};

// Parts of at most `size_max` bytes, which is at least kSplitBytesMin. An update that is no larger
// is returned as it is.
SplitResult SplitUpdate(std::string_view update, std::size_t size_max);

}  // namespace coterie::crdt
