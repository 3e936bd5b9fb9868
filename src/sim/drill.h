#pragma once

// When everything is healed and quiet: one thing goes wrong while clients write, is over after a
// moment, and must have left nothing behind. A leader who stays is what some faults need to last;
// in a storm the next election would hide them. Owner: the run.

#include <cstdint>

#include "base/prng.h"
#include "sim/nemesis.h"

namespace coterie::sim {

class Drill {
 public:
  explicit Drill(Nemesis::Victims victims);

  // Requires that somebody leads. What it has done to the network ends with Network::Heal(); the
  // servers come back by themselves before it is over.
  void Strike();
  // How long it is to last.
  std::uint64_t duration_us() const { return duration_us_; }

 private:
  Nemesis::Victims victims_;
  Prng prng_;
  std::uint64_t duration_us_ = 0;
};

}  // namespace coterie::sim
