#pragma once

// What the gateway counts. Any thread adds; metrics.cc shows.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coterie::gateway {

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

struct Counters {
  Gauge sockets_yjs;
  Gauge sockets_hocuspocus;
  Gauge rooms;
  Gauge members;
  Counter sockets_refused;
  Counter sockets_slow;
  Counter messages_received;
  Counter bytes_received;
  Counter messages_sent;
  Counter bytes_sent;
  Counter updates_received;
  Counter updates_refused;
  Counter proposals;
  Counter proposals_repeated;
  Counter changes_published;  // Deliveries are of messages, with one change or more.
  Counter deliveries;
  Counter first_syncs;
  Counter gossip_sent;
  Counter gossip_received;
  Counter http_requests;
  Counter http_errors;
  Histogram commit;  // From a proposal to its commit.
};

}  // namespace coterie::gateway
