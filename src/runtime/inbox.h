#pragma once

// A bounded queue of values between threads: many producers, one consumer. A full inbox refuses,
// and what that means is the producer's to say. The consumer takes everything at once, so that a
// burst costs one lock and one wake-up. Any thread pushes; one thread pops.

#include <absl/time/time.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace coterie::runtime {

template <class T>
class Inbox {
 public:
  explicit Inbox(std::size_t capacity) : capacity_(capacity) { CHECK(capacity > 0); }

  // False when full or closed; `value` is then untouched.
  [[nodiscard]] bool TryPush(T&& value) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || values_.size() >= capacity_) return false;
      values_.push_back(std::move(value));
      if (std::exchange(has_news_, true)) return true;
    }
    filled_or_closed_.notify_one();  // Not before: who wakes would find the lock taken.
    return true;
  }

  // For producers whose number of outstanding values the consumer itself bounds (completions of its
  // own jobs): never refused for want of capacity. Dropped when closed.
  void Push(T&& value) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      values_.push_back(std::move(value));
      if (std::exchange(has_news_, true)) return;
    }
    filled_or_closed_.notify_one();
  }

  // As Push, but leaves the consumer asleep: it finds the value when something else wakes it, or
  // its wait is over.
  void PushQuietly(T&& value) {
    const std::lock_guard lock(mutex_);
    if (!closed_) values_.push_back(std::move(value));
  }
  // Ends the consumer's wait if there is anything.
  void Wake() {
    {
      const std::lock_guard lock(mutex_);
      if (values_.empty() || std::exchange(has_news_, true)) return;
    }
    filled_or_closed_.notify_one();
  }

  // Moves everything queued to the end of `out`. Returns whether there was anything.
  bool TakeAll(std::deque<T>& out) {
    const std::lock_guard lock(mutex_);
    return TakeAllLocked(out);
  }

  // As TakeAll, but waits up to `timeout` for a first value or Close().
  bool WaitAndTakeAll(std::deque<T>& out, absl::Duration timeout) {
    std::unique_lock lock(mutex_);
    // Waiting for no time at all is a system call too.
    if (timeout > absl::ZeroDuration() && values_.empty() && !closed_) {
      filled_or_closed_.wait_for(lock, absl::ToChronoNanoseconds(timeout),
                                 [this] { return closed_ || has_news_; });
    }
    return TakeAllLocked(out);
  }

  // Refuses everything from now on and wakes the consumer; what is queued stays.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    filled_or_closed_.notify_all();
  }
  bool IsClosed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  // Whether the consumer would be awake: there is more than what was pushed quietly.
  bool HasNews() const {
    const std::lock_guard lock(mutex_);
    return has_news_;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  bool TakeAllLocked(std::deque<T>& out) {
    has_news_ = false;
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
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable filled_or_closed_;
  std::deque<T> values_;
  bool has_news_ = false;  // Some value is a reason to be woken, or has been one.
  bool closed_ = false;
};

}  // namespace coterie::runtime
