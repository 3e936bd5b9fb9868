#include "rpc/work_threads.h"

#include <utility>

#include "base/check.h"

namespace coterie::rpc {

void WorkThreads::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  threads_.clear();
}

void WorkThreads::Start() {
  CHECK(threads_.empty());
  for (std::size_t i = 0; i < count_; ++i) threads_.emplace_back([this] { Run(); });
}

bool WorkThreads::TryRun(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (is_stopping_ || queue_.size() >= kQueuedMax) return false;
  queue_.push_back(std::move(work));
  return true;
}

void WorkThreads::Run() {
  for (;;) {
    absl::AnyInvocable<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this] {
        mutex_.AssertReaderHeld();
        return is_stopping_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&has_work));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace coterie::rpc
