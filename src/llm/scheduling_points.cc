#include "llm/scheduling_points.h"

#include <sched.h>
#include <sys/prctl.h>

#include <ctime>

namespace coterie::llm {
namespace {

std::vector<int> Processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  // Fails where there are more than CPU_SETSIZE. Nobody needs this there.
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &set)) processors.push_back(processor);
  }
  return processors;
}

bool StayOn(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace

SchedulingPoints::SchedulingPoints(absl::Duration period) {
  if (period <= absl::ZeroDuration()) return;
  for (const int processor : Processors()) {
    threads_.emplace_back([this, processor, period] { Run(processor, period); });
  }
}

SchedulingPoints::~SchedulingPoints() {
  {
    absl::MutexLock lock(&mutex_);
    is_ending_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void SchedulingPoints::Add(int scopes) {
  if (threads_.empty()) return;
  // Under the lock, so that who waits for it is told.
  absl::MutexLock lock(&mutex_);
  scopes_.fetch_add(scopes, std::memory_order_relaxed);
}

void SchedulingPoints::Run(int processor, absl::Duration period) {
  // Without it there would be several on one processor and none on another.
  if (!StayOn(processor)) return;
  // Timers of this thread are otherwise up to 50 microseconds late, to be rung together.
  prctl(PR_SET_TIMERSLACK, 1UL);
  const timespec nap = absl::ToTimespec(period);
  while (AwaitScope()) {
    while (scopes_.load(std::memory_order_relaxed) > 0) {
      clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
    }
  }
}

bool SchedulingPoints::AwaitScope() {
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_ending_ || scopes_.load(std::memory_order_relaxed) > 0;
  };
  absl::MutexLock lock(&mutex_, absl::Condition(&has_news));
  return !is_ending_;
}

}  // namespace coterie::llm
