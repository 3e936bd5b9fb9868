#pragma once

// The secrets of sessions. A token is "SESSION_ID.SECRET", the secret 32 random bytes in URL-safe
// base64; the cluster stores only the secret's hash, so that a stolen disk opens no session.
// Pure functions but for the randomness, any thread. sodium_init() must have run.

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace coterie::rpc {

struct Token {
  SessionId session;
  std::string secret;
};

std::string NewSecret();
std::string FormatToken(const Token& token);
// Empty if it is not one.
std::optional<Token> ParseToken(std::string_view text);
// The token in an "authorization: Bearer ..." header; empty if there is none.
std::optional<Token> ParseAuthorization(std::string_view header);
// 32 bytes.
std::string HashSecret(std::string_view secret);
// In constant time.
bool IsSecretOf(std::string_view hash, std::string_view secret);

}  // namespace coterie::rpc
