#pragma once

// More damage than can be made good: the same acknowledged entry on a majority of the disks, or on
// all of them, mostly with the states that held what came of it. Whether the cluster serves again
// depends on what is left; what it must never do is to go on without what it had acknowledged
// (guarantee 14). Owner: the run.

#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "sim/ledger.h"
#include "sim/server.h"

namespace coterie::sim {

class Calamity {
 public:
  Calamity(Ledger& ledger, std::function<Server&(NodeId)> server, std::uint64_t seed)
      : ledger_(ledger), server_(std::move(server)), prng_(seed ^ 0x63616c61) {}

  // All voters are stopped, some damaged, and left down. How many were.
  std::size_t Strike();

  // Nothing is acknowledged any more. Violates (sim/violation.h) a halt that is none: without a
  // word to the operator, or although what is left would do.
  void CheckHalt();

 private:
  // An entry that was acknowledged, of the newest ones rather; null = there is none.
  const raft::EntryRef* Choose();
  bool CanBeElected(NodeId candidate);

  Ledger& ledger_;
  std::function<Server&(NodeId)> server_;
  Prng prng_;
};

}  // namespace coterie::sim
