#pragma once

// How much a node does and how long that takes, of the last second or so, from what it counts for
// /metrics anyway. Owner: who samples.

#include <absl/time/time.h>

#include <array>
#include <cstdint>
#include <optional>

#include "coterie/v1/cluster.pb.h"
#include "node/counters.h"
#include "rpc/call_times.h"
#include "runtime/counters.h"

namespace coterie::rpc {

// What is counted by the face that editors connect to. It outlives who was given it.
struct EditorCounters {
  const runtime::Counter& updates;
  const runtime::Counter& deliveries;
  const runtime::Histogram& commit;
};

// As runtime::Histogram has them: not cumulative.
using Buckets = std::array<std::uint64_t, runtime::Histogram::kBoundsSeconds.size() + 1>;

Buckets Read(const runtime::Histogram& histogram);
// Below which that share of what was observed between two readings stayed, in milliseconds: within
// its bucket as if evenly spread, as Prometheus' histogram_quantile has it. None: nothing was.
std::optional<double> QuantileMs(const Buckets& before, const Buckets& now, double share);

class NodePace {
 public:
  // Both outlive it.
  NodePace(const CallTimes& calls, const node::Counters& log) : calls_(calls), log_(log) {}

  // Of no effect within a second of the last time. `editors`: null if there are none.
  void Sample(absl::Time now, const EditorCounters* editors);
  // Begins anew: what happened before is of another time.
  void Forget();
  // None before the second sample.
  const std::optional<v1::NodePace>& last() const { return last_; }

 private:
  struct Reading {
    absl::Time at;
    std::uint64_t updates = 0;
    std::uint64_t deliveries = 0;
    Buckets commit{};
    Buckets append{};
    Buckets calls{};
  };
  static v1::NodePace Between(const Reading& before, const Reading& now);

  const CallTimes& calls_;
  const node::Counters& log_;
  std::optional<Reading> before_;
  std::optional<v1::NodePace> last_;
};

}  // namespace coterie::rpc
