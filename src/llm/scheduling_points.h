#pragma once

// Makes every processor enter the kernel's scheduler often while the model computes.
//
// Whoever wakes a thread for another processor tells that one by an interrupt. On some virtual
// machines such an interrupt comes late while the other processor computes: when it next enters the
// kernel by itself, which is at a tick, up to 4 ms later, however low the priority of what computes
// there. A node on the same machine that wakes up for a packet or a sync waits that long at every
// step of a write. A timer of the processor's own is an entry, too: so a thread on each sleeps for
// one period after the other and does nothing else. Where interrupts come at once this changes
// nothing and costs little.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <thread>
#include <vector>

namespace coterie::llm {

// Thread-safe.
class SchedulingPoints {
 public:
  // On every processor that this thread may use. A period of zero: none, ever.
  explicit SchedulingPoints(absl::Duration period);
  ~SchedulingPoints();
  SchedulingPoints(const SchedulingPoints&) = delete;
  SchedulingPoints& operator=(const SchedulingPoints&) = delete;

  // They are made while one of these lives; in between the threads sleep.
  class Scope {
   public:
    explicit Scope(SchedulingPoints& points) : points_(points) { points_.Add(1); }
    ~Scope() { points_.Add(-1); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    SchedulingPoints& points_;
  };

 private:
  void Add(int scopes);
  void Run(int processor, absl::Duration period);
  // Waits until a scope lives. False: the end.
  bool AwaitScope();

  std::atomic<int> scopes_ = 0;
  absl::Mutex mutex_;
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace coterie::llm
