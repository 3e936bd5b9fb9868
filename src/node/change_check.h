#pragma once

// Why a change of members is not possible, in words that say what to do instead. raft::Core refuses
// the same, and whatever is left, without a reason; two members at one address it does not notice.
// Pure.

#include <absl/status/status.h>

#include "raft/configuration.h"

namespace coterie::node {

// kInvalidArgument, or OK: then it is for raft to say.
absl::Status CheckChange(const raft::Configuration& present, const raft::MembershipChange& change);

}  // namespace coterie::node
