#pragma once

// Who is in a document and where their cursors are: one state per Yjs client, the newest wins, kept
// as the JSON that editors exchange. The table holds a room's, from its own sockets and from other
// nodes. Every client id has one owner, who alone may speak for it: whoever was there first, until
// it is gone; a session may take over its own. Time is handed in. One owner thread.
// Source: y-protocols 1.0.7, awareness.js.
//
//   update := n:varUint (client:varUint clock:varUint state:string)*     state: JSON, or "null"
//
// A state is accepted if its clock is above the known one (unknown counts as 0), or equal and the
// state is null. The clock of who has gone is remembered for a while.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "crdt/id.h"
#include "crdt/lib0.h"

namespace coterie::yproto {

inline constexpr std::size_t kAwarenessBytesMax = 64 << 10;  // One update.
inline constexpr std::uint64_t kEntriesPerUpdateMax = 1'024;
inline constexpr std::size_t kClientsPerMemberMax = 4;
// In one table, with those that have gone; when it is full, these are forgotten early.
inline constexpr std::size_t kClientsMax = 4'096;
// Editors renew theirs every 15 s; who does not has gone.
inline constexpr std::uint64_t kSilentMsMax = 30'000;
inline constexpr std::uint64_t kGoneMsMax = 60'000;

struct AwarenessEntry {
  crdt::Client client;
  std::uint64_t clock = 0;
  std::string state;  // JSON; "null" = gone.

  bool is_gone() const { return state == "null"; }
  friend bool operator==(const AwarenessEntry&, const AwarenessEntry&) = default;
};

crdt::Malformed DecodeAwareness(std::string_view update, std::vector<AwarenessEntry>& entries);
std::string EncodeAwarenessUpdate(const std::vector<AwarenessEntry>& entries);

// Whose states they are: a socket of this node, or another node. Never both.
struct AwarenessOwner {
  std::uint64_t member = 0;
  NodeId node;
  SessionId session;
  std::string user;  // Of the session. Empty: not known here.
};
// Who logs in again, at another node for example, is still the one whose states those are.
bool AreOfOne(const AwarenessOwner& a, const AwarenessOwner& b);

class AwarenessTable {
 public:
  // Takes what is new and what `owner` may say; returns that. States must be clean.
  std::vector<AwarenessEntry> Apply(const AwarenessOwner& owner,
                                    std::vector<AwarenessEntry> entries, std::uint64_t now_ms);
  // All of a socket's clients go; their removals.
  std::vector<AwarenessEntry> RemoveMember(std::uint64_t member, std::uint64_t now_ms);
  // Those who have been silent for too long go; their removals.
  std::vector<AwarenessEntry> Expire(std::uint64_t now_ms);

  std::vector<AwarenessEntry> All() const;
  // Those of this node's sockets, with their sessions: for other nodes.
  struct Owned {
    SessionId session;
    AwarenessEntry entry;
  };
  std::vector<Owned> Local() const;
  std::optional<AwarenessOwner> OwnerOf(crdt::Client client) const;
  // With those that have gone and are remembered.
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    AwarenessOwner owner;
    std::uint64_t clock = 0;
    std::string state;  // Empty = gone.
    std::uint64_t heard_ms = 0;
  };
  bool MayApply(const AwarenessOwner& owner, const AwarenessEntry& entry) const;
  std::size_t CountOf(std::uint64_t member) const;
  void Put(crdt::Client client, const AwarenessOwner& owner, const AwarenessEntry& entry,
           std::uint64_t now_ms);
  // It stays, as one who has gone. Its removal.
  AwarenessEntry Leave(crdt::Client client, Slot& slot, std::uint64_t now_ms);
  void Unlist(crdt::Client client, const Slot& slot);

  std::map<crdt::Client, Slot> slots_;
  // The same slots by what is asked of them, so that no update costs a walk over all.
  std::map<std::uint64_t, std::size_t> present_;           // How many a member has.
  std::set<std::pair<std::uint64_t, crdt::Client>> gone_;  // By when they went.
};

}  // namespace coterie::yproto
