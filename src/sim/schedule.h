#pragma once

// Virtual time: what is to happen, in the order of its time and, at one time, of its entry. Nothing
// else decides what comes next, and nothing waits: the clock jumps. Owner: the run.

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/check.h"

namespace coterie::sim {

class Schedule {
 public:
  using Action = std::function<void()>;

  std::uint64_t now_us() const { return now_us_; }
  std::uint64_t events() const { return done_; }

  void At(std::uint64_t time_us, Action action) {
    CHECK(time_us >= now_us_);
    entries_.push({.time_us = time_us, .number = next_number_++, .action = std::move(action)});
  }
  void After(std::uint64_t delay_us, Action action) { At(now_us_ + delay_us, std::move(action)); }

  // All that is due up to `time_us`, which is then the time.
  void RunUntil(std::uint64_t time_us) {
    while (!entries_.empty() && entries_.top().time_us <= time_us) {
      // The queue gives no way to move its top out; nobody looks at it again.
      Entry entry = std::move(const_cast<Entry&>(entries_.top()));  // NOLINT
      entries_.pop();
      now_us_ = entry.time_us;
      ++done_;
      entry.action();
    }
    now_us_ = time_us;
  }

 private:
  struct Entry {
    std::uint64_t time_us = 0;
    std::uint64_t number = 0;
    Action action;
    bool operator<(const Entry& other) const {
      return std::pair(time_us, number) > std::pair(other.time_us, other.number);
    }
  };
  std::priority_queue<Entry> entries_;
  std::uint64_t now_us_ = 1'000'000;
  std::uint64_t next_number_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace coterie::sim
