#pragma once

// What can be said of a command without looking at the state: limits, UTF-8, fit names. Machine
// refuses what fails here, and DecodeCommand() does not decode it, so that it is stopped before it
// is proposed. Private to state/. Pure function, any thread.

#include <optional>
#include <string_view>

#include "state/command.h"
#include "state/outcome.h"

namespace coterie::state {

inline constexpr std::size_t kPasswordHashBytesMax = 1'024;
inline constexpr std::size_t kTokenHashBytes = 32;
inline constexpr std::uint64_t kLeaseMsMax = 60ull * 60 * 1'000;

// kInvalidArgument, or kExhausted with the limit's name; empty if nothing is wrong.
std::optional<Outcome> RefuseMalformed(const Command& command);
// The same of one Yjs update. RefuseMalformed() asks it, too, but not of the parts of an
// ApplyUpdates.
std::optional<Outcome> RefuseMalformedUpdate(std::string_view update);

}  // namespace coterie::state
