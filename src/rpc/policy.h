#pragma once

// Who may call what, for how long and with how much: one row per method of coterie.v1, for every
// face that offers it. What a caller may do to a document is not here: state::Machine decides that,
// in the log's order. Pure functions, any thread.

#include <absl/types/span.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coterie::rpc {

enum class Access : std::uint8_t {
  kAnyone,   // No session needed.
  kSession,  // Whoever is logged in.
  kAdmin,    // Whoever is logged in and an administrator.
};

struct Policy {
  std::string_view method;  // Full name, for example "coterie.v1.AuthService.Login".
  Access access = Access::kAdmin;
  // The longest that a call may wait, whatever the client says. 0 = a stream without an end.
  std::uint32_t seconds_max = 0;
  std::size_t request_bytes_max = 0;
};

// For calls whose client gives no deadline.
inline constexpr std::uint32_t kSecondsDefault = 10;

absl::Span<const Policy> Policies();
// Null if there is no row: such a method must not be served.
const Policy* FindPolicy(std::string_view method);

}  // namespace coterie::rpc
