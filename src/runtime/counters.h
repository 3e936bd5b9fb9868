#pragma once

// What is counted and timed for /metrics. Any thread adds, any thread reads.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coterie::runtime {

struct Counter {
  void Add(std::uint64_t amount = 1) { value.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t Get() const { return value.load(std::memory_order_relaxed); }
  std::atomic<std::uint64_t> value{0};
};

// Of what is there now.
struct Gauge {
  void Add(std::int64_t amount) { value.fetch_add(amount, std::memory_order_relaxed); }
  std::int64_t Get() const { return value.load(std::memory_order_relaxed); }
  std::atomic<std::int64_t> value{0};
};

// How long things took.
struct Histogram {
  static constexpr std::array<double, 12> kBoundsSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                            0.1,   0.2,   0.5,   1.0,  2.0,  5.0};
  void Observe(double seconds) {
    std::size_t i = 0;
    while (i < kBoundsSeconds.size() && seconds > kBoundsSeconds[i]) ++i;
    buckets[i].Add();
    sum_us.Add(static_cast<std::uint64_t>(seconds * 1e6));
  }
  std::array<Counter, kBoundsSeconds.size() + 1> buckets;  // Not cumulative.
  Counter sum_us;
};

}  // namespace coterie::runtime
