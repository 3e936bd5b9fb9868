#pragma once

// One subscriber's events on their way out: what it may see, where it stands, and a bounded queue
// of encoded v1::SubscribeResponse. Filled by EventHub's thread, emptied by whoever writes to the
// client. The two halves are named below; what is guarded belongs to both.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "coterie/v1/documents.pb.h"
#include "rpc/call.h"
#include "rpc/to_proto.h"

namespace coterie::rpc {

class EventFeed {
 public:
  static constexpr std::size_t kQueuedMax = 1'024;
  static constexpr std::size_t kQueuedBytesMax = 1 << 20;
  // Of all feeds of a node. A message that several feeds hold counts for each of them.
  static constexpr std::size_t kQueuedBytesOfAllMax = 256 << 20;

  // Bytes that the feeds of a node hold together.
  using QueuedOfAll = std::shared_ptr<std::atomic<std::size_t>>;

  struct Options {
    Caller caller;
    Revision after;
    bool from_now = false;
    std::vector<v1::DocumentRef> documents;  // Empty = everything.
    Texts texts = Texts::kWith;
  };
  // `on_ready` runs on the hub's thread when there is something to take or the feed has ended.
  EventFeed(Options options, std::function<void()> on_ready)
      : options_(std::move(options)), on_ready_(std::move(on_ready)) {}
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  const Options& options() const { return options_; }

  // --- Who writes to the client; any thread ---

  struct Taken {
    std::optional<Blob> message;
    bool has_more = false;
    bool wants_page = false;  // Tell the hub that the queue is empty: EventHub::Drained().
    absl::Status ended;       // Not OK and no message: finish with this.
  };
  Taken Take();
  // Whoever is still writing is to give up.
  bool IsCutOff() const;

  // --- The hub's thread ---

  // Where it stands. kBehind: reads history when its queue is empty.
  enum class Mode : std::uint8_t { kBehind, kReading, kLive };
  Mode mode = Mode::kBehind;
  Revision position;  // Everything up to here was queued, or is not for this subscriber.
  bool is_started = false;
  std::set<DocId> documents;
  absl::Time marked_at;

  // Once, before the first TryPush: what it holds counts in `of_all`, too.
  void CountIn(QueuedOfAll of_all);
  // False when it does not fit here or in what all may hold: fall behind. An empty queue takes
  // anything.
  [[nodiscard]] bool TryPush(Revision revision, Blob message);
  void FallBehind();
  void End(absl::Status why);
  // For a client that does not take what waits for it: that is dropped, and so is what is being
  // written.
  void CutOff(const absl::Status& why);
  bool IsEmpty() const;
  Revision last_pushed() const { return last_pushed_; }
  // Since when the client has not taken what waits for it.
  bool IsStalled(absl::Time since) const;

 private:
  const Options options_;
  const std::function<void()> on_ready_;
  Revision last_pushed_;
  mutable absl::Mutex mutex_;
  std::deque<Blob> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  QueuedOfAll queued_of_all_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<std::atomic<std::size_t>>(0);
  bool is_behind_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time taken_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);
  bool is_cut_off_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace coterie::rpc
