#include "store/patient_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace coterie::store {
namespace {

constexpr absl::Duration kRetryInterval = absl::Milliseconds(100);

bool IsFull(int error) { return error == ENOSPC || error == EDQUOT; }

rocksdb::IOStatus Failure(const char* what, const std::string& path, int error) {
  const std::string text = std::string("cannot ") + what + " " + path;
  return IsFull(error) ? rocksdb::IOStatus::NoSpace(text, std::strerror(error))
                       : rocksdb::IOStatus::IOError(text, std::strerror(error));
}

// Appends only. One owner, as RocksDB uses it.
class PatientFile final : public rocksdb::FSWritableFile {
 public:
  PatientFile(int fd, std::string path, Room& room)
      : fd_(fd), path_(std::move(path)), room_(room) {}
  ~PatientFile() override {
    if (fd_ >= 0) static_cast<void>(::close(fd_));
  }

  using rocksdb::FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& /*options*/,
                           rocksdb::IODebugContext* /*debug*/) override {
    std::string_view left(data.data(), data.size());
    std::optional<Room::Waiter> waiter;
    while (!left.empty()) {
      const ssize_t written =
          ::pwrite(fd_, left.data(), left.size(), static_cast<off_t>(size_bytes_));
      const int error = written < 0 ? errno : 0;
      if (error == EINTR) continue;
      if (IsFull(error)) {
        if (!waiter) waiter.emplace(room_);
        if (waiter->Await()) continue;
      }
      if (error != 0) return Failure("write", path_, error);
      size_bytes_ += static_cast<std::uint64_t>(written);
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    return rocksdb::IOStatus::OK();
  }

  rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& /*options*/,
                             rocksdb::IODebugContext* /*debug*/) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return Failure("cut", path_, errno);
    size_bytes_ = size;
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Flush(const rocksdb::IOOptions& /*options*/,
                          rocksdb::IODebugContext* /*debug*/) override {
    return rocksdb::IOStatus::OK();  // Nothing is kept back here.
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& /*options*/,
                         rocksdb::IODebugContext* /*debug*/) override {
    return ::fdatasync(fd_) == 0 ? rocksdb::IOStatus::OK() : Failure("sync", path_, errno);
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& /*options*/,
                          rocksdb::IODebugContext* /*debug*/) override {
    return ::fsync(fd_) == 0 ? rocksdb::IOStatus::OK() : Failure("sync", path_, errno);
  }
  // Begins to write out what will be synced, so that the sync has less to do.
  rocksdb::IOStatus RangeSync(std::uint64_t offset, std::uint64_t size,
                              const rocksdb::IOOptions& /*options*/,
                              rocksdb::IODebugContext* /*debug*/) override {
    static_cast<void>(::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(size),
                                        SYNC_FILE_RANGE_WRITE));
    return rocksdb::IOStatus::OK();
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const rocksdb::IOOptions& /*options*/,
                            rocksdb::IODebugContext* /*debug*/) override {
    return size_bytes_;
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& /*options*/,
                          rocksdb::IODebugContext* /*debug*/) override {
    const int closed = ::close(fd_);
    fd_ = -1;
    return closed == 0 ? rocksdb::IOStatus::OK() : Failure("close", path_, errno);
  }

 private:
  int fd_;  // Negative once it is closed.
  const std::string path_;
  Room& room_;
  std::uint64_t size_bytes_ = 0;
};

class PatientFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit PatientFiles(Room& room)
      : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), room_(room) {}

  const char* Name() const override { return "coterie.PatientFiles"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path,
                                    const rocksdb::FileOptions& /*options*/,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* /*debug*/) override {
    constexpr mode_t kMode = 0644;  // As RocksDB's own.
    std::optional<Room::Waiter> waiter;
    while (true) {
      const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, kMode);
      if (fd >= 0) {
        *result = std::make_unique<PatientFile>(fd, path, room_);
        return rocksdb::IOStatus::OK();
      }
      const int error = errno;
      if (error == EINTR) continue;
      if (IsFull(error)) {
        if (!waiter) waiter.emplace(room_);
        if (waiter->Await()) continue;
      }
      return Failure("create", path, error);
    }
  }

 private:
  Room& room_;
};

}  // namespace

void Room::StopWaiting() {
  absl::MutexLock lock(&mutex_);
  is_stopped_ = true;
}

bool Room::AwaitStop(absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&is_stopped_), time);
}

// Nobody tells when there is room: others make it.
bool Room::Waiter::Await() {
  if (room_.opener_.load() == std::this_thread::get_id()) return false;
  return !room_.AwaitStop(kRetryInterval);
}

std::shared_ptr<rocksdb::FileSystem> MakePatientFiles(Room& room) {
  return std::make_shared<PatientFiles>(room);
}

}  // namespace coterie::store
