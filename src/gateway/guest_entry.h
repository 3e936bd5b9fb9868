#pragma once

// A guest as editors see one: the awareness state that y-codemirror and its like make of a cursor.
// Pure function.

#include <optional>

#include "rpc/guest.h"
#include "yproto/awareness.h"

namespace coterie::gateway {

// Nothing if the anchor is none. Later ones have higher clocks.
std::optional<yproto::AwarenessEntry> EntryOf(const rpc::Guest& guest, std::uint64_t clock);

}  // namespace coterie::gateway
