#pragma once

// A bounded queue of values between threads: many producers, one consumer. A full inbox refuses,
// and what that means is the producer's to say. The consumer takes everything at once, so that a
// burst costs one lock and one wake-up. Any thread pushes; one thread pops.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstddef>
#include <deque>
#include <utility>

#include "base/check.h"

namespace coterie::runtime {

template <class T>
class Inbox {
 public:
  explicit Inbox(std::size_t capacity) : capacity_(capacity) { CHECK(capacity > 0); }

  // False when full or closed; `value` is then untouched.
  [[nodiscard]] bool TryPush(T&& value) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || values_.size() >= capacity_) return false;
    values_.push_back(std::move(value));
    return true;
  }

  // For producers whose number of outstanding values the consumer itself bounds (completions of its
  // own jobs): never refused for want of capacity. Dropped when closed.
  void Push(T&& value) {
    absl::MutexLock lock(&mutex_);
    if (!closed_) values_.push_back(std::move(value));
  }

  // Moves everything queued to the end of `out`. Returns whether there was anything.
  bool TakeAll(std::deque<T>& out) {
    absl::MutexLock lock(&mutex_);
    return TakeAllLocked(out);
  }

  // As TakeAll, but waits up to `timeout` for a first value or Close().
  bool WaitAndTakeAll(std::deque<T>& out, absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Inbox::IsReady), timeout);
    return TakeAllLocked(out);
  }

  // Refuses everything from now on and wakes the consumer; what is queued stays.
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  bool IsClosed() const {
    absl::MutexLock lock(&mutex_);
    return closed_;
  }
  std::size_t size() const {
    absl::MutexLock lock(&mutex_);
    return values_.size();
  }

 private:
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !values_.empty(); }
  bool TakeAllLocked(std::deque<T>& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (values_.empty()) return false;
    if (out.empty()) {
      out.swap(values_);
    } else {
      for (T& value : values_) out.push_back(std::move(value));
      values_.clear();
    }
    return true;
  }

  const std::size_t capacity_;
  mutable absl::Mutex mutex_;
  std::deque<T> values_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace coterie::runtime
