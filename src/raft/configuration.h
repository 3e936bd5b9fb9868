#pragma once

// Who is a member, and how. A Configuration is one value of the membership: a set of voters, while
// changing a second (outgoing) set, and learners. It is an ordinary log entry's payload and is in
// force from the moment that it is appended. Only joint consensus is offered, also for one node.
// Source: Raft thesis 4.1 (adopt at append), 4.2.1 (learners), 4.3 (joint consensus).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace coterie::raft {

inline constexpr std::size_t kVotersMax = 7;
inline constexpr std::size_t kMembersMax = 16;  // Voters of both sets and learners.
inline constexpr std::size_t kAddressBytesMax = 256;

// One member. The incarnation is the identity of its disk: a node that comes back with the same id
// and another incarnation has forgotten what it acknowledged and is no member (dragonboat #256).
// None in a fresh cluster's first configuration = any incarnation is accepted and then remembered
// by nobody; set for members that are added later.
struct Member {
  NodeId id;
  Incarnation incarnation;
  std::string address;         // "host:port" that peers dial; opaque here.
  std::string client_address;  // "host:port" that clients dial; opaque here.
  friend bool operator==(const Member&, const Member&) = default;
};

struct Configuration {
  std::vector<NodeId> voters;           // Incoming (or only) voters. Sorted, unique.
  std::vector<NodeId> voters_outgoing;  // Non-empty = joint: both majorities must agree. Sorted.
  // Replicated to, never counted. Sorted. While joint, one that is also in voters_outgoing still
  // votes and becomes a learner when the change completes.
  std::vector<NodeId> learners;
  std::vector<Member> members;  // Everybody above, once. Sorted by id.

  bool IsJoint() const { return !voters_outgoing.empty(); }
  bool IsVoter(NodeId id) const;  // In either set.
  bool IsMember(NodeId id) const;
  // Null if not a member.
  const Member* Find(NodeId id) const;
  // Whether the sets are sorted, bounded and cover `members` exactly, with at least one voter.
  bool IsValid() const;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// Empty if malformed or not IsValid(). The encoding starts with a version byte.
std::optional<Configuration> DecodeConfiguration(std::string_view bytes);
std::string EncodeConfiguration(const Configuration& configuration);

// What an operator asks for; the core turns it into the joint entry, and, once that is committed,
// into the final one by itself.
struct MembershipChange {
  std::vector<Member> add_learners;
  std::vector<NodeId> promote;  // Learners that become voters.
  std::vector<NodeId> demote;   // Voters that become learners.
  std::vector<NodeId> remove;
};

// Whether all that is asked for is so already: the change was made, and whoever asks has not heard
// of it. An incarnation is no matter; another address is.
bool IsAlready(const Configuration& configuration, const MembershipChange& change);

}  // namespace coterie::raft
