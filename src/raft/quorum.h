#pragma once

// Majorities of a configuration; while it is joint, of both its voter sets (thesis 4.3). Pure.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "raft/configuration.h"

namespace coterie::raft {

inline std::size_t MajorityOf(std::size_t voters) { return voters / 2 + 1; }

// Whether `agrees(NodeId)` holds for a majority of each voter set. An empty incoming set never
// agrees: a node without a configuration decides nothing.
template <class Predicate>
bool HasQuorum(const Configuration& configuration, Predicate agrees) {
  const auto has_majority = [&agrees](const std::vector<NodeId>& voters) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(voters, agrees));
    return count >= MajorityOf(voters.size());
  };
  if (configuration.voters.empty() || !has_majority(configuration.voters)) return false;
  return configuration.voters_outgoing.empty() || has_majority(configuration.voters_outgoing);
}

// The highest value that a majority of each voter set has reached, given `reached(NodeId)`.
template <class Value, class Function>
Value QuorumValue(const Configuration& configuration, Function reached) {
  const auto of_majority = [&reached](const std::vector<NodeId>& voters) {
    std::vector<Value> values;
    values.reserve(voters.size());
    for (const NodeId id : voters) values.push_back(reached(id));
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(MajorityOf(values.size()) - 1);
    std::nth_element(values.begin(), middle, values.end(), std::greater<>());
    return *middle;
  };
  if (configuration.voters.empty()) return Value();
  Value value = of_majority(configuration.voters);
  if (configuration.IsJoint()) value = std::min(value, of_majority(configuration.voters_outgoing));
  return value;
}

}  // namespace coterie::raft
