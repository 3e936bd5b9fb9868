#pragma once

// All who have one document open on this node: brings what they write into the log, and what comes
// out of the log to all of them. Nothing is sent to anyone that is not committed. Owner: one shard;
// sockets of other shards are reached by posting to theirs.
//
//   member's update -> valid? new? may it? -> RoomWriter -> JointProposals -> log -> event -> all
//                                                        \-> outcome -> "saved" to the member
//
// Awareness goes from member to member and, as gossip, to the rooms of the same document on other
// nodes; never through the log.

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "crdt/state_vector.h"
#include "gateway/close_code.h"
#include "gateway/commit_lag.h"
#include "gateway/counters.h"
#include "gateway/gossip.h"
#include "gateway/joint_proposals.h"
#include "gateway/limits.h"
#include "gateway/room_content.h"
#include "gateway/room_directory.h"
#include "gateway/room_writer.h"
#include "gateway/shard.h"
#include "gateway/socket.h"
#include "node/node.h"
#include "rpc/call.h"
#include "state/event.h"
#include "state/machine.h"
#include "yproto/awareness.h"
#include "yproto/frame.h"

namespace coterie::gateway {

enum class Protocol : std::uint8_t { kYWebsocket, kHocuspocus };

// Tells y-websocket's clients, which know no such message, whether they may write: the awareness
// state {"coterie":{"readOnly":..,"lock":..}} of a client that no editor is.
inline constexpr std::uint64_t kStatusClient = 0;

// Of all who have the document open, on the apply thread.
std::vector<std::pair<std::string, state::DocumentRole>> RolesIn(const RoomDirectory& directory,
                                                                 DocId doc,
                                                                 const state::Machine& state);

class Room : public std::enable_shared_from_this<Room> {
 public:
  struct Options {
    node::Node& node;
    Shard& shard;
    Counters& counters;
    rpc::CallRates& rates;
    CommitLag& lag;  // The shard's.
    DocId doc;
    std::shared_ptr<RoomDirectory> directory;
    std::shared_ptr<RoomDirectory::Entry> entry;  // Its own: it hears, empty or not.
  };
  struct MemberOptions {
    std::uint64_t id = 0;  // Unique within the process.
    Protocol protocol = Protocol::kYWebsocket;
    std::shared_ptr<Socket> socket;
    Blob prefix;  // Before every message: the document's key, on Hocuspocus.
    rpc::Caller caller;
    state::DocumentRole role = state::DocumentRole::kNone;  // As of `revision`.
    Revision revision;
    ClientId client;  // Random.
    std::shared_ptr<RoomDirectory::Entry> entry;
  };
  explicit Room(const Options& options);
  ~Room();
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  // --- Members; room.cc ---
  void Join(MemberOptions member);
  void Leave(std::uint64_t member);
  // Keeps `credit` until what is in `payload` is settled.
  void OnSync(std::uint64_t member, yproto::SyncStep step, std::string payload,
              const Credit& credit);
  void OnAwareness(std::uint64_t member, std::string update);
  void OnQueryAwareness(std::uint64_t member);
  void OnStateless(std::uint64_t member, std::string_view payload);

  // --- What came of the log, in its order; room_events.cc ---
  struct Changed {
    Revision revision;
    Revision previous;
    Blob update;
    absl::Time heard_at;  // On the apply thread.
  };
  void Handle(const Changed& changed);
  void SetLock(const std::optional<state::LockView>& lock);
  using Roles = std::vector<std::pair<std::string, state::DocumentRole>>;
  void SetRoles(Revision revision, const Roles& roles);
  // Some were made or are gone, by this revision.
  void SuggestionsChanged(Revision revision);
  void Renamed(const std::string& name);
  // The draft of that user, or anybody's; room_drafts.cc.
  void DraftChanged(Revision revision, const std::string& user);
  void DraftsChanged(Revision revision);
  void Deleted();
  // Changes may have been missed: everybody is sent the whole.
  void Jumped();

  // --- The rest; room_awareness.cc ---
  void Receive(NodeId from, const RoomGossip& gossip);
  void ShowGuest(const yproto::AwarenessTable::Owned& guest);
  void Tick(absl::Time now);
  // All sockets are sent elsewhere.
  void CloseAll(CloseCode code, const std::string& reason);
  // Nobody has been here for a while.
  bool IsIdle(absl::Time now) const;
  std::size_t size() const { return members_.size(); }

