#include "node/rocks_storage.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "io/posix_file.h"
#include "runtime/status_macros.h"
#include "state/machine.h"

namespace coterie::node {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kManifestBytesMax = 4 << 20;
constexpr std::size_t kManifestPrefixBytes = 8;  // Its length and CRC, fixed32 each.
constexpr std::size_t kFilesMax = 100'000;
constexpr std::size_t kReadBytes = 1 << 20;

absl::Status ErrnoStatus(const char* what, const std::string& path) {
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(errno));
  return errno == ENOSPC ? absl::ResourceExhaustedError(text) : absl::InternalError(text);
}

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status SyncPath(const std::string& path) {
  const Descriptor file(path, O_RDONLY | O_CLOEXEC);
  if (file.get() < 0 || ::fsync(file.get()) != 0) return ErrnoStatus("cannot sync", path);
  return absl::OkStatus();
}

absl::Status RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot remove ", path, ": ", error.message()));
  return absl::OkStatus();
}

absl::Status RenameFolder(const std::string& source, const std::string& target) {
  if (::rename(source.c_str(), target.c_str()) != 0) return ErrnoStatus("cannot rename", source);
  return SyncPath(fs::path(target).parent_path().string());
}

absl::StatusOr<std::string> ReadAt(const std::string& path, std::uint64_t offset,
                                   std::size_t size) {
  const Descriptor file(path, O_RDONLY | O_CLOEXEC);
  if (file.get() < 0) return ErrnoStatus("cannot open", path);
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(file.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("cannot read", path);
    if (got == 0) return absl::DataLossError(absl::StrCat(path, " is shorter than it was"));
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus("cannot write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

struct FileEntry {
  std::string name;
  std::uint64_t size_bytes = 0;
  std::uint32_t crc = 0;
};

absl::StatusOr<std::uint32_t> CrcOfFile(const std::string& path, std::uint64_t size) {
  std::uint32_t crc = 0;
  for (std::uint64_t offset = 0; offset < size; offset += kReadBytes) {
    ASSIGN_OR_RETURN(const std::string piece,
                     ReadAt(path, offset, std::min<std::uint64_t>(kReadBytes, size - offset)));
    crc = ExtendCrc32c(crc, piece);
  }
  return crc;
}

std::string EncodeManifest(const std::vector<FileEntry>& files) {
  ByteWriter body;
  body.Varint(files.size());
  for (const FileEntry& file : files) {
    body.Bytes(file.name);
    body.Varint(file.size_bytes);
    body.Fixed32(file.crc);
  }
  ByteWriter out;
  out.Fixed32(static_cast<std::uint32_t>(body.size_bytes()));
  out.Fixed32(ComputeCrc32c(body.view()));
  out.Raw(body.view());
  return out.Take();
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() < 256 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::optional<std::vector<FileEntry>> DecodeManifest(std::string_view body) {
  ByteReader in(body);
  const std::uint64_t count = in.Varint();
  if (!in.ok() || count > kFilesMax) return std::nullopt;
  std::vector<FileEntry> files;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    FileEntry file{.name = std::string(in.Bytes())};
    file.size_bytes = in.Varint();
    file.crc = in.Fixed32();
    if (!IsPlainName(file.name)) return std::nullopt;
    files.push_back(std::move(file));
  }
  if (!in.AtEnd()) return std::nullopt;
  return files;
}

class FolderCopy final : public StateCopy {
 public:
  // Takes over the folder: it is removed with this object.
  static absl::StatusOr<std::unique_ptr<StateCopy>> Open(std::string path) {
    std::unique_ptr<FolderCopy> copy(new FolderCopy(std::move(path)));
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(copy->path_, error)) {
      const std::uint64_t size = entry.file_size(error);
      if (error) break;
      ASSIGN_OR_RETURN(const std::uint32_t crc, CrcOfFile(entry.path().string(), size));
      copy->files_.push_back(
          {.name = entry.path().filename().string(), .size_bytes = size, .crc = crc});
    }
    if (error) return absl::InternalError(absl::StrCat("cannot list a copy: ", error.message()));
    copy->manifest_ = EncodeManifest(copy->files_);
    copy->total_bytes_ = copy->manifest_.size();
    for (const FileEntry& file : copy->files_) copy->total_bytes_ += file.size_bytes;
    return copy;
  }
  ~FolderCopy() override { static_cast<void>(RemoveFolder(path_)); }

  std::uint64_t total_bytes() const override { return total_bytes_; }

  absl::StatusOr<std::string> Read(std::uint64_t offset, std::size_t size) override {
    if (offset > total_bytes_) return absl::OutOfRangeError("beyond the snapshot's end");
    if (offset < manifest_.size()) return manifest_.substr(offset, size);
    offset -= manifest_.size();
    for (const FileEntry& file : files_) {
      if (offset < file.size_bytes) {
        const std::uint64_t left = file.size_bytes - offset;
        return ReadAt(absl::StrCat(path_, "/", file.name), offset,
                      std::min<std::uint64_t>(left, size));
      }
      offset -= file.size_bytes;
    }
    return std::string();
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    // Opening writes to the folder, so a copy of the links is opened, never what is sent.
    const std::string probe = path_ + ".probe";
    RETURN_IF_ERROR(RemoveFolder(probe));
    std::error_code error;
    fs::copy(path_, probe, fs::copy_options::recursive, error);
    if (error) return absl::InternalError(absl::StrCat("cannot copy: ", error.message()));
    std::optional<std::string> value;
    {
      ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> store, store::Store::Open(probe));
      value = store->Get(key);
    }
    RETURN_IF_ERROR(RemoveFolder(probe));
    return value;
  }

 private:
  explicit FolderCopy(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  std::vector<FileEntry> files_;
  std::string manifest_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace

// A snapshot as it comes in: first the manifest gathers, then file after file.
struct RocksStorage::Incoming {
  std::string folder;
  std::string manifest_bytes;
  std::optional<std::vector<FileEntry>> files;
  std::size_t current = 0;
  std::uint64_t written_bytes = 0;
  std::uint32_t crc = 0;
  std::unique_ptr<Descriptor> file;

  // Takes from `bytes` what belongs to the manifest.
  absl::Status TakeManifest(std::string_view& bytes) {
    std::size_t wanted = kManifestPrefixBytes;
    if (manifest_bytes.size() >= kManifestPrefixBytes) {
      wanted += ByteReader(manifest_bytes).Fixed32();
    }
    if (wanted > kManifestBytesMax)
      return absl::DataLossError("the snapshot's manifest is too long");
    const std::size_t taken = std::min(bytes.size(), wanted - manifest_bytes.size());
    manifest_bytes.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (manifest_bytes.size() < kManifestPrefixBytes) return absl::OkStatus();

    ByteReader prefix(manifest_bytes);
    const std::uint32_t size = prefix.Fixed32();
    const std::uint32_t expected = prefix.Fixed32();
    if (manifest_bytes.size() < kManifestPrefixBytes + size) return absl::OkStatus();
    const std::string_view body = std::string_view(manifest_bytes).substr(kManifestPrefixBytes);
    files = ComputeCrc32c(body) == expected ? DecodeManifest(body) : std::nullopt;
    if (!files) return absl::DataLossError("the snapshot's manifest is damaged");
    return absl::OkStatus();
  }

  absl::Status FinishFile() {
    const std::string path = absl::StrCat(folder, "/", (*files)[current].name);
    if (crc != (*files)[current].crc) {
      return absl::DataLossError(absl::StrCat("damaged on its way: ", (*files)[current].name));
    }
    if (::fsync(file->get()) != 0) return ErrnoStatus("cannot sync", path);
    file.reset();
    ++current;
    written_bytes = 0;
    crc = 0;
    return absl::OkStatus();
  }

  absl::Status TakeFileBytes(std::string_view& bytes) {
    const FileEntry& entry = (*files)[current];
    const std::string path = absl::StrCat(folder, "/", entry.name);
    if (!file) {
      file = std::make_unique<Descriptor>(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
      if (file->get() < 0) return ErrnoStatus("cannot create", path);
    }
    const std::size_t taken =
        std::min<std::uint64_t>(bytes.size(), entry.size_bytes - written_bytes);
    RETURN_IF_ERROR(WriteAll(file->get(), bytes.substr(0, taken), path));
    crc = ExtendCrc32c(crc, bytes.substr(0, taken));
    written_bytes += taken;
    bytes.remove_prefix(taken);
    return written_bytes == entry.size_bytes ? FinishFile() : absl::OkStatus();
  }
};

RocksStorage::RocksStorage(std::string path) : path_(std::move(path)) {}
RocksStorage::~RocksStorage() = default;

std::string RocksStorage::PathOf(const char* name) const { return absl::StrCat(path_, "/", name); }

std::shared_ptr<store::Store> RocksStorage::store() const {
  absl::MutexLock lock(&mutex_);
  return store_;
}

absl::Status RocksStorage::OpenStore() {
  ASSIGN_OR_RETURN(std::unique_ptr<store::Store> opened, store::Store::Open(PathOf("store")));
  absl::MutexLock lock(&mutex_);
  store_ = std::move(opened);
  if (is_stopping_) store_->StopWaiting();
  return absl::OkStatus();
}

absl::Status RocksStorage::Open(Index log_start) {
  RETURN_IF_ERROR(io::MakeFolders(path_));
  RETURN_IF_ERROR(RemoveFolder(PathOf("outgoing")));
  RETURN_IF_ERROR(RemoveFolder(PathOf("incoming")));
  if (!fs::exists(PathOf("store")) && fs::exists(PathOf("old")) && !fs::exists(PathOf("sealed"))) {
    RETURN_IF_ERROR(RenameFolder(PathOf("old"), PathOf("store")));
  }
  if (!fs::exists(PathOf("store")) && fs::exists(PathOf("sealed"))) {
    RETURN_IF_ERROR(MoveSealedIntoPlace());
  }
  RETURN_IF_ERROR(OpenStore());
  // It may be new: RocksDB makes what is in its folder durable, and not the folder's name.
  RETURN_IF_ERROR(SyncPath(path_));
  const std::optional<std::string> value = kv().Get(state::kAppliedKey);
  const std::optional<state::Applied> applied = value ? state::DecodeApplied(*value) : std::nullopt;
  const bool is_behind = (applied ? applied->index : Index()) < log_start;
  if (is_behind && fs::exists(PathOf("sealed"))) return Swap();
  RETURN_IF_ERROR(RemoveFolder(PathOf("sealed")));
  return RemoveFolder(PathOf("old"));
}

// The last damaged one is kept, for whoever wants to know what happened to it.
absl::Status RocksStorage::Discard() {
  {
    absl::MutexLock lock(&mutex_);
    store_.reset();
  }
  RETURN_IF_ERROR(RemoveFolder(PathOf("damaged")));
  RETURN_IF_ERROR(RemoveFolder(PathOf("sealed")));
  RETURN_IF_ERROR(RemoveFolder(PathOf("old")));
  return RenameFolder(PathOf("store"), PathOf("damaged"));
}

absl::Status RocksStorage::MoveSealedIntoPlace() {
  RETURN_IF_ERROR(RemoveFolder(PathOf("old")));
  if (fs::exists(PathOf("store"))) RETURN_IF_ERROR(RenameFolder(PathOf("store"), PathOf("old")));
  return RenameFolder(PathOf("sealed"), PathOf("store"));
}

state::Kv& RocksStorage::kv() { return *store(); }

absl::Status RocksStorage::Flush() {
  absl::MutexLock use(&use_mutex_);
  return store()->Flush();
}

absl::StatusOr<std::optional<std::string>> RocksStorage::GetDurable(std::string_view key) const {
  absl::MutexLock use(&use_mutex_);
  return store()->GetDurable(key);
}

absl::StatusOr<std::unique_ptr<StateCopy>> RocksStorage::Copy() {
  absl::MutexLock use(&use_mutex_);
  RETURN_IF_ERROR(io::MakeFolders(PathOf("outgoing")));
  std::string folder = absl::StrCat(PathOf("outgoing"), "/", ++copies_);
  RETURN_IF_ERROR(store()->WriteCheckpoint(folder));
  return FolderCopy::Open(std::move(folder));
}

absl::Status RocksStorage::BeginInstall() {
  incoming_.reset();
  RETURN_IF_ERROR(RemoveFolder(PathOf("incoming")));
  RETURN_IF_ERROR(io::MakeFolders(PathOf("incoming")));
  incoming_ = std::make_unique<Incoming>();
  incoming_->folder = PathOf("incoming");
  return absl::OkStatus();
}

absl::Status RocksStorage::Write(std::string_view bytes) {
  const absl::Status taken = Take(bytes);
  if (taken.ok()) return taken;
  // It is begun anew, if at all; the room is wanted.
  incoming_.reset();
  static_cast<void>(RemoveFolder(PathOf("incoming")));
  return taken;
}

absl::Status RocksStorage::Take(std::string_view bytes) {
  CHECK(incoming_ != nullptr);
  while (!bytes.empty()) {
    if (!incoming_->files) {
      RETURN_IF_ERROR(incoming_->TakeManifest(bytes));
    } else if (incoming_->current < incoming_->files->size()) {
      RETURN_IF_ERROR(incoming_->TakeFileBytes(bytes));
    } else {
      return absl::DataLossError("the snapshot is longer than its manifest says");
    }
  }
  // Empty files have no bytes that would bring them about.
  while (incoming_->files && incoming_->current < incoming_->files->size() &&
         (*incoming_->files)[incoming_->current].size_bytes == 0) {
    std::string_view nothing;
    RETURN_IF_ERROR(incoming_->TakeFileBytes(nothing));
  }
  return absl::OkStatus();
}

absl::Status RocksStorage::Seal() {
  CHECK(incoming_ != nullptr);
  if (!incoming_->files || incoming_->current != incoming_->files->size()) {
    return absl::DataLossError("the snapshot ended early");
  }
  incoming_.reset();
  RETURN_IF_ERROR(SyncPath(PathOf("incoming")));
  RETURN_IF_ERROR(RemoveFolder(PathOf("sealed")));
  return RenameFolder(PathOf("incoming"), PathOf("sealed"));
}

absl::StatusOr<std::optional<std::string>> RocksStorage::GetIncoming(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> sealed,
                   store::Store::Open(PathOf("sealed")));
  return sealed->Get(key);
}

absl::Status RocksStorage::Swap() {
  // RocksDB must have let go of the folder before another is opened under its name.
  absl::MutexLock use(&use_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    CHECK(store_ == nullptr || store_.use_count() == 1);
    store_.reset();
  }
  RETURN_IF_ERROR(MoveSealedIntoPlace());
  RETURN_IF_ERROR(OpenStore());
  return RemoveFolder(PathOf("old"));
}

std::uint64_t RocksStorage::size_bytes() const {
  absl::MutexLock lock(&mutex_);
  return store_ ? store_->size_bytes() : 0;
}

std::uint64_t RocksStorage::wanted_bytes() const {
  absl::MutexLock lock(&mutex_);
  return store_ ? store_->wanted_bytes() : 0;
}

bool RocksStorage::lacks_room() const {
  absl::MutexLock lock(&mutex_);
  return store_ && store_->lacks_room();
}

void RocksStorage::StopWaiting() {
  absl::MutexLock lock(&mutex_);
  is_stopping_ = true;
  if (store_) store_->StopWaiting();
}

}  // namespace coterie::node
