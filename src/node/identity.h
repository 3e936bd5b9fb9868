#pragma once

// Who a data folder belongs to: a file "identity" beside the log, written once and before anything
// else. The incarnation is drawn when the folder is new: a node whose disk was emptied is another
// one to the cluster, even under the same id (dragonboat #256).

#include <absl/status/statusor.h>

#include <cstdint>

#include "io/file.h"
#include "wal/log.h"

namespace coterie::node {

// Raised where one log would come to another state than before: then no program may go on with what
// an earlier one left, as nodes stand at different entries when they are stopped, nor beside one.
inline constexpr std::uint8_t kRulesVersion = 4;

// Reads the identity, or makes it with `fresh` as the incarnation. kFailedPrecondition: the folder
// is another node's or another cluster's. kDataLoss: the file is damaged.
absl::StatusOr<wal::Identity> EstablishIdentity(io::Directory& directory,
                                                const wal::Identity& wanted);

}  // namespace coterie::node
