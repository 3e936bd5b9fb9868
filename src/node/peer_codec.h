#pragma once

// What nodes say to each other, and how it looks in a frame. A frame is one record:
//
//   version u8 | crc32c of all that follows, fixed32 | cluster id fixed64 | from varint |
//   sender's peer address, length-prefixed | kind u8 | body
//
// The address lets a node that is not yet (or no longer) in our membership be answered. Frames from
// a socket are untrusted: they decode to a value or to nothing. An unknown version is refused,
// never guessed at. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/blob.h"
#include "base/ids.h"
#include "raft/message.h"

namespace coterie::node {

inline constexpr std::uint8_t kPeerCodecVersion = 1;
inline constexpr std::size_t kEntriesPerFrameMax = 100'000;
inline constexpr std::size_t kSessionsPerRenewalMax = 10'000;
inline constexpr std::size_t kActivitiesPerFrameMax = 10'000;

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
enum class ForwardRefusal : std::uint8_t { kNotLeader, kBusy, kNoSpace };
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

using PeerBody =
    std::variant<raft::Message, ForwardedProposal, ForwardRefused, RenewLeases, Activities>;

struct PeerMessage {
  std::uint64_t cluster_id = 0;
  NodeId from;
  std::string from_address;
  PeerBody body;
};

std::string EncodePeerMessage(const PeerMessage& message);
// Empty if the frame is damaged, malformed, too large in any count or of an unknown version.
std::optional<PeerMessage> DecodePeerMessage(std::string_view frame);

}  // namespace coterie::node
