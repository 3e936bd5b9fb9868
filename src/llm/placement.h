#pragma once

// Which slot a new request gets, and how much of its prompt that slot's cache, or another one's,
// has already. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "llm/request.h"

namespace coterie::llm {

// Copying moves a whole sequence, so it must save this many tokens at least.
inline constexpr std::size_t kCopiedTokensMin = 64;

// A slot as placing sees it.
struct SlotView {
  std::span<const Token> cached;  // What its cache holds, from the beginning.
  std::size_t repeatable = 0;     // So many of these were computed in whole chunks of their own.
  std::string_view cache_key;     // Of its last request.
  bool is_free = false;
  std::uint64_t used_at = 0;  // Greater = later.
};

// What the new request has.
struct PromptView {
  std::span<const Token> tokens;  // Not empty.
  std::string_view cache_key;
  // Not 0: only what is repeatable may be reused, in multiples of this many tokens.
  std::size_t chunk = 0;
};

struct Placement {
  std::size_t slot = 0;
  std::optional<std::size_t> copy_from;
  std::size_t reused = 0;  // Tokens, less than the prompt has.
};

// Requires a free slot. The free slot in which most can be reused, if it would lose less than half
// of what it holds or was used for the same key; else an empty one; else the one not used longest.
// If a third slot, busy or not, has the prefix, it is to be copied from.
Placement Place(std::span<const SlotView> slots, const PromptView& prompt);

}  // namespace coterie::llm
