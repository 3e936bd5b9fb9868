#pragma once

// The network between the simulated servers: late, lossy, repeating, reordering, corrupting, cut in
// one direction or both, or clogged (held, then delivered all at once). Without faults the frames
// of one lane keep their order, as on a stream. Owner: the run.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/prng.h"
#include "node/peers.h"
#include "sim/plan.h"
#include "sim/schedule.h"
#include "sim/trace.h"

namespace coterie::sim {

class Network {
 public:
  using Link = std::pair<NodeId, NodeId>;  // From, to.
  using Deliver = std::function<void(NodeId from, NodeId to, const std::string& bytes)>;

  Network(Schedule& schedule, Trace& trace, const Plan& plan, Deliver deliver);

  void Send(NodeId from, node::Frame frame);
  // For what is not a frame: a piece of a snapshot, asked for and answered at once.
  bool CanReach(NodeId from, NodeId to);

  void Cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void CutBothWays(NodeId a, NodeId b);
  void Clog(NodeId from, NodeId to);
  // The connection breaks: what is on its way on it is lost.
  void Break(NodeId from, NodeId to) { ++breaks_[{from, to}]; }
  // So much later comes what is sent on it from now on.
  void SetLag(NodeId from, NodeId to, std::uint64_t lag_us) { lags_us_[{from, to}] = lag_us; }
  // Links work again, and at their usual pace; what was held comes through.
  void Heal();
  // From now on nothing is lost, repeated, reordered, corrupted or very late.
  void Calm() {
    is_calm_ = true;
    calm_since_us_ = schedule_.now_us();
  }

 private:
  void Bring(NodeId from, NodeId to, node::Lane lane, std::string bytes);
  bool Happens(std::uint64_t per_mille) { return !is_calm_ && prng_.Below(1'000) < per_mille; }
  std::uint64_t Latency();
  std::uint64_t BreaksOf(Link link) const;

  Schedule& schedule_;
  Trace& trace_;
  const Plan& plan_;
  Deliver deliver_;
  Prng prng_;
  bool is_calm_ = false;
  std::uint64_t calm_since_us_ = 0;
  std::set<Link> cuts_;
  std::map<Link, std::uint64_t> breaks_;  // How often it has broken.
  std::map<Link, std::uint64_t> lags_us_;
  std::map<Link, std::vector<node::Frame>> clogs_;
  std::map<std::pair<Link, node::Lane>, std::uint64_t> last_arrival_us_;
};

}  // namespace coterie::sim
