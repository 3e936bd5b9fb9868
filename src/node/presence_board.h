#pragma once

// What every session does right now, as far as this node knows: its own sessions' activities and
// what the other nodes said of theirs. Best effort, newest wins, forgotten when a node has said
// nothing for 30 s. JOIN and LEAVE are not here: they are in the log. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "node/peer_codec.h"

namespace coterie::node {

class PresenceBoard {
 public:
  static constexpr std::uint64_t kForgetAfterUs = 30'000'000;
  static constexpr std::uint64_t kRepeatAfterUs = 10'000'000;

  // --- Streams on this node ---
  void StreamOpened(SessionId session);
  void StreamClosed(SessionId session);
  bool HasStreams(SessionId session) const;
  std::vector<SessionId> SessionsWithStreams() const;
  void SetActivity(const Presence& presence);

  // --- Other nodes ---
  void Receive(NodeId from, const Activities& activities, std::uint64_t now_us);
  // What to tell the others: empty unless something changed here or a repetition is due.
  std::optional<Activities> TakeAnnouncement(std::uint64_t now_us, std::uint64_t wall_ms);

  std::vector<Presence> All() const;

  std::uint64_t Listen(std::function<void()> listener);
  void Forget(std::uint64_t id);
  // Calls the listeners if anything changed since the last call.
  void NotifyIfChanged(std::uint64_t now_us);

 private:
  struct Remote {
    std::uint64_t sequence = 0;
    std::uint64_t heard_us = 0;
    std::vector<Presence> present;
  };

  mutable absl::Mutex mutex_;
  std::map<SessionId, std::uint64_t> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<SessionId, Presence> local_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, Remote> remote_ ABSL_GUARDED_BY(mutex_);
  bool is_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_unannounced_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t announced_us_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;

  // Apart, so that a listener may ask All() while it runs.
  mutable absl::Mutex listeners_mutex_;
  std::uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mutex_) = 1;
  std::map<std::uint64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
};

}  // namespace coterie::node