 private:
  struct Member {
    MemberOptions options;
    std::shared_ptr<RoomWriter> writer;
    bool is_writable = true;     // As last told.
    bool has_refused = false;    // It has edits that the document does not have: asked for again.
    bool offers_drafts = false;  // It shows its user drafts, to be merged or not.
    bool has_asked = false;
    bool has_written = false;
    std::optional<crdt::StateVector> waits_with;  // For an answer, until it may have one.
    absl::Time answered_at = absl::InfinitePast();
    bool wants_awareness = false;  // All of it, as soon as it may have it.
    absl::Time awareness_sent_at = absl::InfinitePast();
    absl::Time denied_at = absl::InfinitePast();
  };
  struct Target {
    std::shared_ptr<Socket> socket;
    Blob prefix;
  };
  using Targets = std::shared_ptr<const std::vector<Target>>;
  struct Loaded {
    Blob update;
    Revision revision;
    std::string name;
    std::optional<state::LockView> lock;
    Revision applied;
    Roles roles;
    bool is_there = false;
  };

  // room.cc
  Member* Find(std::uint64_t id);
  void Update(Member& member, std::string payload, const Credit& credit);
  void Ask(Member& member, std::string_view payload);
  // An answer may cost a thousand times what its question does: nobody gets them faster than it
  // makes sense, and few are computed on the apply thread at once. Who asks meanwhile waits.
  void AnswerIfDue(Member& member, absl::Time now);
  void AnswerWaiting(absl::Time now);
  void Answer(Member& member, const crdt::StateVector& known);
  void AnswerFromState(Member& member, const crdt::StateVector& known);
  void OnSettled(std::uint64_t id, const RoomWriter::Settled& settled);
  void TellSettled(std::uint64_t id, const RoomWriter::Settled& settled);
  void Refuse(Member& member, std::size_t updates, const std::string& reason);
  void Acknowledge(const Member& member, std::size_t updates, bool is_saved) const;
  void Fail(Member& member, const std::string& reason);
  void SendTo(const Member& member, const Blob& body) const;
  void Publish(const Blob& body);
  void Expel(std::uint64_t id, CloseCode code, const std::string& reason);
  void Forget(std::uint64_t id);
  void NoteWriting(Member& member);

  // room_drafts.cc
  void KeepAsDraft(Member& member, std::string payload, const Credit& credit);
  void TellDraft(Member& member, const RoomWriter::Settled& settled);
  void MaybeAskAgain(Member& member);

  // room_publish.cc
  void SchedulePublish(absl::Time heard_at);
  void PublishChanges();

  // room_events.cc
  void Load();
  void OnLoaded(const Loaded& loaded);
  bool MayWrite(const Member& member) const;
  std::string WhyReadOnly(const Member& member) const;
  void TellRights(Member& member);
  void RefreshRights();
  std::string LockJson() const;
  void Notify(const std::string& json);
  Blob StatusFor(const Member& member) const;

  // room_awareness.cc
  void SendAwarenessIfDue(Member& member, absl::Time now);
  void Spread(const yproto::AwarenessOwner& owner, std::vector<yproto::AwarenessEntry> entries);
  void ScheduleFlush();
  void Flush();
  void SendGossip(RoomGossip gossip);

  const Options options_;
  const std::shared_ptr<JointProposals> joint_;
  std::map<std::uint64_t, Member> members_;
  std::map<Shard*, Targets> targets_;  // Of the members, by shard.
  bool are_targets_stale_ = false;

  RoomContent content_;
  bool is_loading_ = false;
  bool has_jumped_ = false;
  std::size_t answers_being_read_ = 0;  // By AnswerFromState().
  std::string name_;                    // As last heard; empty until it is loaded.
  std::optional<state::LockView> lock_;
  // Changes that are known and not sent yet, and what is said after them (room_publish.cc).
  std::vector<Blob> unpublished_;
  std::size_t unpublished_bytes_ = 0;
  std::vector<std::pair<std::uint64_t, RoomWriter::Settled>> unacknowledged_;
  bool is_publish_scheduled_ = false;
  absl::Duration pace_;  // Between two messages with changes.
  absl::Time published_at_ = absl::InfinitePast();
  WindowPace window_pace_;            // Of them, too.
  double allowance_ = kPublishBurst;  // Of messages with changes, as of allowed_at_.
  absl::Time allowed_at_ = absl::InfinitePast();

  // What was last told of each user, for who was on the way here when it was told.
  std::map<std::string, std::pair<Revision, state::DocumentRole>> roles_;
  std::uint64_t status_clock_ = 1;

  yproto::AwarenessTable awareness_;
  std::map<crdt::Client, yproto::AwarenessEntry> unsent_;
  std::map<crdt::Client, yproto::AwarenessTable::Owned> ungossiped_;
  bool is_flush_scheduled_ = false;
  absl::Time flushed_at_ = absl::InfinitePast();
  absl::Time announced_at_ = absl::InfinitePast();
  absl::Time status_told_at_ = absl::InfinitePast();
  absl::Time emptied_at_;
};

}  // namespace coterie::gateway
