#pragma once

// One run of the whole cluster from one seed, in one thread and virtual time: first everything goes
// wrong and nothing may break (safety), then a majority is healed and it must serve again, and all
// healed servers agree (liveness); at the end what clients were told is held against the log.
// A broken promise stops the process (sim/violation.h). The same plan gives the same trace.

#include <cstdint>
#include <cstdio>

#include "sim/plan.h"

namespace coterie::sim {

struct Result {
  std::uint64_t trace_digest = 0;
  std::uint64_t events = 0;  // Of the schedule.
  std::uint64_t simulated_us = 0;
  std::uint64_t commits = 0;
  std::uint64_t leaders = 0;
  std::uint64_t crashes = 0;       // Power cuts: what was not synced is lost, sector by sector.
  DamageCounts damages{};          // Of disks at rest; every one was repaired before the end.
  std::uint64_t complaints = 0;    // Of nodes, about damage.
  std::uint64_t upgrades = 0;      // Of nodes, from the first version.
  std::uint64_t news_done = 0;     // Requests that the first version does not know,
  std::uint64_t news_refused = 0;  // and how often they were refused because of old members.
  std::uint64_t halts = 0;         // Too much was damaged for it to serve again,
  std::uint64_t calamities = 0;    // of so many times that more than a minority was.
  std::uint64_t updates = 0;       // Answered.
  std::uint64_t joint_edits = 0;   // Entries in which several clients wrote.
  std::uint64_t reads = 0;
  std::uint64_t events_told = 0;
  std::uint64_t recovery_us = 0;  // From the healing to the next acknowledged word.
};

// `trace` gets a readable trace; null = none.
Result RunPlan(const Plan& plan, std::FILE* trace);

}  // namespace coterie::sim
