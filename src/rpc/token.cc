#include "rpc/token.h"

#include <absl/strings/match.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace coterie::rpc {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSecretCharacters = 43;  // Base64 of 32 bytes without padding.
constexpr std::string_view kScheme = "bearer ";

bool IsBase64Url(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

std::string NewSecret() {
  std::array<unsigned char, kSecretBytes> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::array<char, kSecretCharacters + 1> text{};
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(),
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero(bytes.data(), bytes.size());
  return std::string(text.data(), kSecretCharacters);
}

std::string FormatToken(const Token& token) {
  return std::to_string(token.session.value()) + "." + token.secret;
}

std::optional<Token> ParseToken(std::string_view text) {
  std::uint64_t id = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || id == 0 || rest == text.data() + text.size() || *rest != '.') {
    return std::nullopt;
  }
  const std::string_view secret = text.substr(static_cast<std::size_t>(rest - text.data()) + 1);
  if (secret.size() != kSecretCharacters) return std::nullopt;
  if (!std::all_of(secret.begin(), secret.end(), IsBase64Url)) return std::nullopt;
  return Token{.session = SessionId(id), .secret = std::string(secret)};
}

std::optional<Token> ParseAuthorization(std::string_view header) {
  if (header.size() <= kScheme.size()) return std::nullopt;
  const std::string_view scheme = header.substr(0, kScheme.size());
  if (!absl::EqualsIgnoreCase(absl::string_view(scheme.data(), scheme.size()),
                              absl::string_view(kScheme.data(), kScheme.size()))) {
    return std::nullopt;
  }
  return ParseToken(header.substr(kScheme.size()));
}

std::string HashSecret(std::string_view secret) {
  std::string hash(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(hash.data()),
                     reinterpret_cast<const unsigned char*>(secret.data()), secret.size());
  return hash;
}

bool IsSecretOf(std::string_view hash, std::string_view secret) {
  const std::string actual = HashSecret(secret);
  return hash.size() == actual.size() &&
         sodium_memcmp(hash.data(), actual.data(), hash.size()) == 0;
}

}  // namespace coterie::rpc
