#pragma once

// The sessions that exist, for checking tokens on any thread without asking the apply thread. A
// read model: written by the apply thread before the outcome that made it true is told to anybody,
// so a logout or a removed user takes effect at once on this node.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "state/machine.h"

namespace coterie::node {

class SessionDirectory {
 public:
  // Empty when there is no such session as of the last applied entry.
  std::optional<state::SessionView> Find(SessionId id) const {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return std::nullopt;
    return found->second;
  }
  // There is such a session, and it is not present.
  bool IsAbsent(SessionId id) const {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = sessions_.find(id);
    return found != sessions_.end() && found->second.attached.IsNone();
  }
  std::size_t size() const {
    absl::ReaderMutexLock lock(&mutex_);
    return sessions_.size();
  }

  // Apply thread.
  void Put(state::SessionView session) {
    absl::MutexLock lock(&mutex_);
    const SessionId id = session.id;
    sessions_.insert_or_assign(id, std::move(session));
  }
  void Remove(SessionId id) {
    absl::MutexLock lock(&mutex_);
    sessions_.erase(id);
  }
  void Replace(std::vector<state::SessionView> sessions) {
    absl::MutexLock lock(&mutex_);
    sessions_.clear();
    for (state::SessionView& session : sessions) {
      const SessionId id = session.id;
      sessions_.emplace(id, std::move(session));
    }
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<SessionId, state::SessionView> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::node
