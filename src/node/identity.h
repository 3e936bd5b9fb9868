#pragma once

// Who a data folder belongs to: a file "identity" beside the log, written once and before anything
// else. The incarnation is drawn when the folder is new: a node whose disk was emptied is another
// one to the cluster, even under the same id (dragonboat #256).

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/file.h"
#include "raft/configuration.h"
#include "wal/log.h"

namespace coterie::node {

// Raised where one log would come to another state than before: then no program may go on with what
// an earlier one left, as nodes stand at different entries when they are stopped, nor beside one.
inline constexpr std::uint8_t kRulesVersion = 5;

// Written, and then given its name.
inline constexpr char kIdentityDraftName[] = "identity.draft";

struct Identity {
  wal::Identity log;
  // Of what the cluster began with, as far as this node was told; 0 = that is not known: it joined
  // later, or its first start was broken off, or the file was made anew from the log's. Nodes that
  // were told different things never exchange a frame: each may have a majority of its own
  // founders, and acknowledge what the others do not have.
  std::uint32_t founding = 0;
};

// The number of a founding: of who the founders are (wherever they listen), and of the backup that
// they begin with, whose header it reads. 0 without founders.
absl::StatusOr<std::uint32_t> FoundingOf(const std::vector<raft::Member>& founders,
                                         const std::string& restore_from);

// Reads the identity, or makes it as it is wanted. kFailedPrecondition: the folder is another
// node's or another cluster's. kDataLoss: the file is damaged.
absl::StatusOr<Identity> EstablishIdentity(io::Directory& directory, const Identity& wanted);

}  // namespace coterie::node
