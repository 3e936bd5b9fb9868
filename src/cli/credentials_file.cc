#include "cli/credentials_file.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/explain.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

std::string ErrnoText() { return std::system_category().message(errno); }

absl::Status WriteAll(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return absl::InternalError(ErrnoText());
    done += static_cast<std::size_t>(count);
  }
  if (fsync(fd) != 0) return absl::InternalError(ErrnoText());
  return absl::OkStatus();
}

}  // namespace

std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

std::string StateFolder() {
  if (const std::string state = Environment("XDG_STATE_HOME"); !state.empty()) {
    return state + "/coterie";
  }
  const std::string home = Environment("HOME");
  return home.empty() ? std::string() : home + "/.local/state/coterie";
}

std::string CredentialsPath() {
  if (std::string path = Environment("COTERIE_CREDENTIALS"); !path.empty()) return path;
  const std::string folder = StateFolder();
  return folder.empty() ? std::string() : folder + "/credentials.json";
}

absl::Status MakeFolders(const std::string& path) {
  std::string so_far;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    so_far = (std::filesystem::path(so_far) / part).string();
    if (mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      return absl::PermissionDeniedError(
          absl::StrCat("the folder ", so_far, " cannot be made: ", ErrnoText()));
    }
  }
  return absl::OkStatus();
}

absl::Status WritePrivateFile(const std::string& path, const std::string& text) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return absl::PermissionDeniedError(absl::StrCat(temporary, ": ", ErrnoText()));
  const absl::Status written = WriteAll(fd, text);
  close(fd);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const std::string why = written.ok() ? ErrnoText() : std::string(written.message());
  unlink(temporary.c_str());
  return absl::InternalError(absl::StrCat(path, " cannot be written: ", why));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return absl::NotFoundError(absl::StrCat(path, " is not there"));
  if (fd < 0) return absl::PermissionDeniedError(absl::StrCat(path, ": ", ErrnoText()));
  std::string text;
  std::array<char, 16 << 10> buffer;
  ssize_t count = 0;
  while ((count = read(fd, buffer.data(), buffer.size())) > 0 && text.size() <= bytes_max) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  close(fd);
  if (count < 0) return absl::InternalError(absl::StrCat(path, " cannot be read"));
  if (text.size() > bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat(path, " is larger than it may be"));
  }
  return text;
}

absl::StatusOr<CredentialsFile> CredentialsFile::Load(const std::string& path) {
  CredentialsFile file;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return file;
  if ((info.st_mode & 077) != 0) {
    return Error(absl::StatusCode::kPermissionDenied,
                 absl::StrCat("the credentials in ", path, " can be read by others"),
                 absl::StrCat("chmod 600 ", path));
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kFileBytesMax));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const absl::Status malformed = Error(absl::StatusCode::kDataLoss,
                                       absl::StrCat("the credentials in ", path, " are malformed"),
                                       absl::StrCat("rm ", path, " && coterie login"));
  if (!json.is_object() || !json.contains("sessions") || !json["sessions"].is_object() ||
      !json.contains("current_user") || !json["current_user"].is_string()) {
    return malformed;
  }
  file.current_user = json["current_user"].get<std::string>();
  for (const auto& [user, entry] : json["sessions"].items()) {
    const bool is_whole = entry.is_object() && entry.contains("token") &&
                          entry["token"].is_string() && entry.contains("nodes") &&
                          entry["nodes"].is_array() && entry.contains("expires_at_ms") &&
                          entry["expires_at_ms"].is_number_unsigned();
    if (!is_whole) return malformed;
    Session session{.token = entry["token"].get<std::string>(),
                    .expires_at_ms = entry["expires_at_ms"].get<std::uint64_t>()};
    for (const nlohmann::json& node : entry["nodes"]) {
      if (!node.is_string()) return malformed;
      session.nodes.push_back(node.get<std::string>());
    }
    file.sessions.emplace(user, std::move(session));
  }
  return file;
}

absl::Status CredentialsFile::Save(const std::string& path) const {
  if (path.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "there is no place to keep the session",
                 "set HOME, XDG_STATE_HOME or COTERIE_CREDENTIALS");
  }
  nlohmann::json json = {
      {"v", 1}, {"current_user", current_user}, {"sessions", nlohmann::json::object()}};
  for (const auto& [user, session] : sessions) {
    json["sessions"][user] = {{"token", session.token},
                              {"nodes", session.nodes},
                              {"expires_at_ms", session.expires_at_ms}};
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) RETURN_IF_ERROR(MakeFolders(folder));
  return WritePrivateFile(path, json.dump(2) + "\n");
}

}  // namespace coterie::cli
