#pragma once

// One who watches the cluster: a short queue of encoded v1::WatchClusterResponse. Who is slow loses
// what waits and is given everything anew. Filled by ClusterWatch's thread, emptied by whoever
// writes to the client.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/blob.h"
#include "rpc/call.h"

namespace coterie::rpc {

// Of the whole cluster, or of the asked node alone: that is what nodes ask each other.
enum class WatchScope : std::uint8_t { kCluster, kNode };

class WatchFeed {
 public:
  static constexpr std::size_t kQueuedMax = 16;

  struct Options {
    Caller caller;
    std::string authorization;  // As it came, for asking other nodes in the caller's name.
    WatchScope scope = WatchScope::kCluster;
  };
  // `on_ready` runs on the watch's thread when there is something to take or the feed has ended.
  WatchFeed(Options options, std::function<void()> on_ready)
      : options_(std::move(options)), on_ready_(std::move(on_ready)) {}
  WatchFeed(const WatchFeed&) = delete;
  WatchFeed& operator=(const WatchFeed&) = delete;

  const Options& options() const { return options_; }

  // --- Who writes to the client; any thread ---

  struct Taken {
    std::optional<Blob> message;
    absl::Status ended;  // Not OK and no message: finish with this.
  };
  Taken Take();

  // --- The watch's thread ---

  // Whether it must be given everything and not only what is new: at first, and when some was lost.
  bool wants_all() const { return wants_all_; }
  // `news`: everything, if it wants that.
  void Offer(Blob news);
  void End(absl::Status why);

 private:
  const Options options_;
  const std::function<void()> on_ready_;
  bool wants_all_ = true;
  absl::Mutex mutex_;
  std::deque<Blob> queue_ ABSL_GUARDED_BY(mutex_);
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::rpc
