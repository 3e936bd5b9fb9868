#pragma once

// Many runs of the simulator, in processes of their own: a broken promise stops a process, and the
// next one goes on behind the seed that did it. Owner: main().

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/plan.h"
#include "sim/run.h"

namespace coterie::bin {

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

struct Campaign {
  std::vector<sim::Profile> profiles;
  Seeds seeds;  // For each of the profiles.
  std::set<sim::Fault> without;
  std::size_t processes = 2;
  std::uint64_t stop_after_failures = 5;
  // It ends as soon as there have been so many; 0 = when the seeds are through.
  std::uint64_t damages_wanted = 0;
  std::uint64_t power_cuts_wanted = 0;
  // Of processor time. A seed that takes longer has failed: it hangs.
  unsigned seconds_per_seed_max = 60;
  int mutant = 0;
  bool is_quiet = false;  // What failing seeds say is not shown.
};

struct Failure {
  sim::Profile profile = sim::Profile::kDefault;
  std::uint64_t seed = 0;
  int signal = 0;
};

struct Summary {
  std::uint64_t runs = 0;
  sim::Result total;
  std::uint64_t recovery_us_max = 0;
  std::vector<std::uint64_t> recoveries_us;
  std::vector<Failure> failures;
  double seconds = 0;
};

Summary RunCampaign(const Campaign& campaign);

// Whether the plan still fails without some of its faults; the smallest set of faults found.
std::set<sim::Fault> Minimise(const Failure& failure, const Campaign& campaign);

// The command that shows a failing seed again.
std::string ReplayCommand(sim::Profile profile, std::uint64_t seed,
                          const std::set<sim::Fault>& without, int mutant);

}  // namespace coterie::bin
