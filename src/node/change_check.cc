#include "node/change_check.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <string>

#include "raft/configuration.h"

namespace coterie::node {
namespace {

using raft::Configuration;
using raft::Member;

absl::Status NoMember(NodeId id) {
  return absl::InvalidArgumentError(
      absl::StrCat("node ", id.value(), " is no member of this cluster: see `coterie cluster ",
                   "status`; `coterie cluster add` makes it one"));
}

absl::Status CheckNew(const Configuration& present, const Member& added) {
  if (const Member* known = present.Find(added.id)) {
    return absl::InvalidArgumentError(absl::StrCat("node ", added.id.value(),
                                                   " is a member already, at ", known->address,
                                                   ": a new node needs an id that none has had"));
  }
  for (const Member& member : present.members) {
    const bool has_peer_address = !added.address.empty() && member.address == added.address;
    const bool has_client_address =
        !added.client_address.empty() && member.client_address == added.client_address;
    if (!has_peer_address && !has_client_address) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the address ", has_peer_address ? added.address : added.client_address,
                     " is that of node ", member.id.value(), "; give node ", added.id.value(),
                     " those that it listens at itself"));
  }
  return absl::OkStatus();
}

absl::Status CheckVoters(const Configuration& present, const raft::MembershipChange& change) {
  const auto is_leaving = [&change](NodeId id) {
    return std::ranges::count(change.demote, id) + std::ranges::count(change.remove, id) > 0;
  };
  const auto leaving = static_cast<std::size_t>(std::ranges::count_if(present.voters, is_leaving));
  const std::size_t voters = present.voters.size() - leaving + change.promote.size();
  if (voters == 0) {
    return absl::InvalidArgumentError(
        "it is the only voter, and without one there is no cluster: promote another node first");
  }
  if (voters > raft::kVotersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cluster has at most ", raft::kVotersMax, " voters: remove one first"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckChange(const Configuration& present, const raft::MembershipChange& change) {
  for (const Member& added : change.add_learners) {
    if (absl::Status status = CheckNew(present, added); !status.ok()) return status;
  }
  if (present.members.size() + change.add_learners.size() > raft::kMembersMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cluster has at most ", raft::kMembersMax, " members: remove one first"));
  }
  for (const auto& named : {change.promote, change.demote, change.remove}) {
    for (const NodeId id : named) {
      if (!present.IsMember(id)) return NoMember(id);
    }
  }
  return CheckVoters(present, change);
}

}  // namespace coterie::node
