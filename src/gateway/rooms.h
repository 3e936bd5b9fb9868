#pragma once

// All rooms of this node, each on the shard that its document's number chooses, and their one ear
// at the log. Opens documents for members: who may see it and as what is asked on the apply thread,
// where the member is entered in the directory at the same moment.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "gateway/commit_lag.h"
#include "gateway/counters.h"
#include "gateway/room.h"
#include "gateway/room_directory.h"
#include "gateway/shard.h"
#include "rpc/guest.h"
#include "rpc/node_calls.h"
#include "runtime/inbox.h"

namespace coterie::gateway {

enum class IfMissing : std::uint8_t { kFail, kCreate };

class Rooms {
 public:
  // Shards are started and stopped by their owner; all of these outlive the rooms.
  // `event_bytes_max`: see kEventBytesMax.
  Rooms(const rpc::NodeCalls& calls, std::vector<Shard*> shards, Counters& counters,
        std::size_t event_bytes_max);
  // Requires Stop(), stopped shards, and that the node is gone.
  ~Rooms() = default;
  Rooms(const Rooms&) = delete;
  Rooms& operator=(const Rooms&) = delete;

  void Start();
  // Hears nothing any more. The node must still be there.
  void Stop();
  // Sends all members elsewhere.
  void CloseAll(CloseCode code, const std::string& reason);

  // --- For sessions; any thread ---

  struct Opened {
    DocId doc;
    state::DocumentRole role = state::DocumentRole::kNone;
    Revision revision;  // That it was read at.
    std::shared_ptr<RoomDirectory::Entry> entry;
  };
  // kNotFound also for what the caller may not see. `done` runs once, on any thread.
  using Done = std::function<void(absl::StatusOr<Opened>)>;
  void Open(const rpc::Caller& caller, const std::string& name, IfMissing if_missing, Done done);
  std::uint64_t NextMemberId() { return next_member_.fetch_add(1); }
  ClientId RandomClient();

  void Join(DocId doc, Room::MemberOptions member);
  // Shows a guest's cursor to all who have the document open, on any node, or takes it away.
  void Show(const rpc::Guest& guest);
  // Runs `work` on the room, if it is still there.
  void With(DocId doc, std::function<void(Room&)> work);

  Counters& counters() { return counters_; }

 private:
  // One shard's rooms; touched on that shard alone.
  using RoomMap = std::map<DocId, std::shared_ptr<Room>>;
  std::size_t ShardOf(DocId doc) const;
  Room* FindRoom(DocId doc);

  void Resolve(const rpc::Caller& caller, const std::string& name, IfMissing if_missing, Done done);
  void Create(const rpc::Caller& caller, const std::string& name, Done done);
  void Attach(const rpc::Caller& caller);

  // Apply thread.
  void Listen(const state::EventBatch& batch, const state::Machine& state);
  void Hear(const state::EventBatch& batch, const state::Event& event, const state::Machine& state);
  void JoinAgain(SessionId session);
  void TellRoles(DocId doc, const state::Machine& state);
  void OnGossip(NodeId from, std::string_view bytes);
  // The shard's thread.
  void Tick(std::size_t shard);

  const rpc::NodeCalls& calls_;
  const std::vector<Shard*> shards_;
  Counters& counters_;
  const std::size_t event_bytes_max_;
  const std::shared_ptr<RoomDirectory> directory_;
  std::vector<CommitLag> lags_;  // By shard, as what follows.
  std::vector<RoomMap> rooms_;
  std::uint64_t listener_ = 0;
  std::atomic<bool> is_stopped_{false};
  std::atomic<std::uint64_t> next_member_{1};
  std::atomic<std::size_t> event_bytes_{0};
  std::atomic<std::size_t> gossip_on_its_way_{0};
  std::atomic<bool> has_lost_{false};  // Events were dropped: every room is to look again.
  absl::Mutex random_mutex_;
  Prng random_ ABSL_GUARDED_BY(random_mutex_);
};

}  // namespace coterie::gateway
