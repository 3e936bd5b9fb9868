#pragma once

// What two lists have in common, so that one becomes the other by little change. Found are common
// ends, elements that both lists have once, and what stands equal beside these: not always the most
// there is, but in O(n log n) for whatever lists. Pure function.
// Source: Bram Cohen's patience diff; Fredman, "On computing the length of longest increasing
// subsequences" (1975).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace coterie::crdt {

struct ListMatch {
  std::size_t source = 0;
  std::size_t target = 0;
  friend bool operator==(const ListMatch&, const ListMatch&) = default;
};

// Places of elements that are equal, ascending in both lists.
std::vector<ListMatch> MatchLists(const std::vector<std::uint32_t>& source,
                                  const std::vector<std::uint32_t>& target);

}  // namespace coterie::crdt
