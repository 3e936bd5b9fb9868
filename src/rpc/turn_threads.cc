#include "rpc/turn_threads.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {

void TurnThreads::Start() {
  CHECK(threads_.empty());
  {
    absl::MutexLock lock(&mutex_);
    idle_ = options_.threads;
  }
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

void TurnThreads::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  threads_.clear();
}

TurnThreads::Taken TurnThreads::TryRun(Work work) {
  std::vector<Work> abandoned;  // Goes without the lock: it may own much.
  absl::MutexLock lock(&mutex_);
  if (is_stopping_) return Taken::kFull;
  abandoned = TakeAbandoned();
  if (waiting_ >= options_.waiting_max + std::min(idle_, waiting_)) return Taken::kFull;
  User& user = users_[work.user];
  if (user.waiting.size() >= options_.waiting_per_user_max + AboutToRun(user)) {
    return Taken::kUserHasEnough;
  }
  if (user.waiting.empty()) round_.push_back(work.user);
  user.waiting.push_back({.work = std::move(work)});
  ++waiting_;
  TellPlaces();
  return Taken::kYes;
}

std::size_t TurnThreads::AboutToRun(const User& user) const {
  return std::min({idle_, user.waiting.size(), options_.running_per_user_max - user.running});
}

std::vector<TurnThreads::Work> TurnThreads::TakeAbandoned() {
  std::vector<Work> abandoned;
  for (auto at = round_.begin(); at != round_.end();) {
    const std::string name = *at;
    std::deque<Waiting>& waiting = users_.at(name).waiting;
    const auto gone =
        std::stable_partition(waiting.begin(), waiting.end(),
                              [](const Waiting& each) { return !each.work.is_abandoned(); });
    for (auto each = gone; each != waiting.end(); ++each) {
      abandoned.push_back(std::move(each->work));
    }
    waiting.erase(gone, waiting.end());
    at = waiting.empty() ? round_.erase(at) : std::next(at);
    ForgetIfIdle(name);
  }
  CHECK(waiting_ >= abandoned.size());
  waiting_ -= abandoned.size();
  return abandoned;
}

void TurnThreads::ForgetIfIdle(const std::string& name) {
  const auto found = users_.find(name);
  if (found->second.running == 0 && found->second.waiting.empty()) users_.erase(found);
}

bool TurnThreads::HasNext() const {
  return std::any_of(round_.begin(), round_.end(), [this](const std::string& name) {
    mutex_.AssertHeld();
    return users_.at(name).running < options_.running_per_user_max;
  });
}

void TurnThreads::TellPlaces() {
  std::size_t place = 0;
  std::size_t left = waiting_;
  std::size_t idle = idle_;
  for (std::size_t turn = 0; left > 0; ++turn) {
    for (const std::string& name : round_) {
      User& user = users_.at(name);
      if (turn >= user.waiting.size()) continue;
      --left;
      // What an idle thread is about to take has no place.
      const bool runs = idle > 0 && user.running + turn < options_.running_per_user_max;
      if (runs) {
        --idle;
        continue;
      }
      Waiting& each = user.waiting[turn];
      ++place;
      if (std::exchange(each.told_place, place) == place || !each.work.on_place) continue;
      each.work.on_place(place);
    }
  }
}

std::optional<TurnThreads::Work> TurnThreads::TakeNext() {
  for (auto at = round_.begin(); at != round_.end(); ++at) {
    User& user = users_.at(*at);
    if (user.running >= options_.running_per_user_max) continue;
    Work work = std::move(user.waiting.front().work);
    user.waiting.pop_front();
    --waiting_;
    --idle_;
    ++user.running;
    if (user.waiting.empty()) {
      round_.erase(at);
    } else {
      round_.splice(round_.end(), round_, at);
    }
    TellPlaces();
    return work;
  }
  return std::nullopt;
}

void TurnThreads::Run() {
  for (;;) {
    std::optional<Work> work;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this] {
        mutex_.AssertHeld();
        return is_stopping_ || HasNext();
      };
      mutex_.Await(absl::Condition(&has_work));
      work = TakeNext();
      // What still waits is behind its user's own, whose threads come back for it.
      if (!work) return;
    }
    if (!work->is_abandoned()) work->run();
    work->run = nullptr;
    absl::MutexLock lock(&mutex_);
    ++idle_;
    --users_.at(work->user).running;
    ForgetIfIdle(work->user);
  }
}

}  // namespace coterie::rpc
