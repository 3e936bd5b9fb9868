#pragma once

// Remembers the first thread that asks and says whether a later caller is the same one: how a class
// with one owner thread asserts it. Detach() when ownership moves, for example from the thread that
// built an object to the one that runs it.

#include <atomic>
#include <thread>

namespace coterie::runtime {

class ThreadChecker {
 public:
  bool IsCurrent() const {
    const std::thread::id self = std::this_thread::get_id();
    std::thread::id expected{};
    return owner_.compare_exchange_strong(expected, self) || expected == self;
  }
  void Detach() { owner_.store(std::thread::id{}); }

 private:
  mutable std::atomic<std::thread::id> owner_{};
};

}  // namespace coterie::runtime
