#pragma once

// From the node's one listener to all subscribers: live batches are filtered and encoded once on a
// thread of the hub's own, never on the apply thread; who is new or has fallen behind reads pages
// of history through the node until it has caught up. Pages and live batches come to the hub's
// thread through one inbox in the order in which the apply thread saw them: that is why a
// subscriber that goes live after its last page misses nothing and gets nothing twice.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "node/node.h"
#include "rpc/event_feed.h"
#include "runtime/inbox.h"
#include "state/event.h"

namespace coterie::rpc {

class EventHub {
 public:
  static constexpr std::size_t kFeedsMax = 10'000;
  static constexpr std::size_t kFeedsPerUserMax = 1'000;
  static constexpr std::size_t kFeedsPerSessionMax = 64;
  static constexpr std::size_t kReadingMax = 8;  // Pages being read at once.
  static constexpr std::size_t kLiveBatchesMax = 8'192;
  static constexpr std::size_t kLiveBytesMax = 64 << 20;

  explicit EventHub(node::Node& node);
  // Requires Stop().
  ~EventHub() = default;
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  void Start();
  // Ends all feeds with `why`; takes no new one.
  void EndAll(const absl::Status& why);
  // Joins the thread. The node must still be there.
  void Stop();

  // kResourceExhausted: too many, of the node, the user or the session. Any thread.
  absl::Status Add(const std::shared_ptr<EventFeed>& feed);
  void Remove(const std::shared_ptr<EventFeed>& feed);
  void Drained(const std::shared_ptr<EventFeed>& feed);
  std::size_t size() const { return size_.load(); }

 private:
  using Feed = std::shared_ptr<EventFeed>;
  // Which of a batch's events each of `users` may see.
  using Users = std::shared_ptr<const std::map<std::string, std::size_t>>;
  struct Live {
    state::EventBatch batch;
    Revision previous;  // Of the batch before: a gap says that some were dropped.
    Users users;
    std::vector<std::vector<bool>> visible;  // By the user's number, then by event.
    std::size_t bytes = 0;
  };
  struct Page {
    Feed feed;
    std::vector<state::EventBatch> batches;  // Only what the subscriber may see.
    std::set<DocId> documents;
    Revision up_to;
    bool is_last = false;
    absl::Status status;
  };
  struct Added {
    Feed feed;
  };
  struct Removed {
    Feed feed;
  };
  struct Empty {
    Feed feed;
  };
  struct EndedAll {
    absl::Status why;
  };
  using Input = std::variant<Live, Page, Added, Removed, Empty, EndedAll>;
  struct Encoded;

  // Apply thread.
  void Listen(const state::EventBatch& batch, const state::Machine& state);
  Users CurrentUsers();

  // The hub's thread.
  void Run();
  void Handle(Live& live);
  void Handle(Page& page);
  void Handle(const Added& added);
  void Handle(const Removed& removed);
  void Handle(const Empty& empty);
  void Handle(const EndedAll& ended);
  void Offer(EventFeed& feed, const Live& live, Encoded& encoded);
  void StartReading();
  void Read(const Feed& feed);
  void Tick();
  void CatchUp();

  node::Node& node_;
  runtime::Inbox<Input> inbox_;
  std::atomic<std::size_t> live_bytes_{0};
  std::atomic<std::size_t> size_{0};
  const EventFeed::QueuedOfAll queued_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::uint64_t listener_ = 0;
  std::jthread thread_;

  absl::Mutex mutex_;
  Users users_ ABSL_GUARDED_BY(mutex_);  // Null when somebody has come who is not in it.
  std::map<std::string, std::size_t> user_feeds_ ABSL_GUARDED_BY(mutex_);
  std::map<SessionId, std::size_t> session_feeds_ ABSL_GUARDED_BY(mutex_);
  bool is_ended_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<std::uint64_t> published_{0};  // Written by the apply thread.

  // --- The hub's thread ---
  std::map<EventFeed*, Feed> feeds_;
  std::deque<std::weak_ptr<EventFeed>> waiting_;
  std::size_t reading_ = 0;
  Revision handled_;
};

}  // namespace coterie::rpc
