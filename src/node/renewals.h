#pragma once

// Which sessions have streams, and on which node, as far as the leader has heard: what the nodes
// said last and when it came. Written by who receives it, so that nobody's silence is an apply
// thread's that was busy. Any thread.
//
// A pause of the whole process is nobody's silence either: time that the core thread, which wakes
// with every tick, has not seen is added to whatever was noted before it.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace coterie::node {

class Renewals {
 public:
  // More than this between two ticks is a pause. A lease is a second at least and is renewed every
  // 300 ms: less does no harm.
  static constexpr std::uint64_t kPauseUsMin = 300'000;
  // For so long a node's word that a session has streams there holds: six renewals may be lost.
  static constexpr std::uint64_t kHeldUs = 2'000'000;

  // Core thread, at every tick and before what waited with it is looked at.
  void Tick(std::uint64_t now_us);
  // These have streams on `node`.
  void Note(NodeId node, const std::vector<SessionId>& sessions, std::uint64_t now_us);

  struct News {
    std::vector<std::pair<SessionId, std::uint64_t>> renewed;  // Each once, with when, in micros.
    std::uint64_t paused_us = 0;  // What all deadlines from before are to be moved by.
    // The core thread is awake, and so what is due now is due. Else ask again later.
    bool is_current = false;
  };
  // What came since the last call.
  News Take(std::uint64_t now_us);

  // Whether another node than `node` has said lately that the session has streams there; also if
  // this one has been asleep and cannot tell.
  bool IsHeldElsewhere(SessionId session, NodeId node, std::uint64_t now_us) const;

 private:
  struct Holder {
    NodeId node;
    std::uint64_t noted_us = 0;
  };
  struct Entry {
    std::vector<Holder> holders;  // At most one for each node.
    bool is_news = false;
  };
  bool IsAwake(std::uint64_t now_us) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(std::uint64_t now_us) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<SessionId, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<SessionId> news_ ABSL_GUARDED_BY(mutex_);  // Those with is_news.
  std::uint64_t ticked_us_ ABSL_GUARDED_BY(mutex_) = 0;  // 0 = never.
  std::uint64_t paused_us_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t forgotten_us_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace coterie::node
