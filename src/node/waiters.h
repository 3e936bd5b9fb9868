#pragma once

// Who waits for what on this node: callers of Propose for an outcome, callers of Read for a state
// that is fresh enough. The one meeting point of the threads that ask, the core thread that refuses
// and the apply thread that answers; each waiter is answered exactly once, by whoever takes it out.
//
// A proposal that is safe to repeat (it has a session, a client and a sequence: the state machine
// drops a second one) is proposed again after a change of leader or a silence, so that a caller
// sees "late" instead of "failed". Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"

namespace coterie::node {

inline constexpr std::size_t kWaitersMax = 100'000;

template <class Payload>
class Waiters {
 public:
  // `first_id` must be unlike any of an earlier life of this process.
  explicit Waiters(std::uint64_t first_id) : next_id_(first_id) {}

  // Empty when there are too many.
  std::optional<std::uint64_t> Add(Payload payload) {
    absl::MutexLock lock(&mutex_);
    if (waiting_.size() >= kWaitersMax) return std::nullopt;
    const std::uint64_t id = next_id_++;
    waiting_.emplace(id, std::move(payload));
    return id;
  }

  // The payload, if nobody has taken it yet.
  std::optional<Payload> Take(std::uint64_t id) {
    absl::MutexLock lock(&mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return std::nullopt;
    Payload payload = std::move(found->second);
    waiting_.erase(found);
    return payload;
  }

  // Changes the payload in place, if nobody has taken it yet.
  template <class Change>
  void Update(std::uint64_t id, Change change) {
    absl::MutexLock lock(&mutex_);
    const auto found = waiting_.find(id);
    if (found != waiting_.end()) change(found->second);
  }

  // Takes all for which `predicate(id, payload)` is true; the predicate may change the others. In
  // the order of their ids, so that a simulated run does not depend on a hash.
  template <class Predicate>
  std::vector<Payload> TakeIf(Predicate predicate) {
    std::vector<Payload> taken;
    absl::MutexLock lock(&mutex_);
    std::vector<std::uint64_t> ids;
    ids.reserve(waiting_.size());
    for (const auto& [id, payload] : waiting_) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const std::uint64_t id : ids) {
      const auto found = waiting_.find(id);
      if (!predicate(id, found->second)) continue;
      taken.push_back(std::move(found->second));
      waiting_.erase(found);
    }
    return taken;
  }

  std::size_t size() const {
    absl::MutexLock lock(&mutex_);
    return waiting_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::uint64_t, Payload> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::node
