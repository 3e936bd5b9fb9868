#pragma once

// What this node saw of elections and of its peers, as it happened, for people who look at the
// cluster: who leads, who asked for votes and who gave them, whom a leader no longer hears, how
// many appends went to each peer and were answered. Nothing here decides anything; the core is
// watched from outside, by what goes in and what comes out. Bounded, and forgotten with the
// process. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "io/clock.h"
#include "raft/configuration.h"
#include "raft/core.h"
#include "raft/effects.h"
#include "raft/entry.h"
#include "raft/message.h"

namespace coterie::node {

// This node plays another role, is in another term, or knows another leader.
struct OfficeChanged {
  raft::Role role = raft::Role::kFollower;
  NodeId leader;                // None if unknown.
  std::uint64_t silent_ms = 0;  // Since when the leader before, another node, was not heard of.
  friend bool operator==(const OfficeChanged&, const OfficeChanged&) = default;
};
// This node asks all others for their votes; its own it gives itself.
struct VoteAsked {
  raft::VoteKind kind = raft::VoteKind::kVote;
  friend bool operator==(const VoteAsked&, const VoteAsked&) = default;
};
// Seen by both: the voter when it answers, the candidate when that arrives. Equal then.
struct VoteAnswered {
  raft::VoteKind kind = raft::VoteKind::kVote;
  NodeId candidate;
  NodeId voter;
  bool is_granted = false;
  friend bool operator==(const VoteAnswered&, const VoteAnswered&) = default;
};
// This node leads, and that peer has not answered for an election timeout, or does so again.
struct ContactChanged {
  NodeId peer;
  bool is_heard = false;
  friend bool operator==(const ContactChanged&, const ContactChanged&) = default;
};
using HappeningBody = std::variant<OfficeChanged, VoteAsked, VoteAnswered, ContactChanged>;

struct Happening {
  std::uint64_t number = 0;   // 1, 2, ... in one life of the process.
  std::uint64_t time_ms = 0;  // Since 1970, by this node's clock.
  Term term;                  // Of a vote before the vote: the one that would be.
  HappeningBody body;
};

class Journal {
 public:
  static constexpr std::size_t kHappeningsMax = 128;
  static constexpr std::size_t kTermsMax = 64;
  static constexpr std::size_t kPeersMax = 4 * raft::kMembersMax;

  // `clock` outlives it.
  Journal(NodeId self, const io::Clock& clock) : self_(self), clock_(clock) {}
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // --- What the node tells it ---

  void NoteOffice(const raft::RoleChange& change);
  void NoteSent(const raft::Message& message);
  void NoteReceived(const raft::Message& message);
  // Anything at all came from `peer`.
  void NoteFrame(NodeId peer);
  // As a leader has it; empty elsewhere.
  void NoteContacts(const std::vector<raft::Core::PeerStatus>& peers, Term term);
  // Committed entries, in order. What comes first after a start or a jump says of itself alone.
  void NoteCommitted(std::span<const raft::EntryRef> entries);
  // The state as of this position was installed: what lies between is not known.
  void NoteJump(raft::LogPosition position);

  // --- Who looks ---

  // Happenings behind this number, oldest first; 0 = all that are kept.
  std::vector<Happening> After(std::uint64_t number) const;
  struct Traffic {
    NodeId peer;
    std::uint64_t appends_sent = 0;
    std::uint64_t appends_acknowledged = 0;
    std::uint64_t silent_us = 0;  // Since the last frame from there.
  };
  // With everybody who was sent or has sent anything.
  std::vector<Traffic> traffic() const;
  // How long role, term and leader have been what they are.
  std::uint64_t office_age_us() const;
  // The term of a committed entry; none if it is not known any more.
  Term TermAt(Index index) const;
  // Called (any thread) when something happened; must return at once. One; empty = none. When this
  // returns, the one before it is not called any more.
  void OnHappening(std::function<void()> listener);

 private:
  struct Lane {
    std::atomic<std::uint64_t> peer{0};  // 0 = free.
    std::atomic<std::uint64_t> appends_sent{0};
    std::atomic<std::uint64_t> appends_acknowledged{0};
    std::atomic<std::uint64_t> heard_us{0};
  };
  // Null when there are too many.
  Lane* LaneOf(NodeId peer);
  std::uint64_t SilentUs(const Lane& lane) const;
  enum class Repeated : std::uint8_t { kKept, kDropped };
  void Add(Term term, HappeningBody body, Repeated repeated);

  const NodeId self_;
  const io::Clock& clock_;
  std::array<Lane, kPeersMax> lanes_;
  std::atomic<std::uint64_t> office_since_us_{0};
  std::atomic<std::uint64_t> leader_{0};  // As of the last change.
  mutable absl::Mutex mutex_;
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Happening> happenings_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, bool> contacts_ ABSL_GUARDED_BY(mutex_);  // Whom a leader heard last time.
  // Where terms begin, ascending; what is before the first one is not known.
  std::deque<raft::LogPosition> terms_ ABSL_GUARDED_BY(mutex_);
  // Apart, so that a listener may ask After() while it runs.
  absl::Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace coterie::node
