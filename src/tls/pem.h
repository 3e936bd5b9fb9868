#pragma once

// Certificates and keys in PEM files, read and checked before anything listens with them: gRPC
// would say no more than that the port cannot be had. Any thread.

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace coterie::tls {

// A file, and the flag that named it: what is wrong with it is told by both.
struct PemFile {
  std::string_view flag;
  const std::string& path;
};

struct Pair {
  std::string chain_pem;
  std::string key_pem;
};

// A certificate with the chain that leads to its authority, and its key. kInvalidArgument: one
// cannot be read, is no PEM of its kind or has expired, or the key is another one's.
absl::StatusOr<Pair> LoadPair(const PemFile& certificate, const PemFile& key);
// Who signs others' certificates; "" for no path. kInvalidArgument as above.
absl::StatusOr<std::string> LoadAuthority(const PemFile& file);

}  // namespace coterie::tls
