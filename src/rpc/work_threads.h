#pragma once

// A few threads for work that blocks or takes long: comparing drafts, reading backups. No gRPC,
// apply or core thread may do that. First come, first served; where users take turns it is
// turn_threads.h. The queue is bounded; what does not fit is refused.

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

namespace coterie::rpc {

class WorkThreads {
 public:
  static constexpr std::size_t kQueuedMax = 64;

  explicit WorkThreads(std::size_t threads) : count_(threads) {}
  ~WorkThreads() { Stop(); }
  WorkThreads(const WorkThreads&) = delete;
  WorkThreads& operator=(const WorkThreads&) = delete;

  void Start();
  // Runs what is queued, then joins; nothing is taken on any more.
  void Stop();
  // False when too many wait: refuse the call. Any thread.
  [[nodiscard]] bool TryRun(absl::AnyInvocable<void()> work);

 private:
  void Run();

  const std::size_t count_;
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coterie::rpc
