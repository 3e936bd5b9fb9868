// Preloaded into a process (LD_PRELOAD): what it writes below the folder COTERIE_FORGETFUL_ROOT and
// does not sync is gone when the next process with the same COTERIE_FORGETFUL_JOURNAL starts, as
// after a power cut that came before any of it had got to the disk. Contents last as of the file's
// last fsync or fdatasync; names (creations, renames, removals, links) as of the folder's last
// fsync. With COTERIE_FORGETFUL_LIES set, a sync says that it is done and does nothing: the disk
// lies. While the file COTERIE_FORGETFUL_BROKEN exists every sync fails with EIO, and does nothing.
//
// How: everything happens to the real files at once, and before each change the journal is told how
// to take it back. The journal lives outside the root, is read backwards by the next process, and
// holds hard links to the files it speaks of, so that what was renamed or removed is found again.
// What it does not know: mmap and stdio (RocksDB's text log is written by stdio), folders that are
// made or removed, and single sectors: a write is lost as a whole. For tests only.

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace {

enum class Kind : std::uint8_t {
  kContents,    // Of `inode`: `bytes` stood at `offset`, and the size was `size`.
  kFileSynced,  // What came before about the contents of `inode` stays.
  kCreated,     // The name `path` was not there.
  kGone,        // The name `path` was `inode`'s.
  kDirSynced,   // What came before about names in the folder `path` stays.
};

struct Entry {
  Kind kind;
  std::uint64_t inode;
  std::uint64_t offset;
  std::uint64_t size;
  std::string path;
  std::string bytes;
};

struct Header {
  std::uint8_t kind;
  std::uint64_t inode;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint32_t path_bytes;
  std::uint32_t data_bytes;
};

constexpr int kFilesMax = 65'536;
bool is_ours[kFilesMax];  // Open files below the root.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
int journal = -1;
char root[4096];
char journal_folder[4096];
char broken[4096];
bool lies = false;

template <class Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
#define REAL(name) (Real<decltype(&::name)>(#name))

class Lock {
 public:
  Lock() { pthread_mutex_lock(&mutex); }
  ~Lock() { pthread_mutex_unlock(&mutex); }
};

bool IsActive() { return journal >= 0; }
bool IsTracked(int file) { return IsActive() && file >= 0 && file < kFilesMax && is_ours[file]; }

std::string PathOf(int file) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof(path));
  return size < 0 ? std::string() : std::string(path, static_cast<std::size_t>(size));
}

std::string Absolute(int folder, const char* path) {
  if (path[0] == '/') return path;
  std::string base;
  if (folder == AT_FDCWD) {
    char cwd[4096];
    base = getcwd(cwd, sizeof(cwd)) != nullptr ? cwd : "";
  } else {
    base = PathOf(folder);
  }
  return base + "/" + path;
}

bool IsBelowRoot(const std::string& path) { return IsActive() && path.rfind(root, 0) == 0; }

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

void Tell(const Entry& entry) {
  const Header header{.kind = static_cast<std::uint8_t>(entry.kind),
                      .inode = entry.inode,
                      .offset = entry.offset,
                      .size = entry.size,
                      .path_bytes = static_cast<std::uint32_t>(entry.path.size()),
                      .data_bytes = static_cast<std::uint32_t>(entry.bytes.size())};
  std::string record(reinterpret_cast<const char*>(&header), sizeof(header));
  record += entry.path + entry.bytes;
  const std::uint64_t size = record.size();
  record.append(reinterpret_cast<const char*>(&size), sizeof(size));
  // One write: the process may be killed between two.
  if (REAL(write)(journal, record.data(), record.size()) != static_cast<ssize_t>(record.size())) {
    std::abort();
  }
}

std::string LinkOf(std::uint64_t inode) {
  return std::string(journal_folder) + "/" + std::to_string(inode);
}

// So that the file can be found again whatever becomes of its name.
void Keep(const std::string& path, std::uint64_t inode) {
  REAL(linkat)(AT_FDCWD, path.c_str(), AT_FDCWD, LinkOf(inode).c_str(), AT_SYMLINK_FOLLOW);
}

void BeforeContents(int file, std::uint64_t offset, std::uint64_t size) {
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return;
  char link[64];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  Keep(link, status.st_ino);
  Entry entry{.kind = Kind::kContents,
              .inode = status.st_ino,
              .offset = offset,
              .size = static_cast<std::uint64_t>(status.st_size)};
  if (offset < entry.size) {
    entry.bytes.resize(std::min<std::uint64_t>(size, entry.size - offset));
    // By a descriptor of its own: this one may be open for writing alone.
    const int reader = REAL(open)(link, O_RDONLY | O_CLOEXEC);
    const ssize_t got =
        pread(reader, entry.bytes.data(), entry.bytes.size(), static_cast<off_t>(offset));
    close(reader);
    if (got != static_cast<ssize_t>(entry.bytes.size())) std::abort();
  }
  Tell(entry);
}

