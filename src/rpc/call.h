#pragma once

// What a handler is told about the call that it serves, and how it answers. Handlers know no
// transport: the gRPC binding (unary_binding.h) and every later face hand them the same values.
// Pure values.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"

namespace coterie::rpc {

// Who asks. No session = nobody has logged in; only methods whose policy allows that see it.
struct Caller {
  SessionId session;
  std::string user;
  bool is_admin = false;
  std::uint64_t expires_at_ms = 0;
};

struct Call {
  Caller caller;
  absl::Time deadline;
  std::string authorization;  // The header as it came, for asking other nodes in the caller's name.
  std::string peer;           // Where it comes from, as CountedAs() has it. Empty: not known.
};

// Called exactly once, on any thread. Errors carry details: see status_map.h.
template <class Response>
using Reply = std::function<void(absl::StatusOr<Response>)>;

}  // namespace coterie::rpc
