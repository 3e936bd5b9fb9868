#include "sim/drill.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace coterie::sim {
namespace {

constexpr std::uint64_t kOperatorPatienceUs = 2'000'000;

}  // namespace

Drill::Drill(Nemesis::Victims victims)
    : victims_(std::move(victims)), prng_(victims_.plan.seed * 77'977 + 3) {}

void Drill::Strike() {
  Schedule& schedule = victims_.schedule;
  duration_us_ = prng_.Between(50'000, 900'000);
  std::vector<NodeId> others;
  NodeId leader;
  for (const NodeId id : victims_.ids) {
    const Server& server = victims_.server(id);
    const bool leads = server.IsUp() && server.replica()->core().role() == raft::Role::kLeader;
    if (leads) leader = id;
    if (!leads && server.IsUp()) others.push_back(id);
  }
  if (leader.IsNone() || others.empty()) return;
  const NodeId other = others[prng_.Below(others.size())];
  const std::uint64_t kind = prng_.Below(5);
  victims_.trace.Note(schedule.now_us(), "drill", {kind, leader.value(), other.value()});
  const auto cut_off = [this](NodeId id) {
    for (const NodeId peer : victims_.ids) {
      if (peer != id) victims_.network.CutBothWays(id, peer);
    }
  };
  switch (kind) {
    case 0: {  // It is not heard.
      victims_.network.Cut(other, leader);
      return;
    }
    case 1: {  // Leadership is handed to one who is cut off at that moment.
      Server& server = victims_.server(leader);
      server.replica()->TransferLeadership(other, absl::Microseconds(kOperatorPatienceUs),
                                           [](const absl::StatusOr<NodeId>&) {});
      server.Wake();
      schedule.After(prng_.Between(1, std::min(duration_us_, 10 * victims_.plan.latency_us)),
                     [cut_off, other] { cut_off(other); });
      return;
    }
    case 2:
      return cut_off(prng_.Chance(1, 2) ? leader : other);
    case 3:
      return victims_.server(prng_.Chance(1, 2) ? leader : other)
          .PauseUntil(schedule.now_us() + duration_us_);
    default: {
      victims_.server(other).Crash();
      schedule.After(prng_.Below(duration_us_) + 1,
                     [this, other] { victims_.server(other).Start(); });
      return;
    }
  }
}

}  // namespace coterie::sim
