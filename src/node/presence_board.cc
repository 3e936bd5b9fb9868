#include "node/presence_board.h"

#include <algorithm>
#include <utility>

namespace coterie::node {

void PresenceBoard::StreamOpened(SessionId session) {
  absl::MutexLock lock(&mutex_);
  ++streams_[session];
}

void PresenceBoard::StreamClosed(SessionId session) {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(session);
  if (found == streams_.end() || --found->second > 0) return;
  streams_.erase(found);
  if (local_.erase(session) > 0) is_changed_ = is_unannounced_ = true;
}

bool PresenceBoard::HasStreams(SessionId session) const {
  absl::MutexLock lock(&mutex_);
  return streams_.contains(session);
}

std::vector<SessionId> PresenceBoard::SessionsWithStreams() const {
  absl::MutexLock lock(&mutex_);
  std::vector<SessionId> sessions;
  sessions.reserve(streams_.size());
  for (const auto& [session, count] : streams_) sessions.push_back(session);
  return sessions;
}

void PresenceBoard::SetActivity(const Presence& presence) {
  absl::MutexLock lock(&mutex_);
  if (!streams_.contains(presence.session)) return;
  Presence& known = local_[presence.session];
  if (known == presence) return;
  known = presence;
  is_changed_ = is_unannounced_ = true;
}

void PresenceBoard::Receive(NodeId from, const Activities& activities, std::uint64_t now_us) {
  absl::MutexLock lock(&mutex_);
  Remote& remote = remote_[from];
  if (activities.sequence <= remote.sequence) return;
  remote.sequence = activities.sequence;
  remote.heard_us = now_us;
  if (remote.present == activities.present) return;
  remote.present = activities.present;
  is_changed_ = true;
}

std::optional<Activities> PresenceBoard::TakeAnnouncement(std::uint64_t now_us,
                                                          std::uint64_t wall_ms) {
  absl::MutexLock lock(&mutex_);
  const bool is_repetition_due = !local_.empty() && now_us >= announced_us_ + kRepeatAfterUs;
  if (!is_unannounced_ && !is_repetition_due) return std::nullopt;
  is_unannounced_ = false;
  announced_us_ = now_us;
  // Time makes the sequence grow over restarts too; the counter makes it grow within a millisecond.
  sequence_ = std::max(sequence_ + 1, wall_ms);
  Activities activities{.sequence = sequence_, .present = {}};
  for (const auto& [session, presence] : local_) {
    if (activities.present.size() == kActivitiesPerFrameMax) break;
    activities.present.push_back(presence);
  }
  return activities;
}

std::vector<Presence> PresenceBoard::All() const {
  absl::MutexLock lock(&mutex_);
  std::map<SessionId, Presence> all;
  for (const auto& [node, remote] : remote_) {
    for (const Presence& presence : remote.present) all[presence.session] = presence;
  }
  for (const auto& [session, presence] : local_) all[session] = presence;
  std::vector<Presence> list;
  list.reserve(all.size());
  for (const auto& [session, presence] : all) list.push_back(presence);
  return list;
}

std::uint64_t PresenceBoard::Listen(std::function<void()> listener) {
  absl::MutexLock lock(&listeners_mutex_);
  const std::uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return id;
}

void PresenceBoard::Forget(std::uint64_t id) {
  absl::MutexLock lock(&listeners_mutex_);
  listeners_.erase(id);
}

void PresenceBoard::NotifyIfChanged(std::uint64_t now_us) {
  {
    absl::MutexLock lock(&mutex_);
    for (auto it = remote_.begin(); it != remote_.end();) {
      const auto current = it++;
      if (now_us < current->second.heard_us + kForgetAfterUs) continue;
      if (!current->second.present.empty()) is_changed_ = true;
      current->second.present.clear();  // The sequence stays: late repetitions are still old.
      current->second.heard_us = now_us;
    }
    if (!std::exchange(is_changed_, false)) return;
  }
  absl::MutexLock lock(&listeners_mutex_);
  for (const auto& [id, listener] : listeners_) listener();
}

}  // namespace coterie::node
