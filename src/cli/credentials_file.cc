#include "cli/credentials_file.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/explain.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

bool AreStrings(const nlohmann::json& json) {
  return json.is_array() && std::all_of(json.begin(), json.end(), [](const nlohmann::json& entry) {
           return entry.is_string();
         });
}

std::optional<Session> ParseSession(const std::string& user, const nlohmann::json& json) {
  if (!json.is_object()) return std::nullopt;
  const nlohmann::json absent;
  const auto at = [&](const char* name) -> const nlohmann::json& {
    const auto found = json.find(name);
    return found == json.end() ? absent : *found;
  };
  if (!at("token").is_string() || !AreStrings(at("nodes")) ||
      !at("expires_at_ms").is_number_unsigned()) {
    return std::nullopt;
  }
  Session session{.user = user,
                  .token = at("token").get<std::string>(),
                  .nodes = at("nodes").get<std::vector<std::string>>(),
                  .expires_at_ms = at("expires_at_ms").get<std::uint64_t>()};
  if (AreStrings(at("given"))) session.given = at("given").get<std::vector<std::string>>();
  if (at("asked_at_ms").is_number_unsigned()) {
    session.asked_at_ms = at("asked_at_ms").get<std::uint64_t>();
  }
  if (at("is_tls").is_boolean()) session.is_tls = at("is_tls").get<bool>();
  return session;
}

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

bool Session::IsOf(const std::string& node) const {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end() ||
         std::find(given.begin(), given.end(), node) != given.end();
}

const Session* CredentialsFile::Find(const std::string& user,
                                     const std::vector<std::string>& nodes) const {
  for (const Session& session : sessions) {
    const bool is_there = std::any_of(nodes.begin(), nodes.end(),
                                      [&](const std::string& node) { return session.IsOf(node); });
    if (session.user == user && (nodes.empty() || is_there)) return &session;
  }
  return nullptr;
}

void CredentialsFile::Put(Session session) {
  const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now()));
  std::vector<std::string> places = session.nodes;
  places.insert(places.end(), session.given.begin(), session.given.end());
  sessions.erase(std::remove_if(sessions.begin(), sessions.end(),
                                [&](const Session& old) {
                                  const bool is_over =
                                      old.expires_at_ms != 0 && old.expires_at_ms < now_ms;
                                  const bool is_same =
                                      old.user == session.user &&
                                      std::any_of(places.begin(), places.end(),
                                                  [&](const auto& node) { return old.IsOf(node); });
                                  return is_over || is_same;
                                }),
                 sessions.end());
  sessions.insert(sessions.begin(), std::move(session));
}

void CredentialsFile::Erase(const std::string& token) {
  sessions.erase(std::remove_if(sessions.begin(), sessions.end(),
                                [&](const Session& session) { return session.token == token; }),
                 sessions.end());
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
  for (const auto& [user, entries] : json["sessions"].items()) {
    // A file of an older version has one session of a user, not a list.
    const bool is_list = entries.is_array();
    for (const nlohmann::json& entry : is_list ? entries : nlohmann::json::array({entries})) {
      std::optional<Session> session = ParseSession(user, entry);
      if (!session) return malformed;
      file.sessions.push_back(*std::move(session));
    }
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
  for (const Session& session : sessions) {
    json["sessions"][session.user].push_back({{"token", session.token},
                                              {"nodes", session.nodes},
                                              {"given", session.given},
                                              {"expires_at_ms", session.expires_at_ms},
                                              {"asked_at_ms", session.asked_at_ms},
                                              {"is_tls", session.is_tls}});
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) RETURN_IF_ERROR(MakeFolders(folder));
  return WritePrivateFile(path, json.dump(2) + "\n");
}

}  // namespace coterie::cli
