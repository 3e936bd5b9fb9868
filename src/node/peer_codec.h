#pragma once

// What nodes say to each other, and how it looks in a frame. A frame is one record:
//
//   version u8 | crc32c of the version and of all that follows, fixed32 | cluster id fixed64 |
//   from varint | sender's peer address, length-prefixed | newest version that the sender reads, u8
//   | kind u8 | body
//
// The address lets a node that is not yet (or no longer) in our membership be answered. Frames from
// a socket are untrusted: they decode to a value or to nothing. An unknown version is refused,
// never guessed at; the checksum and what comes before it are the same in all versions from 2 on.
//
// Versions. During a rolling upgrade a peer is sent the newest version that both read: it says in
// its frames what it reads, and until it has, it is taken for the oldest. A peer that writes in an
// older version than it might is told so by a Greeting in the newest, which an older program
// refuses, and a newer one takes as leave to write so. Any change of the bytes is a new version.
//   1: no newest version; the checksum leaves out the version; no Greeting, no Gossip, no
//   kUnknownCommand;
//      a ReadIndexReply does not say where the leader's log ends.
//   2: as 3, but for the highest kind of refusal.
//   3: as above. Who reads this reads all entries up to that level (state/command.h), too.
// Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "raft/message.h"
#include "state/command.h"

namespace coterie::node {

inline constexpr std::uint8_t kPeerVersionOldest = 1;
inline constexpr std::uint8_t kPeerVersionNewest = 3;
static_assert(kPeerVersionOldest == state::kLevelOldest);
static_assert(kPeerVersionNewest == state::kLevelNewest);
inline constexpr std::size_t kEntriesPerFrameMax = 100'000;
inline constexpr std::size_t kSessionsPerRenewalMax = 10'000;
inline constexpr std::size_t kActivitiesPerFrameMax = 10'000;
inline constexpr std::size_t kGossipBytesMax = 256 << 10;

// What a session is doing, besides being here. Best effort; not in the log.
enum class Activity : std::uint8_t { kIdle, kViewing, kEditing };
struct Presence {
  SessionId session;
  Activity activity = Activity::kIdle;
  DocId doc;
  friend bool operator==(const Presence&, const Presence&) = default;
};

// A follower hands a client's command to the leader. The outcome comes back through the log.
struct ForwardedProposal {
  std::uint64_t waiter = 0;
  Blob command;  // Encoded, not stamped.
};
// The leader could not even propose it. Nothing was done.
enum class ForwardRefusal : std::uint8_t {
  kNotLeader,
  kBusy,
  kNoSpace,
  kUnknownCommand,  // Of a newer program than the leader's.
  kNotReadByAll,    // Of a newer program than some member's.
};
struct ForwardRefused {
  std::uint64_t waiter = 0;
  ForwardRefusal reason = ForwardRefusal::kNotLeader;
};
// These sessions have an open stream on the sender.
struct RenewLeases {
  std::vector<SessionId> sessions;
};
// All that the sessions on the sender do now; replaces what it said before.
struct Activities {
  std::uint64_t sequence = 0;  // Of the sender's life; older ones are ignored.
  std::vector<Presence> present;
};

// Says nothing but what its sender reads.
struct Greeting {};

// What one node's gateway tells the others' (gateway/gossip.h). Best effort; not in the log.
struct Gossip {
  std::string bytes;
};

// How a node stands to the cluster.
enum class Standing : std::uint8_t {
  kMember,
  kStranger,   // It was removed, or has yet to be added.
  kOtherDisk,  // Its id is a member's, whose disk it has not: it was lost, or is another's.
};
// A leader's answer to who is not one of its members. A program of before that drops it.
struct NotMember {
  Standing standing = Standing::kStranger;
};

using PeerBody = std::variant<raft::Message, ForwardedProposal, ForwardRefused, RenewLeases,
                              Activities, Greeting, Gossip, NotMember>;

struct PeerMessage {
  std::uint64_t cluster_id = 0;
  NodeId from;
  std::string from_address;
  std::uint8_t newest = kPeerVersionOldest;   // That the sender reads.
  std::uint8_t version = kPeerVersionOldest;  // That it was read in.
  PeerBody body;
};

// Requires a version that is known, and above 1 for a Greeting.
std::string EncodePeerMessage(const PeerMessage& message, std::uint8_t version);
// Empty if the frame is damaged, malformed, too large in any count or of a version above `newest`.
std::optional<PeerMessage> DecodePeerMessage(std::string_view frame,
                                             std::uint8_t newest = kPeerVersionNewest);
// Whether it is whole, and of a version above `newest`.
bool IsNewerFrame(std::string_view frame, std::uint8_t newest = kPeerVersionNewest);

}  // namespace coterie::node
