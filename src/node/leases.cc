#include "node/leases.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "base/overload.h"

namespace coterie::node {
namespace {

constexpr std::uint64_t kMicrosPerMs = 1'000;
constexpr std::uint64_t kLifetimeCheckIntervalUs = 500'000;

}  // namespace

void Leases::Start(const state::Machine& state, std::uint64_t now_us) {
  is_running_ = true;
  lifetimes_checked_us_ = 0;
  sessions_.clear();
  locks_.clear();
  for (const state::SessionView& session : state.Sessions()) {
    TrackSession(state, session.id, now_us + grace_us_);
  }
  for (const state::LockView& lock : state.Locks()) TrackLock(lock, now_us + grace_us_);
}

void Leases::Stop() {
  is_running_ = false;
  sessions_.clear();
  locks_.clear();
}

void Leases::TrackSession(const state::Machine& state, SessionId id,
                          std::uint64_t deadline_base_us) {
  const std::optional<state::SessionView> session = state.FindSession(id);
  if (!session || session->attached.IsNone()) {
    sessions_.erase(id);
    return;
  }
  const std::uint64_t lease_us = session->lease_ms * kMicrosPerMs;
  sessions_[id] = {.attached = session->attached,
                   .lease_us = lease_us,
                   .deadline_us = deadline_base_us + lease_us};
}

void Leases::TrackLock(const state::LockView& lock, std::uint64_t deadline_base_us) {
  if (lock.ttl_ms == 0) {  // Bound to the session's lease, which has a timer of its own.
    locks_.erase(lock.doc);
    return;
  }
  locks_[lock.doc] = {.token = lock.token,
                      .renewed = lock.renewed,
                      .deadline_us = deadline_base_us + lock.ttl_ms * kMicrosPerMs};
}

void Leases::Observe(const state::EventBatch& batch, const state::Machine& state,
                     std::uint64_t now_us) {
  if (!is_running_) return;
  for (const state::Event& event : batch.events) {
    std::visit(
        Overload{[&](const state::Joined& joined) { TrackSession(state, joined.session, now_us); },
                 [&](const state::Left& left) { sessions_.erase(left.session); },
                 [&](const state::DocumentLocked& locked) { TrackLock(locked.lock, now_us); },
                 [&](const state::DocumentUnlocked& unlocked) { locks_.erase(unlocked.doc); },
                 [](const auto&) {}},
        event.body);
  }
}

void Leases::Renew(SessionId session, std::uint64_t now_us) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  found->second.deadline_us = now_us + found->second.lease_us;
}

std::vector<state::CommandBody> Leases::TakeExpired(const state::Machine& state,
                                                    std::uint64_t now_us, std::uint64_t wall_ms) {
  std::vector<state::CommandBody> expired;
  if (!is_running_) return expired;
  for (auto& [id, lease] : sessions_) {
    if (lease.deadline_us > now_us) continue;
    lease.deadline_us = now_us + grace_us_;
    expired.emplace_back(state::Leave{
        .session = id, .attached = lease.attached, .reason = state::LeaveReason::kLeaseExpired});
  }
  for (auto& [doc, lease] : locks_) {
    if (lease.deadline_us > now_us) continue;
    lease.deadline_us = now_us + grace_us_;
    expired.emplace_back(
        state::ExpireLock{.doc = doc, .token = lease.token, .renewed = lease.renewed});
  }
  if (now_us >= lifetimes_checked_us_ + kLifetimeCheckIntervalUs) {
    lifetimes_checked_us_ = now_us;
    // What the machine goes by: a session that it refuses must not linger because this leader's
    // wall clock is behind the one that stamped the log.
    wall_ms = std::max(wall_ms, state.time_ms());
    for (const state::SessionView& session : state.Sessions()) {
      if (session.expires_at_ms > wall_ms) continue;
      expired.emplace_back(state::ExpireSession{.session = session.id});
    }
  }
  return expired;
}

}  // namespace coterie::node
