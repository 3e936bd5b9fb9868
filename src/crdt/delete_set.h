#pragma once

// Which clocks of which clients are deleted: half-open ranges per client, a set that only grows.
// Deletions have no clocks of their own; every update carries a delete set. Pure value.
// Source: yjs 13.6, src/utils/DeleteSet.js.
//
//   delete set := clients:varUint (client:varUint ranges:varUint (clock:varUint length:varUint)*)*
//                 descending by client, ascending by clock

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "crdt/id.h"
#include "crdt/lib0.h"

namespace coterie::crdt {

struct ClockRange {
  Clock begin = 0;
  Clock end = 0;  // Not deleted any more; above begin.
  friend bool operator==(const ClockRange&, const ClockRange&) = default;
};

class DeleteSet {
 public:
  // Ascending, disjoint, not touching.
  using Ranges = std::vector<ClockRange>;

  // In any order, overlapping or not; none is empty.
  static DeleteSet FromRanges(std::vector<std::pair<Client, ClockRange>> ranges);

  // Cheap at the end of a client's ranges. Requires a range that is not empty.
  void Add(Client client, ClockRange range);
  void Add(const DeleteSet& other);
  bool Contains(Id id) const;
  // The client's ranges; empty if it has none.
  const Ranges& Of(Client client) const;

  bool empty() const { return clients_.empty(); }
  // Ascending by client.
  const std::vector<std::pair<Client, Ranges>>& clients() const { return clients_; }

  std::string Encode() const;
  void EncodeTo(Lib0Writer& writer) const;
  // On malformed bytes the reader has failed and the set is of no use.
  static DeleteSet Decode(Lib0Reader& reader);
  // Only reads it, behind the others.
  static void DecodeTo(Lib0Reader& reader, std::vector<std::pair<Client, ClockRange>>& ranges);

  friend bool operator==(const DeleteSet&, const DeleteSet&) = default;

 private:
  Ranges& MutableOf(Client client);

  std::vector<std::pair<Client, Ranges>> clients_;  // Ascending; none without ranges.
};

}  // namespace coterie::crdt
