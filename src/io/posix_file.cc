#include "io/posix_file.h"

#include <absl/strings/str_cat.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"

namespace coterie::io {
namespace {

absl::Status ErrnoStatus(const char* verb, const std::string& path) {
  const int error = errno;
  const std::string text = absl::StrCat("cannot ", verb, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    case EIO:
      return absl::UnavailableError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { static_cast<void>(::close(fd_)); }

  absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) override {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(fd_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }

  absl::Status Write(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus("write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    // Not repeated after EINTR either: what a failed sync leaves is unknown.
    if (::fdatasync(fd_) != 0) return ErrnoStatus("sync", path_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::uint64_t> Size() override {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) return ErrnoStatus("stat", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  absl::Status Truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return ErrnoStatus("truncate", path_);
    return absl::OkStatus();
  }

 private:
  const int fd_;
  const std::string path_;
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixDirectory() override { static_cast<void>(::close(fd_)); }

  absl::StatusOr<std::unique_ptr<File>> Open(std::string_view name, OpenMode mode) override {
    const std::string plain = Plain(name);
    const int flags = O_RDWR | O_CLOEXEC | (mode == OpenMode::kCreate ? O_CREAT : 0);
    const int fd = ::openat(fd_, plain.c_str(), flags, 0600);
    if (fd < 0) return ErrnoStatus("open", PathOf(plain));
    return std::make_unique<PosixFile>(fd, PathOf(plain));
  }

  absl::StatusOr<std::vector<std::string>> List() override {
    const int copy = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const stream = copy < 0 ? nullptr : ::fdopendir(copy);
    if (stream == nullptr) return ErrnoStatus("list", path_);
    std::vector<std::string> names;
    errno = 0;
    // One stream per call: this readdir is not shared. NOLINTNEXTLINE(concurrency-mt-unsafe)
    while (const dirent* entry = ::readdir(stream)) {
      struct stat status {};
      if (::fstatat(fd_, entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode)) {
        names.emplace_back(entry->d_name);
      }
      errno = 0;
    }
    const int error = errno;
    static_cast<void>(::closedir(stream));
    errno = error;
    if (error != 0) return ErrnoStatus("list", path_);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status Rename(std::string_view source, std::string_view target) override {
    if (::renameat(fd_, Plain(source).c_str(), fd_, Plain(target).c_str()) != 0) {
      return ErrnoStatus("rename", PathOf(Plain(source)));
    }
    return absl::OkStatus();
  }

  absl::Status Remove(std::string_view name) override {
    if (::unlinkat(fd_, Plain(name).c_str(), 0) != 0)
      return ErrnoStatus("remove", PathOf(Plain(name)));
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (::fsync(fd_) != 0) return ErrnoStatus("sync", path_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::uint64_t> FreeBytes() override {
    struct statvfs status {};
    if (::fstatvfs(fd_, &status) != 0) return ErrnoStatus("ask for the free space of", path_);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

 private:
  static std::string Plain(std::string_view name) {
    CHECK(!name.empty() && name.find('/') == std::string_view::npos);
    return std::string(name);
  }
  std::string PathOf(const std::string& name) const { return absl::StrCat(path_, "/", name); }

  const int fd_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Directory>> OpenPosixDirectory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("open", path);
  return std::make_unique<PosixDirectory>(fd, path);
}

absl::Status MakeFolders(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::absolute(path);
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  const std::string parent = folder.parent_path().string();
  if (folder.has_relative_path()) RETURN_IF_ERROR(MakeFolders(parent));
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return ErrnoStatus("make", path);
  ASSIGN_OR_RETURN(const std::unique_ptr<Directory> above, OpenPosixDirectory(parent));
  return above->Sync();
}

}  // namespace coterie::io
