#include "sim/calamity.h"

#include <absl/strings/str_cat.h>

#include <algorithm>

#include "sim/violation.h"

namespace coterie::sim {
namespace {

constexpr std::uint64_t kNewestEntries = 40;
constexpr int kAttemptsMax = 50;

}  // namespace

const raft::EntryRef* Calamity::Choose() {
  const std::vector<raft::EntryRef>& committed = ledger_.committed();
  for (int attempt = 0; attempt < kAttemptsMax && !committed.empty(); ++attempt) {
    const std::uint64_t among = prng_.Chance(2, 3)
                                    ? std::min<std::uint64_t>(kNewestEntries, committed.size())
                                    : committed.size();
    const raft::EntryRef& entry = committed[committed.size() - 1 - prng_.Below(among)];
    if (entry.type == raft::EntryType::kCommand) return &entry;
  }
  return nullptr;
}

std::size_t Calamity::Strike() {
  std::vector<NodeId> voters = ledger_.configuration().voters;
  for (const NodeId id : voters) server_(id).Crash();
  const raft::EntryRef* const entry = Choose();
  if (entry == nullptr) return 0;
  const std::size_t wanted = prng_.Chance(1, 2) ? voters.size() : voters.size() / 2 + 1;
  const bool is_state_hit = prng_.Chance(2, 3);
  std::size_t count = 0;
  while (count < wanted && !voters.empty()) {
    const std::size_t chosen = prng_.Below(voters.size());
    Server& server = server_(voters[chosen]);
    voters.erase(voters.begin() + static_cast<std::ptrdiff_t>(chosen));
    const bool is_log_hit = server.DamageEntry(*entry);
    if (is_state_hit) server.DamageState();
    if (is_log_hit || is_state_hit) ++count;
  }
  return count;
}

// One that misses nothing is elected if it has all that a majority may have had.
bool Calamity::CanBeElected(NodeId candidate) {
  const raft::Core& core = server_(candidate).replica()->core();
  if (core.promised() != raft::LogPosition()) return false;
  const std::vector<NodeId>& voters = ledger_.configuration().voters;
  const auto votes_for_it = [&](NodeId id) {
    const raft::Core& voter = server_(id).replica()->core();
    return core.last() >= std::max(voter.last(), voter.promised());
  };
  return static_cast<std::size_t>(std::ranges::count_if(voters, votes_for_it)) > voters.size() / 2;
}

void Calamity::CheckHalt() {
  bool is_missing_any = false;
  for (const NodeId id : ledger_.configuration().voters) {
    const Server& server = server_(id);
    if (!server.IsUp()) Violate(absl::StrCat("node ", id.value(), " is down, not halted"));
    if (server.replica()->core().promised() == raft::LogPosition()) continue;
    is_missing_any = true;
    const std::vector<std::string> alarms = server.replica()->status().alarms;
    if (std::ranges::count(alarms, "REPAIRING") == 0 || server.complaints() == 0) {
      Violate(absl::StrCat("node ", id.value(), " has lost entries and does not say so"));
    }
  }
  if (!is_missing_any) Violate("nothing is acknowledged any more, and nobody says why");
  for (const NodeId id : ledger_.configuration().voters) {
    if (!CanBeElected(id)) continue;
    Violate(absl::StrCat("nothing is acknowledged, although node ", id.value(),
                         " has all that a majority may have had"));
  }
}

}  // namespace coterie::sim
