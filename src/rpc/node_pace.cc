#include "rpc/node_pace.h"

#include <numeric>

namespace coterie::rpc {
namespace {

constexpr absl::Duration kEvery = absl::Seconds(1);

std::uint64_t Sum(const Buckets& buckets) {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

}  // namespace

Buckets Read(const runtime::Histogram& histogram) {
  Buckets read{};
  for (std::size_t i = 0; i < read.size(); ++i) read[i] = histogram.buckets[i].Get();
  return read;
}

std::optional<double> QuantileMs(const Buckets& before, const Buckets& now, double share) {
  const auto& bounds = runtime::Histogram::kBoundsSeconds;
  const std::uint64_t all = Sum(now) - Sum(before);
  if (all == 0) return std::nullopt;
  const double rank = share * static_cast<double>(all);
  double below = 0;
  double lower = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const auto count = static_cast<double>(now[i] - before[i]);
    if (count > 0 && below + count >= rank) {
      return 1'000 * (lower + (bounds[i] - lower) * ((rank - below) / count));
    }
    below += count;
    lower = bounds[i];
  }
  return 1'000 * lower;  // Longer than the highest bound.
}

void NodePace::Sample(absl::Time now, const EditorCounters* editors) {
  if (before_ && now - before_->at < kEvery) return;
  Reading reading{.at = now, .append = Read(log_.log_append)};
  if (editors != nullptr) {
    reading.updates = editors->updates.Get();
    reading.deliveries = editors->deliveries.Get();
    reading.commit = Read(editors->commit);
  }
  for (const auto& [name, method] : calls_.methods()) {
    const Buckets of_method = Read(method->seconds);
    for (std::size_t i = 0; i < of_method.size(); ++i) reading.calls[i] += of_method[i];
  }
  if (before_) last_ = Between(*before_, reading);
  before_ = reading;
}

void NodePace::Forget() {
  before_.reset();
  last_.reset();
}

v1::NodePace NodePace::Between(const Reading& before, const Reading& now) {
  const double seconds = absl::ToDoubleSeconds(now.at - before.at);
  const auto rate = [seconds](std::uint64_t from, std::uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0;
  };
  v1::NodePace pace;
  pace.set_updates_per_second(rate(before.updates, now.updates));
  pace.set_deliveries_per_second(rate(before.deliveries, now.deliveries));
  pace.set_calls_per_second(rate(Sum(before.calls), Sum(now.calls)));
  if (const auto ms = QuantileMs(before.commit, now.commit, 0.5)) pace.set_commit_median_ms(*ms);
  if (const auto ms = QuantileMs(before.commit, now.commit, 0.99)) pace.set_commit_p99_ms(*ms);
  if (const auto ms = QuantileMs(before.append, now.append, 0.5)) pace.set_append_median_ms(*ms);
  if (const auto ms = QuantileMs(before.calls, now.calls, 0.99)) pace.set_call_p99_ms(*ms);
  return pace;
}

}  // namespace coterie::rpc
