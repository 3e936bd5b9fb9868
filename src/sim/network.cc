#include "sim/network.h"

#include <algorithm>

#include "base/crc32c.h"

namespace coterie::sim {
namespace {

constexpr std::size_t kHeldPerLinkMax = 2'000;
constexpr std::uint64_t kCalmLatencyUs = 2'000;

}  // namespace

Network::Network(Schedule& schedule, Trace& trace, const Plan& plan, Deliver deliver)
    : schedule_(schedule),
      trace_(trace),
      plan_(plan),
      deliver_(std::move(deliver)),
      prng_(plan.seed ^ 0x6e657477) {}

std::uint64_t Network::Latency() {
  // Healed is also: short against the election timeout, on which liveness rests (Raft paper 5.6).
  const std::uint64_t usual_us =
      is_calm_ ? std::min(plan_.latency_us, kCalmLatencyUs) : plan_.latency_us;
  return prng_.Between(usual_us / 2, usual_us * 2);
}

void Network::Send(NodeId from, node::Frame frame) {
  const Link link(from, frame.to);
  if (cuts_.contains(link) || Happens(plan_.loss_per_mille)) return;
  if (const auto clog = clogs_.find(link); clog != clogs_.end()) {
    if (clog->second.size() < kHeldPerLinkMax) clog->second.push_back(std::move(frame));
    return;
  }
  if (Happens(plan_.corrupt_per_mille) && !frame.bytes.empty()) {
    char& byte = frame.bytes[prng_.Below(frame.bytes.size())];
    byte = static_cast<char>(byte ^ (1 << prng_.Below(8)));
  }
  if (Happens(plan_.duplicate_per_mille)) Bring(from, frame.to, frame.lane, frame.bytes);
  Bring(from, frame.to, frame.lane, std::move(frame.bytes));
}

void Network::Bring(NodeId from, NodeId to, node::Lane lane, std::string bytes) {
  std::uint64_t arrival_us = schedule_.now_us() + Latency();
  if (const auto lag = lags_us_.find({from, to}); lag != lags_us_.end()) arrival_us += lag->second;
  if (Happens(plan_.reorder_per_mille)) {
    arrival_us += Latency() * prng_.Below(100);
  } else {
    std::uint64_t& last_us = last_arrival_us_[{{from, to}, lane}];
    arrival_us = last_us = std::max(last_us, arrival_us);
  }
  const std::uint64_t sent_us = schedule_.now_us();
  const std::uint64_t breaks = BreaksOf({from, to});
  schedule_.At(arrival_us, [this, from, to, sent_us, breaks, bytes = std::move(bytes)] {
    if (cuts_.contains({from, to}) || breaks != BreaksOf({from, to})) return;
    // What was very late when everything was healed is lost: voices of the dead keep nobody
    // waiting.
    if (sent_us < calm_since_us_ && schedule_.now_us() > calm_since_us_ + kCalmLatencyUs) return;
    trace_.Note(schedule_.now_us(), "frame", {from.value(), to.value(), ComputeCrc32c(bytes)});
    deliver_(from, to, bytes);
  });
}

std::uint64_t Network::BreaksOf(Link link) const {
  const auto found = breaks_.find(link);
  return found == breaks_.end() ? 0 : found->second;
}

bool Network::CanReach(NodeId from, NodeId to) {
  return !cuts_.contains({from, to}) && !cuts_.contains({to, from}) &&
         !Happens(plan_.loss_per_mille);
}

void Network::CutBothWays(NodeId a, NodeId b) {
  Cut(a, b);
  Cut(b, a);
}

void Network::Clog(NodeId from, NodeId to) { clogs_.try_emplace({from, to}); }

void Network::Heal() {
  cuts_.clear();
  lags_us_.clear();
  std::map<Link, std::vector<node::Frame>> held;
  held.swap(clogs_);
  for (auto& [link, frames] : held) {
    for (node::Frame& frame : frames) Send(link.first, std::move(frame));
  }
}

}  // namespace coterie::sim
