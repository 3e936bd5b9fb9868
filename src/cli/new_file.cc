#include "cli/new_file.h"

#include <absl/random/random.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr mode_t kOwnerOnlyMode = 0600;
constexpr mode_t kUsualMode = 0666;

// A rename is on the disk when the folder is.
bool SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int opened =
      open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return false;
  const bool is_synced = fsync(opened) == 0;
  close(opened);
  return is_synced;
}

}  // namespace

NewFile::~NewFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(path_.c_str());
}

absl::Status NewFile::Failed() const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", target_));
}

absl::Status NewFile::Open(const std::string& path, Access access) {
  CHECK(file_ < 0);
  std::error_code error;
  const std::filesystem::path led_to = std::filesystem::canonical(path, error);
  target_ = error ? path : led_to.string();
  struct stat before {};
  const bool exists = stat(target_.c_str(), &before) == 0;
  absl::BitGen random;
  path_ = absl::StrCat(target_, ".", absl::Hex(absl::Uniform<std::uint64_t>(random)), ".part");
  const mode_t mode = access == Access::kOwnerOnly ? kOwnerOnlyMode : kUsualMode;
  // O_EXCL: nobody's file is taken, and no link of somebody's followed.
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file_ < 0) return Failed();
  if (access == Access::kUsual && exists && fchmod(file_, before.st_mode & 07777) != 0) {
    return Failed();
  }
  return absl::OkStatus();
}

absl::Status NewFile::Write(std::string_view bytes) { return WriteAll(file_, bytes, target_); }

absl::Status NewFile::Sync() { return fsync(file_) == 0 ? absl::OkStatus() : Failed(); }

absl::Status NewFile::Commit() {
  CHECK(file_ >= 0);
  if (std::rename(path_.c_str(), target_.c_str()) != 0) return Failed();
  close(file_);
  file_ = -1;
  return SyncFolderOf(target_) ? absl::OkStatus() : Failed();
}

absl::Status WriteAll(int file, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", what));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace coterie::cli
