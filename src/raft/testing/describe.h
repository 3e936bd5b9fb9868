#pragma once

// Readable one-line forms of what goes in and out of a core, for transcripts. A position is written
// term/index.

#include <string>
#include <vector>

#include "raft/effects.h"
#include "raft/message.h"

namespace coterie::raft::testing {

std::string Describe(LogPosition position);
std::string Describe(const std::vector<EntryRef>& entries);
std::string Describe(const Configuration& configuration);
std::string Describe(const Message& message);
std::string Describe(const AppendJob& job);
std::string Describe(const RoleChange& change);
std::string Describe(Role role);

}  // namespace coterie::raft::testing
