#include "rpc/passwords.h"

#include <sodium.h>

#include <array>
namespace coterie::rpc {
namespace {

constexpr unsigned long long kPasses = 2;
constexpr std::size_t kMemoryBytes = 19 << 20;

}  // namespace

absl::StatusOr<std::string> HashPassword(std::string_view password) {
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  if (crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses, kMemoryBytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return absl::ResourceExhaustedError("there is no memory to hash a password; retry later");
  }
  return std::string(hash.data());
}

bool VerifyPassword(std::string_view hash, std::string_view password) {
  if (hash.empty()) {
    // As long as a real check, so that the time does not tell which users exist.
    static_cast<void>(HashPassword(password));
    return false;
  }
  const std::string terminated(hash);
  return crypto_pwhash_str_verify(terminated.c_str(), password.data(), password.size()) == 0;
}

}  // namespace coterie::rpc
