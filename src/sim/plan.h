#pragma once

// What one run is like: drawn from its seed and a profile, so that every seed is another mix of
// faults (swarm testing: Groce et al., ISSTA 2012). A mix with everything in it would hide what
// needs quiet to show itself. Pure value.

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "state/machine.h"

namespace coterie::sim {

// Of all nodes, and of whoever replays their log. Few versions, so that documents have older ones
// that are archived.
inline constexpr state::Machine::Options kMachineOptions = {.versions_kept_max = 40};

enum class Profile : std::uint8_t {
  kDefault,
  kSnapshots,   // The log is compacted every few entries.
  kStorage,     // Disks are slow, hang, fail, are full, and hold damage.
  kReconfig,    // Members come and go all the time.
  kOverload,    // More clients than the queues hold.
  kElections,   // Five servers, whose leaders fall as soon as they lead.
  kDamage,      // Disks are damaged, one at a time, and hardly anything else happens.
  kHalt,        // In the end the same entries are damaged on a majority of the disks, or on all.
  kReads,       // Leaders are deposed without knowing it, and many read.
  kMembers,     // Several members change at once, in the worst moments.
  kCompaction,  // The log is compacted down to nothing, in tiny segments, and the power fails.
  kUpgrade,     // All begin as the first version of the program, and are upgraded one by one.
};
inline constexpr Profile kProfiles[] = {
    Profile::kDefault,  Profile::kSnapshots, Profile::kStorage,    Profile::kReconfig,
    Profile::kOverload, Profile::kElections, Profile::kDamage,     Profile::kHalt,
    Profile::kReads,    Profile::kMembers,   Profile::kCompaction, Profile::kUpgrade};
std::string_view NameOf(Profile profile);
std::optional<Profile> ProfileOf(std::string_view name);

// What can be left out of a run, to find out what a failure needs.
enum class Fault : std::uint8_t {
  kLoss,
  kDuplicate,
  kReorder,
  kCorrupt,
  kCut,
  kClog,
  kCrash,
  kCrashMidway,  // At any storage operation.
  kPause,
  kDiskSlow,
  kDiskHang,
  kDiskError,
  kDiskFull,
  kDamage,
  kWipe,
  kClock,
  kTransfer,
  kSnapshot,
  kReconfigure,
  kApplyHang,  // The state's thread stands still.
  kLag,        // A link is slow for a while.
  kAbsence,    // A server is away for seconds.
  kUpgrade,    // A server goes on as this version of the program.
  kNewer,      // Messages and commands of a version that is yet to come.
};
inline constexpr std::size_t kFaults = 24;
std::string_view NameOf(Fault fault);
std::optional<Fault> FaultOf(std::string_view name);

// What damage does to a disk at rest.
enum class DamageKind : std::uint8_t {
  kMissing,      // A file is gone,
  kTruncated,    // or cut short.
  kTorn,         // A sector is zeros,
  kMisdirected,  // or holds the bytes of another place.
  kFlipped,      // One bit.
  kState,        // Anything in the state, which says so when it is opened.
};
inline constexpr std::size_t kDamageKinds = 6;
std::string_view NameOf(DamageKind kind);
using DamageCounts = std::array<std::uint64_t, kDamageKinds>;

struct Plan {
  std::uint64_t seed = 0;
  Profile profile = Profile::kDefault;
  std::set<Fault> faults;  // The ones that this run has.
  std::size_t founders = 3;
  std::size_t spares = 0;  // Servers that wait to be added.
  std::size_t clients = 4;
  std::uint64_t duration_us = 8'000'000;  // Of the phase with faults.
  // How often the nemesis does something, on average.
  std::uint64_t fault_interval_us = 100'000;
  std::uint64_t latency_us = 500;  // Of a message; drawn from half to twice that.
  std::uint64_t loss_per_mille = 0;
  std::uint64_t duplicate_per_mille = 0;
  std::uint64_t reorder_per_mille = 0;
  std::uint64_t corrupt_per_mille = 0;
  std::uint64_t disk_us = 300;  // Of a write and its sync.
  std::uint64_t think_us = 50'000;
  std::uint64_t log_entries_max = 100'000;
  std::uint64_t log_trailing_entries_max = 5'000;
  // Only every other server compacts its log so; the others are set to keep it.
  bool are_logs_unequal = false;
  std::size_t log_segment_bytes = 64 << 10;
  std::size_t uncommitted_bytes_max = 64 << 20;
  std::size_t append_bytes_max = 1 << 20;
  // Of ten strikes, how many are damage, if the run has that.
  std::uint64_t damage_tenths = 0;
  // Whoever comes to lead is killed soon.
  bool are_leaders_hunted = false;
  // How often a storm (storm.h) has a gust, on average; 0 = there is none.
  std::uint64_t gust_interval_us = 0;
  // Of ten that come to lead, how many meet a gust at once.
  std::uint64_t office_tenths = 0;
  // In the end, when all is healed: how many things go wrong, one after the other (drill.h).
  std::uint64_t drills = 0;
  // Clients work for the one time and rest for the other, all together; 0 = they never rest.
  std::uint64_t shift_us = 0;
  std::uint64_t rest_us = 0;
  // Writers have Yjs editors beside commands.
  bool has_yjs_editors = false;
  // What several of them type at about the same time goes into one entry.
  bool has_joint_edits = false;
  // Clients that only read.
  std::size_t readers = 0;
  std::uint64_t reader_think_us = 5'000;

  bool Has(Fault fault) const { return faults.contains(fault); }
};

// `without` are left out, whatever the seed says.
Plan DrawPlan(std::uint64_t seed, Profile profile, const std::set<Fault>& without);

}  // namespace coterie::sim
