#include "rpc/event_feed.h"

#include <utility>

#include "rpc/steady_time.h"

namespace coterie::rpc {

EventFeed::~EventFeed() {
  absl::MutexLock lock(&mutex_);
  queued_of_all_->fetch_sub(queued_bytes_);
}

void EventFeed::CountIn(QueuedOfAll of_all) {
  absl::MutexLock lock(&mutex_);
  queued_of_all_ = std::move(of_all);
}

EventFeed::Taken EventFeed::Take() {
  absl::MutexLock lock(&mutex_);
  Taken taken;
  taken_at_ = SteadyNow();
  if (queue_.empty()) {
    taken.ended = ended_;
    taken.wants_page = ended_.ok() && std::exchange(is_behind_, false);
    return taken;
  }
  taken.message = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= taken.message->size_bytes();
  queued_of_all_->fetch_sub(taken.message->size_bytes());
  taken.has_more = !queue_.empty();
  return taken;
}

bool EventFeed::TryPush(Revision revision, Blob message) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return true;
    const std::size_t bytes = message.size_bytes();
    const bool is_full = queue_.size() >= kQueuedMax || queued_bytes_ + bytes > kQueuedBytesMax ||
                         queued_of_all_->load() + bytes > kQueuedBytesOfAllMax;
    if (is_full && !queue_.empty()) return false;
    if (queue_.empty()) taken_at_ = SteadyNow();
    queued_bytes_ += bytes;
    queued_of_all_->fetch_add(bytes);
    queue_.push_back(std::move(message));
  }
  last_pushed_ = revision;
  on_ready_();
  return true;
}

void EventFeed::FallBehind() {
  mode = Mode::kBehind;
  {
    absl::MutexLock lock(&mutex_);
    if (queue_.empty() && !is_behind_) taken_at_ = SteadyNow();
    is_behind_ = true;
  }
  on_ready_();
}

void EventFeed::End(absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return;
    ended_ = std::move(why);
  }
  on_ready_();
}

void EventFeed::CutOff(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(is_cut_off_, true)) return;
    queue_.clear();
    queued_of_all_->fetch_sub(std::exchange(queued_bytes_, 0));
    if (ended_.ok()) ended_ = why;
  }
  on_ready_();
}

bool EventFeed::IsCutOff() const {
  absl::MutexLock lock(&mutex_);
  return is_cut_off_;
}

bool EventFeed::IsEmpty() const {
  absl::MutexLock lock(&mutex_);
  return queue_.empty();
}

bool EventFeed::IsStalled(absl::Time since) const {
  absl::MutexLock lock(&mutex_);
  // Who is behind takes a page when it has written the last one: with one in flight nothing is
  // queued.
  return (!queue_.empty() || is_behind_) && taken_at_ < since;
}

}  // namespace coterie::rpc
