// coterie-sim: the whole cluster in one thread and virtual time, from a seed (sim/run.h).

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutant.h"
#include "bin/sim_campaign.h"
#include "bin/sim_mutants.h"
#include "sim/plan.h"
#include "sim/run.h"
#include "sim/violation.h"

namespace {

using coterie::bin::Campaign;
using coterie::bin::Failure;
using coterie::bin::Summary;
using coterie::sim::Fault;
using coterie::sim::Profile;

constexpr char kEndlessSeeds[] = "1..100000000";

struct Arguments {
  std::string profile = "all";
  std::string seeds = "1..200";
  std::uint64_t seed = 0;
  bool is_traced = false;
  std::string without;
  std::size_t processes = std::max(1U, std::thread::hardware_concurrency());
  std::uint64_t damages = 0;
  std::uint64_t power_cuts = 0;
  int mutant = 0;
  bool is_for_mutants = false;
  std::uint64_t ranges = 3;
  std::uint64_t runs_max = 0;
};

int Complain(const std::string& what) {
  absl::FPrintF(stderr, "coterie-sim: %s\n", what);
  return 2;
}

bool ReadSeeds(const std::string& text, coterie::bin::Seeds& seeds) {
  const std::vector<std::string> ends = absl::StrSplit(text, "..");
  if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &seeds.first) ||
      !absl::SimpleAtoi(ends.back(), &seeds.last)) {
    return false;
  }
  return seeds.first <= seeds.last;
}

bool ReadCampaign(const Arguments& arguments, Campaign& campaign) {
  if (arguments.profile == "all") {
    campaign.profiles.assign(std::begin(coterie::sim::kProfiles),
                             std::end(coterie::sim::kProfiles));
  } else if (const auto profile = coterie::sim::ProfileOf(arguments.profile)) {
    campaign.profiles = {*profile};
  } else {
    return false;
  }
  for (const auto name : absl::StrSplit(arguments.without, ',', absl::SkipEmpty())) {
    const auto fault = coterie::sim::FaultOf(std::string(name));
    if (!fault) return false;
    campaign.without.insert(*fault);
  }
  campaign.processes = arguments.processes;
  campaign.mutant = arguments.mutant;
  campaign.damages_wanted = arguments.damages;
  campaign.power_cuts_wanted = arguments.power_cuts;
  return ReadSeeds(arguments.seeds, campaign.seeds);
}

// In this process, with everything that happens.
int Trace(const Campaign& campaign, std::uint64_t seed) {
#ifdef COTERIE_MUTANTS
  coterie::active_mutant = campaign.mutant;
#endif
  const coterie::sim::Result result = coterie::sim::RunPlan(
      coterie::sim::DrawPlan(seed, campaign.profiles.front(), campaign.without), stdout);
  absl::PrintF("seed %d: nothing is broken; %d events, trace %016x\n", seed, result.events,
               result.trace_digest);
  return 0;
}

void PrintDamage(const coterie::sim::Result& total) {
  std::uint64_t damages = 0;
  std::string kinds;
  for (std::size_t i = 0; i < coterie::sim::kDamageKinds; ++i) {
    damages += total.damages.at(i);
    absl::StrAppend(&kinds, i == 0 ? "" : ", ", total.damages.at(i), " ",
                    std::string(NameOf(static_cast<coterie::sim::DamageKind>(i))));
  }
  if (damages > 0) {
    absl::PrintF("%d disks damaged (%s), all repaired; nodes said so %d times\n", damages, kinds,
                 total.complaints);
  }
  if (total.upgrades > 0) {
    absl::PrintF("%d nodes upgraded; requests of the new version: %d refused, %d done\n",
                 total.upgrades, total.news_refused, total.news_done);
  }
  if (total.calamities > 0) {
    absl::PrintF("%d times more than a minority was damaged: %d served again, %d halted\n",
                 total.calamities, total.calamities - total.halts, total.halts);
  }
}

