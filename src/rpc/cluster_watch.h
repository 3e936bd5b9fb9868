#pragma once

// Shows the cluster live to whoever watches: while there is anybody, this node looks at itself
// several times a second, hears at once of what happens in its journal, and has a stream open to
// each other node, over which that tells the same of itself. So what is shown needs no majority,
// and nobody in particular: of nodes that say nothing it is told how long. While nobody watches it
// costs nothing but a sleeping thread. All of it happens on a thread of its own, never on the
// core or apply thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "node/node.h"
#include "rpc/call_times.h"
#include "rpc/cluster_view.h"
#include "rpc/node_channels.h"
#include "rpc/node_pace.h"
#include "rpc/watch_feed.h"
#include "runtime/inbox.h"

namespace coterie::rpc {

class ClusterWatch {
 public:
  // Of each scope: a user who watches much does not keep nodes from asking each other.
  static constexpr std::size_t kFeedsMax = 1'000;
  static constexpr std::size_t kFeedsPerUserMax = 64;
  static constexpr std::size_t kFeedsPerSessionMax = 16;
  static constexpr std::size_t kQuestionsMax = 1'024;

  // All outlive it. `subscriptions` says how many there are; any thread.
  ClusterWatch(node::Node& node, const CallTimes& calls, NodeChannels& channels,
               std::function<std::size_t()> subscriptions);
  // Requires Stop().
  ~ClusterWatch() = default;
  ClusterWatch(const ClusterWatch&) = delete;
  ClusterWatch& operator=(const ClusterWatch&) = delete;

  void Start();
  // Ends all feeds with `why`; takes no new one.
  void EndAll(const absl::Status& why);
  // Joins the thread and waits until no other node is asked any more. The node must still be there.
  void Stop();

  // kResourceExhausted: too many, of the node, the user or the session. Any thread.
  absl::Status Add(const std::shared_ptr<WatchFeed>& feed);
  void Remove(const std::shared_ptr<WatchFeed>& feed);

  // Who has said that it has everything up to `index`: when all voters have, or after `patience`.
  // `done` runs once, on the watch's thread, or on the caller's when too many ask. The others are
  // asked in the name of `authorization`.
  struct Durability {
    std::vector<NodeId> voters;
    std::vector<NodeId> holders;
  };
  struct Question {
    Index index;
    std::string authorization;
    absl::Duration patience;
    std::function<void(const Durability&)> done;
  };
  void Ask(Question question);

  // What the face for editors counts; none = there is no such face. When this returns, the one
  // before it is not read any more.
  void SetEditorCounters(std::optional<EditorCounters> counters);

  // Streams to other nodes that are open or being opened, for tests.
  std::size_t upstreams() const { return *upstreams_; }

 private:
  class Upstream;
  using Feed = std::shared_ptr<WatchFeed>;
  struct Added {
    Feed feed;
  };
  struct Removed {
    Feed feed;
  };
  struct Heard {
    NodeId node;
    std::shared_ptr<Upstream> upstream;
    v1::WatchClusterResponse word;
  };
  struct Ended {
    NodeId node;
    std::shared_ptr<Upstream> upstream;
    bool is_refused = false;  // For whom it was asked, and not because the node is gone.
    bool is_old = false;      // Its version does not know the question.
  };
  struct Happened {};
  struct EndedAll {
    absl::Status why;
  };
  using Input = std::variant<Added, Removed, Question, Heard, Ended, Happened, EndedAll>;
  struct Remote {
    std::shared_ptr<Upstream> upstream;  // Null between two tries.
    absl::Time dial_at;
    absl::Time heard;
  };
  struct OpenQuestion {
    Question question;
    absl::Time deadline;
  };
  // What was shown to the watchers of a scope last.
  struct Shown {
    std::uint64_t seen = 0;  // Happenings.
    std::string picture;     // Without what changes all the time.
    absl::Time at;
  };
  struct Places {
    std::size_t all = 0;
    std::map<std::string, std::size_t> of_user;
    std::map<SessionId, std::size_t> of_session;
  };

  void Run();
  void Handle(const Added& added);
  void Handle(const Removed& removed);
  void Handle(Question& question);
  void Handle(const Heard& heard);
  void Handle(const Ended& ended);
  void Handle(const Happened& happened);
  void Handle(const EndedAll& ended);
  bool IsWanted(absl::Time now) const;
  void Refresh(absl::Time now);
  void LookAtOwn(absl::Time now);
  void TendRemotes(absl::Time now);
  void Dial(const raft::Member& member, Remote& remote, absl::Time now);
  // In whose name the others are asked; empty if there is nobody.
  std::string Authorization() const;
  void AnswerQuestions(absl::Time now);
  void Show(WatchScope scope, absl::Time now);
  void EndStale(absl::Time now);
  void Rest();

  node::Node& node_;
  NodeChannels& channels_;
  const std::function<std::size_t()> subscriptions_;
  const std::uint64_t started_ms_;
  runtime::Inbox<Input> inbox_;
  std::atomic<bool> is_awake_{false};  // Somebody watches: what happens is worth waking up for.
  // Of this and of every upstream: the last one of those may outlive it.
  const std::shared_ptr<std::atomic<std::size_t>> upstreams_;
  std::jthread thread_;

  absl::Mutex mutex_;
  std::array<Places, 2> places_ ABSL_GUARDED_BY(mutex_);  // By WatchScope.
  bool is_ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex editors_mutex_;
  std::optional<EditorCounters> editors_ ABSL_GUARDED_BY(editors_mutex_);

  // --- The watch's thread ---
  ClusterView view_;
  NodePace pace_;
  std::map<WatchFeed*, Feed> feeds_;
  std::map<NodeId, Remote> remotes_;
  std::deque<OpenQuestion> questions_;
  std::string asked_in_name_of_;  // By the last question.
  absl::Time asked_until_;        // So long the others are asked for its sake.
  std::size_t refused_ = 0;       // Times that a name was no good: then it is another one's turn.
  std::uint64_t noted_ = 0;       // Of the journal.
  std::array<Shown, 2> shown_;    // By WatchScope.
  absl::Time checked_;            // The sessions.
  bool is_urgent_ = false;        // Something came that is not to wait for the next look.
};

}  // namespace coterie::rpc