void BeforeNameGoes(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  Keep(path, status.st_ino);
  Tell({.kind = Kind::kGone, .inode = status.st_ino, .path = path});
}

bool IsBroken() { return broken[0] != '\0' && access(broken, F_OK) == 0; }

void OnSync(int file) {
  if (lies) return;
  struct stat status {};
  if (fstat(file, &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    Tell({.kind = Kind::kDirSynced, .path = PathOf(file)});
  } else {
    Tell({.kind = Kind::kFileSynced, .inode = status.st_ino});
  }
}

// As the real ones.
int SyncTracked(int file) {
  if (IsBroken()) {
    errno = EIO;
    return -1;
  }
  OnSync(file);
  return 0;
}

int Opened(int file, const std::string& path, bool is_new) {
  if (file < 0 || file >= kFilesMax || !IsBelowRoot(path)) return file;
  is_ours[file] = true;
  if (is_new) Tell({.kind = Kind::kCreated, .path = path});
  return file;
}

int OpenAt(int folder, const char* path, int flags, mode_t mode) {
  const auto real = REAL(openat);
  if (!IsActive()) return real(folder, path, flags, mode);
  const std::string absolute = Absolute(folder, path);
  if (!IsBelowRoot(absolute)) return real(folder, path, flags, mode);
  const Lock lock;
  struct stat status {};
  const bool is_new = (flags & O_CREAT) != 0 && stat(absolute.c_str(), &status) != 0;
  if (!is_new && (flags & O_TRUNC) != 0) {
    const int existing = real(folder, path, O_RDWR | O_CLOEXEC, 0);
    if (existing >= 0) {
      BeforeContents(existing, 0, ~0ULL);
      close(existing);
    }
  }
  return Opened(real(folder, path, flags, mode), absolute, is_new);
}

// --- The next process ---

std::vector<Entry> ReadJournal(int file) {
  struct stat status {};
  fstat(file, &status);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  std::vector<Entry> entries;
  for (std::size_t at = 0; at + sizeof(Header) <= done;) {
    Header header{};
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    const std::size_t size =
        sizeof(header) + header.path_bytes + header.data_bytes + sizeof(std::uint64_t);
    if (at + size > done) break;  // It was killed while it wrote this, before the change itself.
    const char* const path = bytes.data() + at + sizeof(header);
    entries.push_back({.kind = static_cast<Kind>(header.kind),
                       .inode = header.inode,
                       .offset = header.offset,
                       .size = header.size,
                       .path = std::string(path, header.path_bytes),
                       .bytes = std::string(path + header.path_bytes, header.data_bytes)});
    at += size;
  }
  return entries;
}

void TakeBackContents(const Entry& entry) {
  const int file = REAL(open)(LinkOf(entry.inode).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  // Without bytes it speaks of the size alone.
  const bool is_written =
      entry.bytes.empty() ||
      REAL(pwrite)(file, entry.bytes.data(), entry.bytes.size(),
                   static_cast<off_t>(entry.offset)) == static_cast<ssize_t>(entry.bytes.size());
  const bool is_whole = is_written && REAL(ftruncate)(file, static_cast<off_t>(entry.size)) == 0;
  close(file);
  if (!is_whole) std::abort();
}

// Backwards; what was synced after an entry makes it stay.
void TakeBack(const std::vector<Entry>& entries) {
  std::set<std::uint64_t> synced_files;
  std::set<std::string> synced_folders;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->kind == Kind::kFileSynced) synced_files.insert(entry->inode);
    if (entry->kind == Kind::kDirSynced) synced_folders.insert(entry->path);
    if (entry->kind == Kind::kContents && !synced_files.contains(entry->inode)) {
      TakeBackContents(*entry);
    }
    if (synced_folders.contains(FolderOf(entry->path))) continue;
    if (entry->kind == Kind::kCreated) REAL(unlink)(entry->path.c_str());
    if (entry->kind == Kind::kGone) {
      REAL(unlink)(entry->path.c_str());
      REAL(linkat)(AT_FDCWD, LinkOf(entry->inode).c_str(), AT_FDCWD, entry->path.c_str(), 0);
    }
  }
  for (const Entry& entry : entries) {
    if (entry.inode != 0) REAL(unlink)(LinkOf(entry.inode).c_str());
  }
}