void PrintSummary(const Summary& summary) {
  const auto& total = summary.total;
  const auto seconds = static_cast<double>(total.simulated_us) / 1e6;
  absl::PrintF(
      "%d runs in %.1f s (%.0f a second): %d events (%.0f a second), %.1f simulated hours\n",
      summary.runs, summary.seconds, static_cast<double>(summary.runs) / summary.seconds,
      total.events, static_cast<double>(total.events) / summary.seconds, seconds / 3'600);
  absl::PrintF(
      "%d commits, %d leaders, %d power cuts; %d updates and %d reads answered, %d events told; "
      "all "
      "of it is where it belongs\n",
      total.commits, total.leaders, total.crashes, total.updates, total.reads, total.events_told);
  PrintDamage(total);
  if (!summary.recoveries_us.empty()) {
    const auto& times = summary.recoveries_us;
    absl::PrintF("after healing, the next write: median %d ms, p99 %d ms, worst %d ms\n",
                 times[times.size() / 2] / 1'000, times[times.size() * 99 / 100] / 1'000,
                 times.back() / 1'000);
  }
  absl::PrintF("traces %016x\n", total.trace_digest);
}

int RunSeeds(const Campaign& campaign) {
  const Summary summary = RunCampaign(campaign);
  PrintSummary(summary);
  for (const Failure& failure : summary.failures) {
    const std::set<Fault> without = coterie::bin::Minimise(failure, campaign);
    absl::PrintF(
        "FAILED: seed %d (signal %d); %s\n", failure.seed, failure.signal,
        coterie::bin::ReplayCommand(failure.profile, failure.seed, without, campaign.mutant));
  }
  return summary.failures.empty() ? 0 : 1;
}

int RunMutants([[maybe_unused]] const Arguments& arguments,
               [[maybe_unused]] const Campaign& campaign) {
#ifdef COTERIE_MUTANTS
  coterie::bin::Scoreboard scoreboard{.only = arguments.mutant,
                                      .ranges = arguments.ranges,
                                      .runs_max = arguments.runs_max,
                                      .first_seed = campaign.seeds.first,
                                      .processes = arguments.processes};
  if (arguments.profile != "all") scoreboard.profiles = campaign.profiles;
  return coterie::bin::RunScoreboard(scoreboard, coterie::bin::Hunts());
#else
  return Complain("this build has no mutants in it; use ./dev sim --mutants");
#endif
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Runs a whole Coterie cluster in one thread and virtual time, with everything that "
      "can go wrong going wrong, and checks every promise.");
  Arguments arguments;
  app.add_option("--profile", arguments.profile,
                 "default, snapshots, storage, reconfig, overload, elections, damage, halt, "
                 "reads, members, compaction, upgrade or all");
  app.add_option("--seeds", arguments.seeds, "FIRST..LAST, for each profile");
  app.add_option("--seed", arguments.seed, "one seed alone, in this process");
  app.add_flag("--trace", arguments.is_traced, "with --seed: print everything that happens");
  app.add_option("--without", arguments.without, "faults to leave out: loss,cut,crash ...");
  app.add_option("--processes", arguments.processes, "how many seeds at once");
  app.add_option("--damages", arguments.damages,
                 "end when so many disks have been damaged (profile damage unless told otherwise)");
  app.add_option("--power-cuts", arguments.power_cuts, "end when so many nodes have lost power");
  app.add_option("--mutant", arguments.mutant, "put this known fault in (a build with mutants)");
  app.add_flag("--mutants", arguments.is_for_mutants, "show that every known fault is noticed");
  app.add_option("--ranges", arguments.ranges, "with --mutants: ranges of seeds for each");
  app.add_option("--runs", arguments.runs_max, "with --mutants: runs per range at most");
  CLI11_PARSE(app, argc, argv);

  Campaign campaign;
  if (arguments.damages > 0 && app.count("--profile") == 0) arguments.profile = "damage";
  if (arguments.damages + arguments.power_cuts > 0 && app.count("--seeds") == 0) {
    arguments.seeds = kEndlessSeeds;
  }
  if (arguments.seed != 0) arguments.seeds = absl::StrCat(arguments.seed);
  if (!ReadCampaign(arguments, campaign)) {
    return Complain("no such profile, fault or range of seeds; see --help");
  }
  if (arguments.is_for_mutants) return RunMutants(arguments, campaign);
  if (arguments.is_traced && arguments.seed != 0) return Trace(campaign, arguments.seed);
  return RunSeeds(campaign);
}
