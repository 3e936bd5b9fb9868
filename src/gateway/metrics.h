#pragma once

// The node's metrics in Prometheus' text format (0.0.4), with its conventions of names and units,
// and what a load balancer asks. Pure functions of their input.

#include <string>

#include "gateway/counters.h"
#include "node/node.h"
#include "rpc/call_times.h"

namespace coterie::gateway {

std::string MetricsText(const node::Node& node, const rpc::CallTimes& times,
                        const Counters& counters);

// One line per check, "[+]leader ok"; whether all are.
struct Readiness {
  bool is_ready = false;
  std::string text;
};
enum class Stopping : std::uint8_t { kNo, kYes };
Readiness ReadinessOf(const node::Status& status, Stopping stopping);

}  // namespace coterie::gateway
