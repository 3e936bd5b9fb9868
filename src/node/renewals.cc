#include "node/renewals.h"

#include <algorithm>

#include "base/check.h"

namespace coterie::node {

bool Renewals::IsAwake(std::uint64_t now_us) const { return now_us < ticked_us_ + kPauseUsMin; }

void Renewals::Tick(std::uint64_t now_us) {
  absl::MutexLock lock(&mutex_);
  const std::uint64_t ticked_us = std::exchange(ticked_us_, std::max(ticked_us_, now_us));
  if (ticked_us == 0 || now_us < ticked_us + kPauseUsMin) return;
  const std::uint64_t pause_us = now_us - ticked_us;
  paused_us_ += pause_us;
  for (auto& [session, entry] : entries_) {
    // Some may have come before this thread woke up: no later than now.
    for (Holder& holder : entry.holders) {
      holder.noted_us = std::min(holder.noted_us + pause_us, now_us);
    }
  }
}

void Renewals::Note(NodeId node, const std::vector<SessionId>& sessions, std::uint64_t now_us) {
  absl::MutexLock lock(&mutex_);
  for (const SessionId session : sessions) {
    Entry& entry = entries_[session];
    const auto known = std::ranges::find(entry.holders, node, &Holder::node);
    if (known != entry.holders.end()) {
      known->noted_us = now_us;
    } else {
      entry.holders.push_back({.node = node, .noted_us = now_us});
    }
    if (!std::exchange(entry.is_news, true)) news_.push_back(session);
  }
}

Renewals::News Renewals::Take(std::uint64_t now_us) {
  absl::MutexLock lock(&mutex_);
  News news{.paused_us = std::exchange(paused_us_, 0), .is_current = IsAwake(now_us)};
  news.renewed.reserve(news_.size());
  for (const SessionId session : news_) {
    Entry& entry = entries_[session];
    CHECK(entry.is_news && !entry.holders.empty());
    entry.is_news = false;
    const auto newest = std::ranges::max_element(entry.holders, {}, &Holder::noted_us);
    news.renewed.emplace_back(session, newest->noted_us);
  }
  news_.clear();
  Forget(now_us);
  return news;
}

// What is too old to hold anything, now and then.
void Renewals::Forget(std::uint64_t now_us) {
  if (now_us < forgotten_us_ + kHeldUs || !IsAwake(now_us)) return;
  forgotten_us_ = now_us;
  CHECK(news_.empty());
  absl::erase_if(entries_, [now_us](auto& entry) {
    std::erase_if(entry.second.holders,
                  [now_us](const Holder& holder) { return now_us >= holder.noted_us + kHeldUs; });
    return entry.second.holders.empty();
  });
}

bool Renewals::IsHeldElsewhere(SessionId session, NodeId node, std::uint64_t now_us) const {
  absl::MutexLock lock(&mutex_);
  if (!IsAwake(now_us)) return true;
  const auto found = entries_.find(session);
  if (found == entries_.end()) return false;
  return std::ranges::any_of(found->second.holders, [&](const Holder& holder) {
    return holder.node != node && now_us < holder.noted_us + kHeldUs;
  });
}

}  // namespace coterie::node
