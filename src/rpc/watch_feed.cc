#include "rpc/watch_feed.h"

namespace coterie::rpc {

WatchFeed::Taken WatchFeed::Take() {
  absl::MutexLock lock(&mutex_);
  Taken taken;
  if (queue_.empty()) {
    taken.ended = ended_;
    return taken;
  }
  taken.message = std::move(queue_.front());
  queue_.pop_front();
  return taken;
}

void WatchFeed::Offer(Blob news) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return;
    if (queue_.size() == kQueuedMax) {
      queue_.clear();
      wants_all_ = true;
      return;
    }
    queue_.push_back(std::move(news));
  }
  wants_all_ = false;
  on_ready_();
}

void WatchFeed::End(absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return;
    ended_ = std::move(why);
  }
  on_ready_();
}

}  // namespace coterie::rpc
