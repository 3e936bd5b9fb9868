#pragma once

// The scoreboard of the known faults (base/mutant.h): each is put in alone, and seeds are run until
// somebody notices. Each is tried over several ranges of seeds that share none; what a range needs
// does not depend on how many processes work, as one range is one process's. Owner: main().

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bin/sim_campaign.h"
#include "sim/plan.h"

namespace coterie::bin {

inline constexpr int kMutants = 38;

// Which weather shows a fault soonest, and how long it is looked for.
struct Hunt {
  int mutant = 0;
  std::vector<sim::Profile> profiles;  // In turns, seed by seed.
  std::uint64_t runs_max = 0;          // Per range.
};
// For every mutant, in the order of their numbers.
const std::vector<Hunt>& Hunts();

struct Scoreboard {
  int only = 0;                        // One mutant alone; 0 = all.
  std::uint64_t ranges = 3;            // Of seeds, per mutant.
  std::uint64_t runs_max = 0;          // 0 = what the hunt says.
  std::vector<sim::Profile> profiles;  // None = what the hunt says.
  std::uint64_t first_seed = 1;        // Of the first range.
  std::size_t processes = 2;
};

// Prints a line per mutant and the median of all; the exit code: 0 if no mutant survives a range.
int RunScoreboard(const Scoreboard& scoreboard, const std::vector<Hunt>& hunts);

// The middle one, or the lower of the two middle ones. Requires that there is one.
std::uint64_t MedianOf(std::vector<std::uint64_t> values);

}  // namespace coterie::bin
