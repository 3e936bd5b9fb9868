#pragma once

// The timers that only the leader runs: session leases, locks with a time to live, lifetimes of
// logins. A timer that runs out proposes; it never changes the state itself, and each proposal
// names the grant that it means, so that one from a leader that has lost office does nothing (etcd
// #15247). A new leader gives everybody their full time again, plus an election timeout.
// Safety never depends on these clocks; only how soon something ends does.
// Owner: the apply thread. Time is monotonic microseconds, handed in.

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "state/command.h"
#include "state/machine.h"

namespace coterie::node {

class Leases {
 public:
  explicit Leases(std::uint64_t election_timeout_us) : grace_us_(election_timeout_us) {}

  // This node has become the leader, with `state` applied; or has ceased to be.
  void Start(const state::Machine& state, std::uint64_t now_us);
  void Stop();
  bool IsRunning() const { return is_running_; }

  // After every applied command, while running. `state` may be ahead of it.
  void Observe(const state::ApplyResult& result, const state::Machine& state, std::uint64_t now_us);
  // The session had a stream somewhere then.
  void Renew(SessionId session, std::uint64_t at_us);
  // For so long this node has heard nobody: that is added to everything but the logins.
  void Extend(std::uint64_t pause_us);

  // What has run out and is to be proposed now. A proposal that gets lost is repeated after an
  // election timeout. `wall_ms` ends logins.
  std::vector<state::CommandBody> TakeExpired(const state::Machine& state, std::uint64_t now_us,
                                              std::uint64_t wall_ms);

 private:
  struct SessionLease {
    Revision attached;
    std::uint64_t lease_us = 0;
    std::uint64_t deadline_us = 0;
  };
  struct LockLease {
    FencingToken token;
    Revision renewed;
    std::uint64_t deadline_us = 0;
  };
  void TrackSession(const state::Machine& state, SessionId id, std::uint64_t deadline_base_us);
  void TrackLifetime(const state::SessionView& session);
  void ForgetSession(SessionId id);
  void TrackLock(const state::LockView& lock, std::uint64_t deadline_base_us);
  void TakeEnded(std::uint64_t now_us, std::vector<state::CommandBody>& expired);
  void TakeOutlived(std::uint64_t wall_ms, std::vector<state::CommandBody>& expired) const;

  const std::uint64_t grace_us_;
  bool is_running_ = false;
  std::uint64_t lifetimes_checked_us_ = 0;
  std::map<SessionId, SessionLease> sessions_;  // Those that are attached.
  std::map<DocId, LockLease> locks_;
  std::uint64_t earliest_us_ = 0;                     // No deadline of the two is before this.
  std::map<SessionId, std::uint64_t> expires_at_ms_;  // Of all logins.
  std::set<std::pair<std::uint64_t, SessionId>> lifetimes_;  // The same, the first to end first.
};

}  // namespace coterie::node
