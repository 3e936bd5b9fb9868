#include "sim/plan.h"

#include <algorithm>
#include <array>

namespace coterie::sim {
namespace {

constexpr std::array<std::string_view, std::size(kProfiles)> kProfileNames = {
    "default", "snapshots", "storage", "reconfig", "overload",   "elections",
    "damage",  "halt",      "reads",   "members",  "compaction", "upgrade"};
constexpr std::array<std::string_view, kFaults> kFaultNames = {
    "loss",        "duplicate",  "reorder",   "corrupt",   "cut",       "clog",
    "crash",       "midway",     "pause",     "disk-slow", "disk-hang", "disk-error",
    "disk-full",   "damage",     "wipe",      "clock",     "transfer",  "snapshot",
    "reconfigure", "apply-hang", "slow-link", "absence",   "upgrade",   "newer"};

constexpr std::array<std::string_view, kDamageKinds> kDamageNames = {
    "missing", "truncated", "torn", "misdirected", "flipped", "state"};

// Damage waits until all disks are complete: what goes wrong besides must not last.
std::uint64_t TenthsAmongDamage(Fault fault) {
  switch (fault) {
    case Fault::kDamage:
      return 10;
    case Fault::kLoss:
    case Fault::kDuplicate:
    case Fault::kReorder:
    case Fault::kCut:
    case Fault::kCrash:
    case Fault::kCrashMidway:
    case Fault::kDiskSlow:
    case Fault::kTransfer:
      return 2;
    case Fault::kSnapshot:
      return 4;
    default:
      return 0;
  }
}

bool IsOfMembersOrDisks(Fault fault) {
  return fault == Fault::kDamage || fault == Fault::kWipe || fault == Fault::kReconfigure;
}

bool HasStorms(Profile profile) {
  return profile == Profile::kElections || profile == Profile::kReads ||
         profile == Profile::kMembers || profile == Profile::kCompaction;
}

// Where there are storms they bring most of what happens.
std::uint64_t TenthsInStorms(Fault fault, Profile profile) {
  const bool is_for_reads = profile == Profile::kReads;
  switch (fault) {
    case Fault::kCut:
      return 9;
    case Fault::kCrash:
      return 8;
    case Fault::kReconfigure:
      return profile == Profile::kMembers ? 10 : profile == Profile::kElections ? 4 : 1;
    case Fault::kSnapshot:
      return is_for_reads ? 1 : 6;
    case Fault::kTransfer:
      return is_for_reads ? 7 : 3;
    case Fault::kCrashMidway:
      return profile == Profile::kCompaction ? 10 : 2;
    case Fault::kPause:
    case Fault::kDiskHang:
      return is_for_reads ? 6 : 3;
    case Fault::kClock:
    case Fault::kLag:
      return is_for_reads ? 5 : 2;
    case Fault::kApplyHang:
      return is_for_reads ? 1 : 5;
    case Fault::kAbsence:
      return profile == Profile::kElections ? 5 : 1;
    case Fault::kLoss:
    case Fault::kDuplicate:
    case Fault::kReorder:
      return 3;
    case Fault::kWipe:
      return profile == Profile::kElections ? 3 : 0;
    case Fault::kDamage:
      return 0;
    default:
      return 1;
  }
}

// Of ten runs, how many have the fault.
std::uint64_t TenthsOf(Fault fault, Profile profile) {
  const bool is_storage = profile == Profile::kStorage;
  if (HasStorms(profile)) return TenthsInStorms(fault, profile);
  if (profile == Profile::kDamage) return TenthsAmongDamage(fault);
  // What is damaged on too many disks must be all that can be missing.
  if (profile == Profile::kHalt && IsOfMembersOrDisks(fault)) return 0;
  switch (fault) {
    case Fault::kLoss:
    case Fault::kDuplicate:
    case Fault::kReorder:
      return 5;
    case Fault::kCorrupt:
      return 3;
    case Fault::kCut:
      return 7;
    case Fault::kClog:
      return 3;
    case Fault::kCrash:
      return 8;
    case Fault::kCrashMidway:
      return is_storage ? 8 : 5;
    case Fault::kPause:
      return 4;
    case Fault::kDiskSlow:
      return is_storage ? 8 : 4;
    case Fault::kDiskHang:
    case Fault::kDiskError:
      return is_storage ? 5 : 2;
    case Fault::kDiskFull:
      return is_storage ? 3 : 1;
    case Fault::kDamage:
      return is_storage || profile == Profile::kUpgrade ? 6 : 0;
    case Fault::kWipe:
      return is_storage ? 3 : 1;
    case Fault::kClock:
      return 4;
    case Fault::kTransfer:
      return 5;
    case Fault::kSnapshot:
      return profile == Profile::kSnapshots ? 10 : 4;
    case Fault::kReconfigure:
      return profile == Profile::kReconfig ? 10 : 3;
    case Fault::kUpgrade:
    case Fault::kNewer:
      return 10;
    case Fault::kApplyHang:
    case Fault::kLag:
    case Fault::kAbsence:
      return 0;
  }
  return 0;
}

void DrawStorms(Prng& prng, Plan& plan) {
  plan.gust_interval_us = prng.Between(40, 250) * 1'000;
  plan.office_tenths = prng.Between(3, 10);
  plan.fault_interval_us = prng.Between(100, 600) * 1'000;
  plan.duration_us = prng.Between(3, 10) * 1'000'000;
  plan.think_us = prng.Between(5, 40) * 1'000;
  if (!plan.Has(Fault::kDiskSlow)) plan.disk_us = prng.Between(50, 500);
  plan.drills = prng.Below(6);
}

void DrawElections(Prng& prng, Plan& plan) {
  const std::array<std::size_t, 6> sizes = {3, 4, 5, 5, 5, 7};
  plan.founders = sizes.at(prng.Below(sizes.size()));
  plan.are_leaders_hunted = prng.Chance(1, 3) && plan.Has(Fault::kCrash);
  plan.append_bytes_max = prng.Chance(2, 3) ? prng.Between(50, 200) : 1 << 20;
  plan.latency_us = prng.Between(500, 20'000);
  if (!plan.Has(Fault::kAbsence)) return;
  // Long calm with a leader who stays, and then a gust.
  plan.gust_interval_us = prng.Between(500, 2'000) * 1'000;
  plan.office_tenths = prng.Below(3);
  plan.fault_interval_us = prng.Between(1'000, 4'000) * 1'000;
  plan.duration_us = prng.Between(8, 16) * 1'000'000;
  plan.think_us = prng.Between(50, 150) * 1'000;
}

void DrawReads(Prng& prng, Plan& plan) {
  plan.founders = prng.Chance(3, 4) ? 3 : 5;
  plan.spares = 0;
  plan.latency_us = prng.Chance(3, 4) ? prng.Between(100, 1'000) : prng.Between(2'000, 20'000);
  plan.think_us = prng.Between(3, 15) * 1'000;
  plan.readers = prng.Between(3, 6);
  plan.reader_think_us = prng.Between(1, 10) * 1'000;
  plan.duration_us = prng.Between(3, 6) * 1'000'000;
  plan.gust_interval_us = prng.Between(100, 500) * 1'000;
  plan.fault_interval_us = prng.Between(400, 1'500) * 1'000;
  if (prng.Chance(1, 2)) {
    plan.shift_us = prng.Between(100, 500) * 1'000;
    plan.rest_us = prng.Between(500, 1'000) * 1'000;
  }
}

void DrawMembers(Prng& prng, Plan& plan) {
  plan.founders = prng.Between(3, 5);
  plan.spares = prng.Between(1, 3);
  plan.latency_us = prng.Between(300, 10'000);
  if (prng.Chance(1, 2)) {
    plan.log_entries_max = prng.Between(2, 30);
    plan.log_trailing_entries_max = prng.Below(6);
  }
}

void DrawCompaction(Prng& prng, Plan& plan) {
  const std::array<std::size_t, 6> sizes = {1, 3, 3, 3, 3, 5};
  plan.founders = sizes.at(prng.Below(sizes.size()));
  plan.spares = 0;
  plan.latency_us = prng.Between(200, 5'000);
  plan.log_entries_max = prng.Between(1, 40);
  plan.log_trailing_entries_max = prng.Chance(3, 4) ? 0 : prng.Between(1, 4);
  plan.log_segment_bytes = prng.Between(1, 4) << 9;
  plan.are_logs_unequal = prng.Chance(1, 3);
  // Many calls are on their way when a leader is cut off: what it leaves is longer than what the
  // next one begins with.
  if (prng.Chance(1, 2)) plan.clients = prng.Between(8, 16);
}

template <class Value, std::size_t kCount>
std::optional<Value> Find(const std::array<std::string_view, kCount>& names,
                          std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Value>(found - names.begin());
}

}  // namespace

std::string_view NameOf(Profile profile) {
  return kProfileNames.at(static_cast<std::size_t>(profile));
}
std::string_view NameOf(Fault fault) { return kFaultNames.at(static_cast<std::size_t>(fault)); }
std::string_view NameOf(DamageKind kind) { return kDamageNames.at(static_cast<std::size_t>(kind)); }
std::optional<Profile> ProfileOf(std::string_view name) {
  return Find<Profile>(kProfileNames, name);
}
std::optional<Fault> FaultOf(std::string_view name) { return Find<Fault>(kFaultNames, name); }

Plan DrawPlan(std::uint64_t seed, Profile profile, const std::set<Fault>& without) {
  Prng prng(seed * 31 + static_cast<std::uint64_t>(profile));
  Plan plan{.seed = seed, .profile = profile};
  // What only storms have is drawn apart: other plans do not depend on it.
  Prng prng_of_storms(seed * 37 + static_cast<std::uint64_t>(profile));
  for (std::size_t i = 0; i < kFaults; ++i) {
    const auto fault = static_cast<Fault>(i);
    const bool is_of_upgrades = fault == Fault::kUpgrade || fault == Fault::kNewer;
    if (is_of_upgrades && profile != Profile::kUpgrade) continue;
    Prng& drawn_from = fault < Fault::kApplyHang ? prng : prng_of_storms;
    const bool is_drawn = drawn_from.Chance(TenthsOf(fault, profile), 10);
    if (is_drawn && !without.contains(fault)) plan.faults.insert(fault);
  }
  const std::array<std::size_t, 8> sizes = {3, 3, 3, 3, 3, 5, 5, 7};
  plan.founders = sizes.at(prng.Below(sizes.size()));
  if (prng.Chance(1, 40)) plan.founders = 1;
  plan.spares = profile == Profile::kReconfig ? prng.Between(1, 3) : prng.Below(2);
  plan.clients = prng.Between(3, 6);
  plan.duration_us = prng.Between(3, 8) * 1'000'000;
  plan.fault_interval_us = prng.Between(30, 300) * 1'000;
  plan.latency_us = prng.Chance(1, 5) ? prng.Between(5'000, 40'000) : prng.Between(100, 2'000);
  if (plan.Has(Fault::kLoss)) plan.loss_per_mille = prng.Between(1, 200);
  if (plan.Has(Fault::kDuplicate)) plan.duplicate_per_mille = prng.Between(1, 200);
  if (plan.Has(Fault::kReorder)) plan.reorder_per_mille = prng.Between(1, 200);
  if (plan.Has(Fault::kCorrupt)) plan.corrupt_per_mille = prng.Between(1, 20);
  plan.disk_us = plan.Has(Fault::kDiskSlow) ? prng.Between(1'000, 30'000) : prng.Between(50, 500);
  plan.think_us = prng.Between(10, 80) * 1'000;
  if (profile == Profile::kSnapshots || prng.Chance(1, 4)) {
    plan.log_entries_max = prng.Between(8, 40);
    plan.log_trailing_entries_max = prng.Below(10);
  }
  plan.log_segment_bytes = prng.Between(4, 64) << 10;
  if (prng.Chance(1, 3)) plan.append_bytes_max = prng.Between(50, 500);
  plan.are_leaders_hunted = plan.Has(Fault::kCrash) && prng.Chance(1, 5);
  if (HasStorms(profile)) DrawStorms(prng_of_storms, plan);
  if (profile == Profile::kElections) DrawElections(prng, plan);
  if (profile == Profile::kReads) DrawReads(prng, plan);
  if (profile == Profile::kMembers) DrawMembers(prng, plan);
  if (profile == Profile::kCompaction) DrawCompaction(prng, plan);
  if (profile == Profile::kDamage) {
    plan.damage_tenths = 6;
    plan.fault_interval_us = prng.Between(20, 80) * 1'000;
    plan.duration_us = prng.Between(8, 16) * 1'000'000;
    plan.loss_per_mille = std::min<std::uint64_t>(plan.loss_per_mille, 20);
    plan.latency_us = std::min<std::uint64_t>(plan.latency_us, 2'000);
  }
  if (profile == Profile::kHalt) plan.spares = 0;
  if (profile == Profile::kOverload) {
    plan.clients = prng.Between(20, 40);
    plan.think_us = prng.Between(1, 5) * 1'000;
    plan.duration_us = prng.Between(1, 2) * 1'000'000;
    plan.uncommitted_bytes_max = prng.Between(200, 4'000);
  }
  Prng prng_of_editors(seed * 41 + static_cast<std::uint64_t>(profile));
  plan.has_yjs_editors = prng_of_editors.Chance(1, 2);
  plan.has_joint_edits = plan.has_yjs_editors && prng_of_editors.Chance(2, 3);
  return plan;
}

}  // namespace coterie::sim
