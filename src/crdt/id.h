#pragma once

// Names of what a Yjs document is made of. Every struct has an id: the client that made it and that
// client's clock, which counts UTF-16 code units (or elements) and never hands out one twice.
// Pure values. Source: yjs 13.6, src/utils/ID.js and StructStore.js.

#include <compare>
#include <cstdint>

#include "base/ids.h"

namespace coterie::crdt {

// Who wrote: drawn by the editor, at most kClientMax (a JavaScript safe integer).
using Client = Tagged<struct YjsClientTag>;
// Position in a client's history. Yjs allows 53 bits; an update that needs more than 32 is refused.
using Clock = std::uint32_t;

inline constexpr std::uint64_t kClientMax = (std::uint64_t{1} << 53) - 1;
inline constexpr std::uint64_t kClockMax = 0xffff'ffff;

struct Id {
  Client client;
  Clock clock = 0;
  friend auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace coterie::crdt