__attribute__((constructor)) void Begin() {
  const char* const wanted_root = std::getenv("COTERIE_FORGETFUL_ROOT");
  const char* const wanted_journal = std::getenv("COTERIE_FORGETFUL_JOURNAL");
  if (wanted_root == nullptr || wanted_journal == nullptr) return;
  std::snprintf(root, sizeof(root), "%s", wanted_root);
  std::snprintf(journal_folder, sizeof(journal_folder), "%s", wanted_journal);
  lies = std::getenv("COTERIE_FORGETFUL_LIES") != nullptr;
  const char* const wanted_broken = std::getenv("COTERIE_FORGETFUL_BROKEN");
  if (wanted_broken != nullptr) std::snprintf(broken, sizeof(broken), "%s", wanted_broken);
  mkdir(journal_folder, 0700);
  const std::string path = std::string(journal_folder) + "/journal";
  const int file = REAL(open)(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) std::abort();
  TakeBack(ReadJournal(file));
  if (REAL(ftruncate)(file, 0) != 0) std::abort();
  // Out of the way of whoever closes all files.
  journal = fcntl(file, F_DUPFD_CLOEXEC, 1'000);
  close(file);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenAt(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenAt(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenAt(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return OpenAt(folder, path, flags, mode);
}
int close(int file) {
  if (file >= 0 && file < kFilesMax) is_ours[file] = false;
  return REAL(close)(file);
}

ssize_t write(int file, const void* bytes, size_t size) {
  if (!IsTracked(file)) return REAL(write)(file, bytes, size);
  const Lock lock;
  struct stat status {};
  fstat(file, &status);
  const bool appends = (fcntl(file, F_GETFL) & O_APPEND) != 0;
  const off_t at = appends ? status.st_size : lseek(file, 0, SEEK_CUR);
  BeforeContents(file, static_cast<std::uint64_t>(at), size);
  return REAL(write)(file, bytes, size);
}
ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  if (!IsTracked(file)) return REAL(pwrite)(file, bytes, size, offset);
  const Lock lock;
  BeforeContents(file, static_cast<std::uint64_t>(offset), size);
  return REAL(pwrite)(file, bytes, size, offset);
}
ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  return pwrite(file, bytes, size, offset);
}
int ftruncate(int file, off_t size) {
  if (!IsTracked(file)) return REAL(ftruncate)(file, size);
  const Lock lock;
  BeforeContents(file, static_cast<std::uint64_t>(size), ~0ULL);
  return REAL(ftruncate)(file, size);
}
int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }
int fallocate(int file, int mode, off_t offset, off_t size) {
  if (!IsTracked(file)) return REAL(fallocate)(file, mode, offset, size);
  const Lock lock;
  BeforeContents(file, ~0ULL, 0);  // Only the size.
  return REAL(fallocate)(file, mode, offset, size);
}
int fallocate64(int file, int mode, off64_t offset, off64_t size) {
  return fallocate(file, mode, offset, size);
}

int fsync(int file) {
  const Lock lock;
  return IsTracked(file) ? SyncTracked(file) : REAL(fsync)(file);
}
int fdatasync(int file) {
  const Lock lock;
  return IsTracked(file) ? SyncTracked(file) : REAL(fdatasync)(file);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  const auto real = REAL(renameat);
  const std::string source = IsActive() ? Absolute(from_folder, from) : "";
  if (!IsBelowRoot(source)) return real(from_folder, from, to_folder, to);
  const Lock lock;
  const std::string target = Absolute(to_folder, to);
  struct stat status {};
  const bool is_new = lstat(target.c_str(), &status) != 0;
  // Whole folders are moved at once and for good: there is no telling what is in them.
  if (lstat(source.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
    if (is_new) {
      Tell({.kind = Kind::kCreated, .path = target});
    } else {
      BeforeNameGoes(target);
    }
    BeforeNameGoes(source);
  }
  return real(from_folder, from, to_folder, to);
}
int rename(const char* from, const char* to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int folder, const char* path, int flags) {
  const std::string absolute = IsActive() ? Absolute(folder, path) : "";
  if (!IsBelowRoot(absolute)) return REAL(unlinkat)(folder, path, flags);
  const Lock lock;
  BeforeNameGoes(absolute);
  return REAL(unlinkat)(folder, path, flags);
}
int unlink(const char* path) { return unlinkat(AT_FDCWD, path, 0); }

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  const std::string target = IsActive() ? Absolute(to_folder, to) : "";
  if (!IsBelowRoot(target)) return REAL(linkat)(from_folder, from, to_folder, to, flags);
  const Lock lock;
  Tell({.kind = Kind::kCreated, .path = target});
  return REAL(linkat)(from_folder, from, to_folder, to, flags);
}
int link(const char* from, const char* to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

}  // extern "C"
