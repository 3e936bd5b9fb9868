#include "node/leases.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>

#include "base/overload.h"

namespace coterie::node {
namespace {

constexpr std::uint64_t kMicrosPerMs = 1'000;
constexpr std::uint64_t kLifetimeCheckIntervalUs = 500'000;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void Leases::Start(const state::Machine& state, std::uint64_t now_us) {
  Stop();
  is_running_ = true;
  for (const state::SessionView& session : state.Sessions()) {
    TrackSession(state, session.id, now_us + grace_us_);
  }
  for (const state::LockView& lock : state.Locks()) TrackLock(lock, now_us + grace_us_);
}

void Leases::Stop() {
  is_running_ = false;
  lifetimes_checked_us_ = 0;
  sessions_.clear();
  locks_.clear();
  earliest_us_ = kNever;
  expires_at_ms_.clear();
  lifetimes_.clear();
}

void Leases::TrackSession(const state::Machine& state, SessionId id,
                          std::uint64_t deadline_base_us) {
  const std::optional<state::SessionView> session = state.FindSession(id);
  if (!session) return ForgetSession(id);
  TrackLifetime(*session);
  if (session->attached.IsNone()) {
    sessions_.erase(id);
    return;
  }
  const std::uint64_t lease_us = session->lease_ms * kMicrosPerMs;
  const auto known = sessions_.find(id);
  if (known != sessions_.end() && known->second.attached == session->attached &&
      known->second.lease_us == lease_us) {
    return;  // Something else of it has changed.
  }
  sessions_[id] = {.attached = session->attached,
                   .lease_us = lease_us,
                   .deadline_us = deadline_base_us + lease_us};
  earliest_us_ = std::min(earliest_us_, deadline_base_us + lease_us);
}

void Leases::TrackLifetime(const state::SessionView& session) {
  if (!expires_at_ms_.emplace(session.id, session.expires_at_ms).second) return;
  lifetimes_.emplace(session.expires_at_ms, session.id);
}

void Leases::ForgetSession(SessionId id) {
  sessions_.erase(id);
  const auto found = expires_at_ms_.find(id);
  if (found == expires_at_ms_.end()) return;
  lifetimes_.erase({found->second, id});
  expires_at_ms_.erase(found);
}

void Leases::TrackLock(const state::LockView& lock, std::uint64_t deadline_base_us) {
  if (lock.ttl_ms == 0) {  // Bound to the session's lease, which has a timer of its own.
    locks_.erase(lock.doc);
    return;
  }
  const std::uint64_t deadline_us = deadline_base_us + lock.ttl_ms * kMicrosPerMs;
  locks_[lock.doc] = {.token = lock.token, .renewed = lock.renewed, .deadline_us = deadline_us};
  earliest_us_ = std::min(earliest_us_, deadline_us);
}

void Leases::Observe(const state::ApplyResult& result, const state::Machine& state,
                     std::uint64_t now_us) {
  if (!is_running_) return;
  // Not by JOIN and LEAVE: a lease that changes meanwhile is no event.
  for (const SessionId session : result.sessions) TrackSession(state, session, now_us);
  if (!result.events) return;
  for (const state::Event& event : result.events->events) {
    std::visit(
        Overload{[&](const state::DocumentLocked& locked) { TrackLock(locked.lock, now_us); },
                 [&](const state::DocumentUnlocked& unlocked) { locks_.erase(unlocked.doc); },
                 [](const auto&) {}},
        event.body);
  }
}

void Leases::Renew(SessionId session, std::uint64_t at_us) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  // It may have come before this node's office, or before what has given it its time since.
  SessionLease& lease = found->second;
  lease.deadline_us = std::max(lease.deadline_us, at_us + lease.lease_us);
}

void Leases::Extend(std::uint64_t pause_us) {
  for (auto& [id, lease] : sessions_) lease.deadline_us += pause_us;
  for (auto& [doc, lease] : locks_) lease.deadline_us += pause_us;
}

std::vector<state::CommandBody> Leases::TakeExpired(const state::Machine& state,
                                                    std::uint64_t now_us, std::uint64_t wall_ms) {
  std::vector<state::CommandBody> expired;
  if (!is_running_) return expired;
  if (now_us >= earliest_us_) TakeEnded(now_us, expired);
  if (now_us >= lifetimes_checked_us_ + kLifetimeCheckIntervalUs) {
    lifetimes_checked_us_ = now_us;
    // What the machine goes by: a session that it refuses must not linger because this leader's
    // wall clock is behind the one that stamped the log.
    TakeOutlived(std::max(wall_ms, state.time_ms()), expired);
  }
  return expired;
}

// Most are renewed long before their time: looked through only when one may have run out.
void Leases::TakeEnded(std::uint64_t now_us, std::vector<state::CommandBody>& expired) {
  earliest_us_ = kNever;
  for (auto& [id, lease] : sessions_) {
    if (lease.deadline_us <= now_us) {
      lease.deadline_us = now_us + grace_us_;
      expired.emplace_back(state::Leave{
          .session = id, .attached = lease.attached, .reason = state::LeaveReason::kLeaseExpired});
    }
    earliest_us_ = std::min(earliest_us_, lease.deadline_us);
  }
  for (auto& [doc, lease] : locks_) {
    if (lease.deadline_us <= now_us) {
      lease.deadline_us = now_us + grace_us_;
      expired.emplace_back(
          state::ExpireLock{.doc = doc, .token = lease.token, .renewed = lease.renewed});
    }
    earliest_us_ = std::min(earliest_us_, lease.deadline_us);
  }
}

void Leases::TakeOutlived(std::uint64_t wall_ms, std::vector<state::CommandBody>& expired) const {
  for (const auto& [expires_at_ms, session] : lifetimes_) {
    if (expires_at_ms > wall_ms) return;
    expired.emplace_back(state::ExpireSession{.session = session});
  }
}

}  // namespace coterie::node
