#include "llm/scheduling_points.h"

#include <absl/time/clock.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <ctime>
#include <utility>

namespace coterie::llm {
namespace {

// How often it is looked whether others wait, and for how long it is then believed.
constexpr absl::Duration kLookInterval = absl::Milliseconds(100);
constexpr absl::Duration kContendedAtLeast = absl::Milliseconds(500);
// Of that time, waited for others. Who sends its tokens to somebody here waits for 1 to 3 % of it.
constexpr double kContendedShare = 0.05;

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

void Nap(absl::Duration duration) {
  const timespec nap = absl::ToTimespec(duration);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
}

}  // namespace

SchedulingPoints::SchedulingPoints(absl::Duration period, WaitedTime waited_time)
    : waited_time_(std::move(waited_time)) {
  if (period <= absl::ZeroDuration()) return;
  for (const int processor : Processors()) {
    makers_.emplace_back([this, processor, period] { Make(processor, period); });
  }
  if (!makers_.empty()) watcher_ = std::thread([this] { Watch(); });
}

SchedulingPoints::~SchedulingPoints() {
  {
    absl::MutexLock lock(&mutex_);
    is_ending_ = true;
  }
  if (watcher_.joinable()) watcher_.join();
  for (std::thread& maker : makers_) maker.join();
}

void SchedulingPoints::Add(int scopes) {
  if (makers_.empty()) return;
  absl::MutexLock lock(&mutex_);
  scopes_ += scopes;
}

void SchedulingPoints::Watch() {
  const auto has_scope = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_ending_ || scopes_ > 0;
  };
  absl::Time looked_at = absl::Now();
  const auto waited_for_others = [this] { return waited_time_() - MakingTime(); };
  absl::Duration waited = waited_for_others();
  absl::Time contended_at = absl::InfinitePast();
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_scope));
      if (is_ending_) return;
    }
    Nap(kLookInterval);
    const absl::Time now = absl::Now();
    const absl::Duration waited_now = waited_for_others();
    if (waited_now - waited > (now - looked_at) * kContendedShare) contended_at = now;
    waited = waited_now;
    looked_at = now;
    absl::MutexLock lock(&mutex_);
    is_contended_ = now - contended_at < kContendedAtLeast;
  }
}

absl::Duration SchedulingPoints::MakingTime() {
  absl::Duration sum;
  for (std::thread& maker : makers_) {
    clockid_t clock{};
    timespec used{};
    if (pthread_getcpuclockid(maker.native_handle(), &clock) != 0) continue;
    if (clock_gettime(clock, &used) == 0) sum += absl::DurationFromTimespec(used);
  }
  return sum / static_cast<double>(makers_.size());
}

void SchedulingPoints::Make(int processor, absl::Duration period) {
  // Without it there would be several on one processor and none on another.
  if (!StayOn(processor)) return;
  // Timers of this thread are otherwise up to 50 microseconds late, to be rung together.
  prctl(PR_SET_TIMERSLACK, 1UL);
  while (MayMake()) Nap(period);
}

// Waits until there is something to do. False: the end.
bool SchedulingPoints::MayMake() {
  const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_ending_ || (scopes_ > 0 && is_contended_);
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&has_news));
  return !is_ending_;
}

}  // namespace coterie::llm
