#pragma once

// How much of every client's history one has: client -> the next clock that is not there yet.
// Pure value. Source: yjs 13.6, src/utils/StructStore.js and encoding.js.
//
//   state vector := n:varUint (client:varUint clock:varUint)*    descending by client

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crdt/id.h"
#include "crdt/lib0.h"

namespace coterie::crdt {

class StateVector {
 public:
  // The first clock that is missing; 0 = nothing of the client is there.
  Clock At(Client client) const;
  // Sets it; 0 forgets the client.
  void Set(Client client, Clock clock);
  // Sets it if that is more.
  void Raise(Client client, Clock clock);
  // For all that `other` has; costs no more than both are long.
  void Raise(const StateVector& other);
  bool Has(Id id) const { return id.clock < At(id.client); }
  // Whether all that `other` has is here.
  bool Covers(const StateVector& other) const;

  bool empty() const { return clocks_.empty(); }
  // Ascending by client.
  const std::vector<std::pair<Client, Clock>>& clocks() const { return clocks_; }

  std::string Encode() const;
  void EncodeTo(Lib0Writer& writer) const;
  // On malformed bytes the reader has failed and the vector is of no use.
  static StateVector Decode(Lib0Reader& reader);

  friend bool operator==(const StateVector&, const StateVector&) = default;

 private:
  std::vector<std::pair<Client, Clock>> clocks_;  // Ascending by client, no zero clocks.
};

}  // namespace coterie::crdt
