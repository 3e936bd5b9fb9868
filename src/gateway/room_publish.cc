// What a room sends of the changes it hears: at once while there is time for it, several as one
// when there is not. A message costs a system call for each member, whatever is in it, so that this
// is what a busy node saves most with.
//
// In the long run a room sends no more messages with changes than a screen has frames. Beyond that,
// the measure is how long a change has waited for the room's thread, and how long the commits of
// this thread's rooms have waited (commit_lag.h): on an idle node that is nearly nothing and
// neither is the pause; on one that is late anyway, some more buys fewer messages.

#include <algorithm>
#include <string_view>

#include "crdt/merge.h"
#include "gateway/limits.h"
#include "gateway/room.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {
namespace {

// Of what a change waited for the thread, the pause that follows a message.
constexpr double kPausePerLag = 4;
// A lag that is ordinary.
constexpr absl::Duration kLagMin = absl::Milliseconds(1);
constexpr std::size_t kUnpublishedBytesMax = 64 << 10;

Blob FrameOf(std::string_view update) {
  return Blob(yproto::EncodeSync(yproto::SyncStep::kUpdate, update));
}

}  // namespace

void Room::SchedulePublish(absl::Time heard_at) {
  const absl::Time now = rpc::SteadyNow();
  const absl::Duration lag = now - heard_at;
  const absl::Duration wanted = lag < kLagMin ? absl::ZeroDuration() : lag * kPausePerLag;
  pace_ = std::min(kPublishPauseMax, (pace_ * 7 + wanted) / 8);
  if (unpublished_bytes_ > kUnpublishedBytesMax) return PublishChanges();
  if (std::exchange(is_publish_scheduled_, true)) return;
  const auto publish = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->is_publish_scheduled_ = false;
    self->PublishChanges();
  };
  allowance_ = std::min(kPublishBurst,
                        allowance_ + absl::ToDoubleSeconds(now - allowed_at_) * kPublishPerSecond);
  allowed_at_ = now;
  const absl::Duration frame = absl::Seconds(std::max(0.0, 1 - allowance_) / kPublishPerSecond);
  const absl::Duration window = window_pace_.Wait(options_.lag.Window(now), now);
  const absl::Duration pause = std::max({frame, window, published_at_ + pace_ - now});
  // Behind what has been posted already: changes that were committed together go together.
  if (pause <= absl::ZeroDuration()) return options_.shard.Post(publish);
  options_.shard.PostAfter(pause, publish);
}

void Room::PublishChanges() {
  if (unpublished_.empty()) return;
  const std::vector<Blob> changes = std::exchange(unpublished_, {});
  unpublished_bytes_ = 0;
  published_at_ = rpc::SteadyNow();
  window_pace_.Went(options_.lag.Window(published_at_), published_at_);
  allowance_ = std::max(0.0, allowance_ - 1);
  std::vector<std::string_view> updates;
  updates.reserve(changes.size());
  for (const Blob& change : changes) updates.push_back(change.view());
  const std::string merged = crdt::MergeUpdates(updates).update;
  if (!merged.empty()) updates = {merged};
  for (const std::string_view update : updates) {
    const Blob frame = FrameOf(update);
    content_.Append(frame);
    Publish(frame);
  }
  options_.counters.changes_published.Add(changes.size());
  for (const auto& [id, settled] : std::exchange(unacknowledged_, {})) TellSettled(id, settled);
  if (content_.is_full()) Load();
}

}  // namespace coterie::gateway
