#include "llm/placement.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::llm {
namespace {

// How much of the prompt the slot has. At least one token must be computed, for its logits.
std::size_t Reusable(const SlotView& slot, const PromptView& prompt) {
  const std::size_t most = std::min(slot.cached.size(), prompt.tokens.size() - 1);
  const auto [end, _] =
      std::mismatch(slot.cached.begin(), slot.cached.begin() + static_cast<std::ptrdiff_t>(most),
                    prompt.tokens.begin());
  const auto length = static_cast<std::size_t>(end - slot.cached.begin());
  if (prompt.chunk == 0) return length;
  return std::min(length, slot.repeatable) / prompt.chunk * prompt.chunk;
}

bool IsWorthKeeping(const SlotView& slot, const PromptView& prompt, std::size_t reusable) {
  const bool is_same_subject = !prompt.cache_key.empty() && slot.cache_key == prompt.cache_key;
  return !is_same_subject && reusable * 2 < slot.cached.size();
}

// Less = to be preferred.
struct Rank {
  int kind;  // 0: continues what it holds; 1: is empty; 2: loses what it holds.
  std::size_t missing;
  std::uint64_t used_at;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};

Rank RankOf(const SlotView& slot, const PromptView& prompt, std::size_t reusable) {
  if (slot.cached.empty()) return {1, 0, slot.used_at};
  if (IsWorthKeeping(slot, prompt, reusable)) return {2, 0, slot.used_at};
  return {0, prompt.tokens.size() - reusable, slot.used_at};
}

}  // namespace

Placement Place(std::span<const SlotView> slots, const PromptView& prompt) {
  CHECK(!prompt.tokens.empty());
  std::optional<Rank> best_rank;
  Placement placement;
  std::size_t longest = 0;
  std::size_t longest_in = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::size_t reusable = Reusable(slots[i], prompt);
    if (reusable > longest) {
      longest = reusable;
      longest_in = i;
    }
    if (!slots[i].is_free) continue;
    const Rank rank = RankOf(slots[i], prompt, reusable);
    if (best_rank && *best_rank <= rank) continue;
    best_rank = rank;
    placement = {.slot = i, .copy_from = std::nullopt, .reused = reusable};
  }
  CHECK(best_rank.has_value());
  if (longest >= placement.reused + kCopiedTokensMin) {
    CHECK(longest_in != placement.slot);
    placement.copy_from = longest_in;
    placement.reused = longest;
  }
  return placement;
}

}  // namespace coterie::llm
