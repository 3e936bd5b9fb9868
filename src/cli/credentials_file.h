#pragma once

// The sessions of this user of this machine, one per Coterie user and cluster, and which was used
// last. A JSON file that nobody else may read (0600), replaced as a whole. One thread; two
// processes may write at once, and the later one wins.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace coterie::cli {

struct Session {
  std::string user;
  std::string token;
  std::vector<std::string> nodes;  // The cluster's members when it was last asked,
  std::vector<std::string> given;  // and the names under which the login found it.
  std::uint64_t expires_at_ms = 0;
  std::uint64_t asked_at_ms = 0;
  bool is_tls = false;  // Its token has never gone in the clear.

  bool IsOf(const std::string& node) const;
};

struct CredentialsFile {
  std::string current_user;       // Empty = nobody is logged in.
  std::vector<Session> sessions;  // A user's last login first.

  // The session of `user` at one of these nodes, or the last one for none; null = there is none.
  // No node can prove which cluster it belongs to before it has the token: hence by address.
  const Session* Find(const std::string& user, const std::vector<std::string>& nodes) const;
  // In the place of the user's at the same nodes. Those that are over go.
  void Put(Session session);
  void Erase(const std::string& token);

  // An absent file is an empty one. kPermissionDenied when others could read it; kDataLoss when it
  // is malformed.
  static absl::StatusOr<CredentialsFile> Load(const std::string& path);
  absl::Status Save(const std::string& path) const;
};

// ${XDG_STATE_HOME:-~/.local/state}/coterie; empty when neither is set.
std::string StateFolder();
// $COTERIE_CREDENTIALS, or credentials.json in the StateFolder().
std::string CredentialsPath();
// The variable's value, or empty.
std::string Environment(const char* name);
// Creates `path` and what is missing above it, for this user alone.
absl::Status MakeFolders(const std::string& path);
// Replaces the file at `path` by one with `text` that only this user may read.
absl::Status WritePrivateFile(const std::string& path, const std::string& text);
// kNotFound; kResourceExhausted above `bytes_max`.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max);

}  // namespace coterie::cli
