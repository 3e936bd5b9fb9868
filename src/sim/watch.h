#pragma once

// What a leader owes the others all the time, seen from outside: one that has heard of no majority,
// or whose disk has finished nothing, for a few election timeouts does not lead on (thesis 6.2,
// etcd #13527). Otherwise whoever still hears it helps nobody else to be elected. Owner: the run.

#include <cstdint>
#include <map>

#include "base/ids.h"
#include "raft/core.h"
#include "sim/schedule.h"

namespace coterie::sim {

class Watch {
 public:
  explicit Watch(const Schedule& schedule) : schedule_(schedule) {}

  // A frame of the one has come to the other, whatever is in it.
  void OnHeard(NodeId to, NodeId from) { heard_us_[to][from] = schedule_.now_us(); }
  // Its core has run.
  void OnCore(NodeId id, const raft::Core& core);

 private:
  struct Office {
    Term term;
    raft::Configuration configuration;
    std::uint64_t seen_us = 0;
    std::uint64_t since_us = 0;  // All of this has been so, and its process has not slept.
    Index durable;
    std::uint64_t durable_us = 0;  // Since when the disk owes something and has done nothing.
  };
  void CheckMajority(NodeId id, const Office& office) const;

  const Schedule& schedule_;
  std::map<NodeId, std::map<NodeId, std::uint64_t>> heard_us_;
  std::map<NodeId, Office> offices_;
};

}  // namespace coterie::sim
