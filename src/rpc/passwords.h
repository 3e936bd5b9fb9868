#pragma once

// Argon2id, by libsodium, for threads of its own (turn_threads.h): a hash takes tens of
// milliseconds and 19 MiB (OWASP's parameters: 19 MiB, t = 2), which no gRPC or apply thread may
// spend, and nobody may make the node spend without bound. sodium_init() must have run.

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace coterie::rpc {

inline constexpr std::size_t kPasswordBytesMax = 1'024;
inline constexpr std::size_t kPasswordThreads = 2;

// kResourceExhausted: no memory. Blocks; any thread.
absl::StatusOr<std::string> HashPassword(std::string_view password);
// False for an empty or malformed hash, too, after as long a time. Blocks; any thread.
bool VerifyPassword(std::string_view hash, std::string_view password);

}  // namespace coterie::rpc
