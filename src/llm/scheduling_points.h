#pragma once

// Makes every processor enter the kernel's scheduler often while the model computes and others wait
// for a processor.
//
// Whoever wakes a thread for another processor tells that one by an interrupt. On some virtual
// machines such an interrupt comes late while the other processor computes: when it next enters the
// kernel by itself, which is at a tick, up to 4 ms later, however low the priority of what computes
// there. A node on the same machine that wakes up for a packet or a sync waits that long at every
// step of a write. A timer of the processor's own is an entry, too: so a thread on each sleeps for
// one period after the other and does nothing else. That costs the model some hundredths of its
// time, so it is done only while the thread that computes has to wait for its processor itself, and
// not for these threads: which it has not when nobody else is there.

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <thread>
#include <vector>

namespace coterie::llm {

// Thread-safe.
class SchedulingPoints {
 public:
  // How long the thread that computes has been ready to run and has waited, since it began.
  using WaitedTime = absl::AnyInvocable<absl::Duration()>;

  // On every processor that this thread may use. A period of zero: none, ever.
  SchedulingPoints(absl::Duration period, WaitedTime waited_time);
  ~SchedulingPoints();
  SchedulingPoints(const SchedulingPoints&) = delete;
  SchedulingPoints& operator=(const SchedulingPoints&) = delete;

  // They are made while one of these lives. None may live at the end.
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
  // The thread that looks whether others wait.
  void Watch();
  // The threads that make the points.
  void Make(int processor, absl::Duration period);
  bool MayMake();
  // What these have used of a processor, on average. Of the watching thread.
  absl::Duration MakingTime();

  WaitedTime waited_time_;  // Of the watching thread.
  absl::Mutex mutex_;
  int scopes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_contended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> makers_;  // On a processor each; complete before the watcher begins.
  std::thread watcher_;
};

}  // namespace coterie::llm
