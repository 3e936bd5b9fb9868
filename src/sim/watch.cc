#include "sim/watch.h"

#include <absl/strings/str_cat.h>

#include "raft/quorum.h"
#include "sim/server.h"
#include "sim/violation.h"

namespace coterie::sim {
namespace {

// One timeout by a clock that may be a quarter slow, and as much again for what is on its way.
constexpr std::uint64_t kPatienceUs = 3 * kElectionTimeoutUs;
// Cores run at every tick; after a longer gap the process has slept, and its clock with it.
constexpr std::uint64_t kAwayUs = 3 * kTickUs;

}  // namespace

void Watch::OnCore(NodeId id, const raft::Core& core) {
  const std::uint64_t now_us = schedule_.now_us();
  Office& office = offices_[id];
  const bool was_away = now_us - office.seen_us > kAwayUs;
  office.seen_us = now_us;
  if (core.role() != raft::Role::kLeader) {
    office.term = Term();
    return;
  }
  if (was_away || office.term != core.term() || office.configuration != core.configuration()) {
    office.term = core.term();
    office.configuration = core.configuration();
    office.since_us = office.durable_us = now_us;
  }
  if (core.durable_index() == core.last().index || core.durable_index() != office.durable) {
    office.durable = core.durable_index();
    office.durable_us = now_us;
  }
  if (now_us - office.durable_us > kPatienceUs) {
    Violate(absl::StrCat("node ", id.value(), " leads term ", office.term.value(),
                         " on and on while its disk stands still"));
  }
  if (now_us - office.since_us > kPatienceUs) CheckMajority(id, office);
}

void Watch::CheckMajority(NodeId id, const Office& office) const {
  const auto heard = heard_us_.find(id);
  const auto is_heard = [&](NodeId peer) {
    if (peer == id) return true;
    if (heard == heard_us_.end()) return false;
    const auto found = heard->second.find(peer);
    return found != heard->second.end() && schedule_.now_us() - found->second <= kPatienceUs;
  };
  if (raft::HasQuorum(office.configuration, is_heard)) return;
  Violate(absl::StrCat("node ", id.value(), " leads term ", office.term.value(),
                       " on and on without hearing of a majority"));
}

}  // namespace coterie::sim
