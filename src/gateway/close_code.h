#pragma once

// Why a socket ends, as every provider understands it. What they make of a code differs, so the
// choice is narrow (docs/gateway.md has the table): y-websocket 3 gives up on 4400 to 4499 and
// retries on all else; Hocuspocus 2 gives up on 4401 and 1009; all others always retry. The only
// place that knows the numbers. Pure values.

#include <cstdint>

namespace coterie::gateway {

enum class CloseCode : std::uint16_t {
  // --- Come back, here or elsewhere ---
  kRestarting = 1012,  // The node stops.
  kTryAgain = 1013,    // Overloaded, or no majority can be reached.
  kResync = 4205,      // Too slow to be sent everything: what is missing comes with the next sync.
  // --- Not like this ---
  kTooLarge = 1009,   // A message.
  kMalformed = 4400,  // Bytes that no provider sends.
  kUnauthenticated = 4401,
  kForbidden = 4403,  // Or the document is not there, which is not told.
  kTimeout = 4408,    // Nobody has logged in on it in time.
  kGone = 4410,       // The document was deleted.
};

}  // namespace coterie::gateway
