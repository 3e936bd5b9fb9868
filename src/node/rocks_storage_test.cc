// A state on a disk that forgets at any moment what was not synced by then: a snapshot that was
// being installed is there as a whole, or not at all.

#include "node/rocks_storage.h"

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"
#include "state/machine.h"

namespace coterie::node {
namespace {

namespace fs = std::filesystem;

template <class Function>
Function Real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// Not by what stands for it below.
void RenameReally(const fs::path& from, const fs::path& to) {
  CHECK(Real<decltype(&::rename)>("rename")(from.c_str(), to.c_str()) == 0);
}

// Of one folder: what of it is on the disk, and what happens when the power goes. A file's bytes
// are there up to where it ended at its last sync, names as of the folder's last one. From the n-th
// operation on every sync and every renaming fails. What was removed stays away.
class Power {
 public:
  static Power& Get() {
    static Power power;
    return power;
  }
  // `root` itself is there for good. Nothing fails for now.
  void Watch(const std::string& root) {
    const absl::MutexLock lock(&mutex_);
    ForgetAll();
    root_ = root;
    operations_left_ = kAll;
  }
  void CutAfter(std::uint64_t operations) {
    const absl::MutexLock lock(&mutex_);
    operations_left_ = operations;
  }
  bool IsCut() {
    const absl::MutexLock lock(&mutex_);
    return operations_left_ == 0;
  }
  // What was not synced is gone, and the power is back.
  void Lose() {
    const absl::MutexLock lock(&mutex_);
    operations_left_ = kAll;
    LoseIn(root_);
  }
  // Nobody's folder any more.
  void Leave() { Watch(""); }

  // --- Called by the program's own fsync and rename ---

  bool MayGoOn(const std::string& path) {
    const absl::MutexLock lock(&mutex_);
    if (root_.empty() || !path.starts_with(root_)) return true;
    if (operations_left_ == 0) return false;
    if (operations_left_ != kAll) --operations_left_;
    return true;
  }
  // Another file is about to be given its name.
  void Replacing(const std::string& path) {
    const absl::MutexLock lock(&mutex_);
    if (root_.empty() || !path.starts_with(root_) || !fs::is_regular_file(path)) return;
    fs::create_directory(root_ + ".replaced");
    std::error_code error;  // It may have been replaced before, and come back.
    fs::create_hard_link(path, PathOfReplaced(StatusOf(path).st_ino), error);
  }
  // Whether it is watched.
  bool Synced(int file, const std::string& path) {
    const absl::MutexLock lock(&mutex_);
    if (root_.empty() || !path.starts_with(root_)) return false;
    const struct stat status = StatusOf(path);
    Durable& durable = durable_[status.st_ino];
    // While it is open no other file is given its number.
    if (durable.file < 0) durable.file = fcntl(file, F_DUPFD_CLOEXEC, 0);
    durable.size_bytes = static_cast<std::uint64_t>(status.st_size);
    durable.names.clear();
    if (!S_ISDIR(status.st_mode)) return true;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      durable.names.emplace(entry.path().filename().string(), StatusOf(entry.path()).st_ino);
    }
    return true;
  }

 private:
  static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  struct Durable {
    int file = -1;
    std::uint64_t size_bytes = 0;
    std::map<std::string, ino_t> names;  // Of a folder.
  };

  static struct stat StatusOf(const fs::path& path) {
    struct stat status {};
    CHECK(::lstat(path.c_str(), &status) == 0);
    return status;
  }
  fs::path PathOfReplaced(ino_t inode) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return root_ + ".replaced/" + std::to_string(inode);
  }
  void ForgetAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto& [inode, durable] : durable_) ::close(durable.file);
    durable_.clear();
    if (!root_.empty()) fs::remove_all(root_ + ".replaced");
  }
  void LoseIn(const fs::path& folder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = durable_.find(StatusOf(folder).st_ino);
    const std::map<std::string, ino_t> names =
        found == durable_.end() ? std::map<std::string, ino_t>() : found->second.names;
    std::map<ino_t, std::string> now;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      now.emplace(StatusOf(entry.path()).st_ino, entry.path().filename().string());
    }
    std::map<std::string, ino_t> kept;
    for (const auto& [name, inode] : names) {
      if (now.contains(inode)) kept.emplace(name, inode);
    }
    Rename(folder, now, kept);
    for (const auto& [name, inode] : names) {
      if (kept.contains(name) || !fs::exists(PathOfReplaced(inode))) continue;
      RenameReally(PathOfReplaced(inode), folder / name);
      kept.emplace(name, inode);
    }
    for (const auto& [name, inode] : kept) LoseFrom(folder / name);
  }
  // What is not kept is removed. Names may be exchanged.
  static void Rename(const fs::path& folder, const std::map<ino_t, std::string>& now,
                     const std::map<std::string, ino_t>& kept) {
    const auto aside = [&folder](ino_t inode) {
      return folder / ("aside." + std::to_string(inode));
    };
    for (const auto& [inode, name] : now) RenameReally(folder / name, aside(inode));
    for (const auto& [name, inode] : kept) {
      RenameReally(aside(inode), folder / name);
    }
    for (const auto& [inode, name] : now) fs::remove_all(aside(inode));
  }
  void LoseFrom(const fs::path& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const struct stat status = StatusOf(path);
    if (S_ISDIR(status.st_mode)) return LoseIn(path);
    const auto found = durable_.find(status.st_ino);
    const std::uint64_t kept = found == durable_.end() ? 0 : found->second.size_bytes;
    if (static_cast<std::uint64_t>(status.st_size) > kept) fs::resize_file(path, kept);
  }

  absl::Mutex mutex_;
  std::string root_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t operations_left_ ABSL_GUARDED_BY(mutex_) = kAll;
  std::map<ino_t, Durable> durable_ ABSL_GUARDED_BY(mutex_);
};

int Sync(int file, const char* name) {
  char path[4096];
  const ssize_t size =
      ::readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path, sizeof(path));
  const std::string target(path, size < 0 ? 0 : static_cast<std::size_t>(size));
  if (!Power::Get().MayGoOn(target)) {
    errno = EIO;
    return -1;
  }
  // What is watched is lost by us alone, and need not wait for the disk.
  if (Power::Get().Synced(file, target)) return 0;
  return Real<int (*)(int)>(name)(file);
}

}  // namespace
}  // namespace coterie::node

// In place of the C library's, for this program and for the libraries in it: RocksDB's syncs count.
extern "C" {
int fsync(int file) { return coterie::node::Sync(file, "fsync"); }
int fdatasync(int file) { return coterie::node::Sync(file, "fdatasync"); }
int rename(const char* from, const char* to) noexcept {
  if (!coterie::node::Power::Get().MayGoOn(from)) {
    errno = EIO;
    return -1;
  }
  coterie::node::Power::Get().Replacing(to);
  return coterie::node::Real<decltype(&::rename)>("rename")(from, to);
}
}

namespace coterie::node {
namespace {

const Index kOld(5);
const Index kNew(20);

class Installation : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rocks_storage_test.XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    Power::Get().Watch(root_);
    RocksStorage sender(root_ + "/sender");
    ASSERT_TRUE(sender.Open(Index()).ok());
    Fill(sender, kNew);
    const absl::StatusOr<std::unique_ptr<StateCopy>> copy = sender.Copy();
    ASSERT_TRUE(copy.ok()) << copy.status();
    while (stream_.size() < (*copy)->total_bytes()) {
      stream_ += (*copy)->Read(stream_.size(), 1 << 20).value_or("");
    }
  }
  void TearDown() override {
    storage_.reset();
    Power::Get().Leave();
    fs::remove_all(root_);
  }
  static void Fill(RocksStorage& storage, Index applied) {
    storage.kv().Put(state::kAppliedKey, state::EncodeApplied({.term = Term(1), .index = applied}));
    storage.kv().Put("text", std::string(100'000, static_cast<char>('a' + applied.value())));
    storage.kv().Commit();
    ASSERT_TRUE(storage.Flush().ok());
  }
  // A node whose state is durable, and old.
  void Begin() {
    storage_.reset();
    fs::remove_all(root_ + "/receiver");
    fs::create_directory(root_ + "/receiver");
    Power::Get().Watch(root_ + "/receiver");
    Reopen(Index());
    Fill(*storage_, kOld);
  }
  void Reopen(Index log_start) {
    storage_ = std::make_unique<RocksStorage>(root_ + "/receiver/state");
    const absl::Status opened = storage_->Open(log_start);
    ASSERT_TRUE(opened.ok()) << opened;
  }
  void LosePower() {
    storage_.reset();
    Power::Get().Lose();
  }
  absl::Status ReceiveAndSeal() {
    RETURN_IF_ERROR(storage_->BeginInstall());
    for (std::size_t at = 0; at < stream_.size(); at += 10'000) {
      RETURN_IF_ERROR(storage_->Write(std::string_view(stream_).substr(at, 10'000)));
    }
    return storage_->Seal();
  }
  // As Replica::ReceiveSnapshot(): once it is OK the log begins anew behind the snapshot.
  absl::Status Receive() {
    RETURN_IF_ERROR(ReceiveAndSeal());
    return storage_->GetIncoming(state::kAppliedKey).status();
  }
  Index Applied() {
    const auto applied = state::DecodeApplied(storage_->kv().Get(state::kAppliedKey).value_or(""));
    return applied ? applied->index : Index();
  }
  bool Holds(Index expected) {
    const std::string text(100'000, static_cast<char>('a' + expected.value()));
    return Applied() == expected && storage_->kv().Get("text") == text;
  }

  std::string root_;
  std::string stream_;  // Of a newer state.
  std::unique_ptr<RocksStorage> storage_;
};

TEST_F(Installation, WhatIsFlushedIsThereWhenThePowerIsBack) {
  Begin();
  LosePower();
  Reopen(kOld);
  EXPECT_TRUE(Holds(kOld));
}

TEST_F(Installation, MayLosePowerAtEveryOperation) {
  std::uint64_t installed = 0;
  for (std::uint64_t operations = 1; installed == 0; ++operations) {
    ASSERT_LT(operations, 1'000u);
    ASSERT_NO_FATAL_FAILURE(Begin());
    Power::Get().CutAfter(operations);
    const bool is_received = Receive().ok();
    const bool is_swapped = is_received && storage_->Swap().ok();
    if (!Power::Get().IsCut()) installed = operations;
    LosePower();

    const Index log_start = is_received ? kNew : Index();
    ASSERT_NO_FATAL_FAILURE(Reopen(log_start)) << "operation " << operations;
    ASSERT_TRUE(Holds(is_received ? kNew : kOld))
        << "operation " << operations << ": applied " << Applied().value() << " is swapped "
        << is_swapped;
  }
  EXPECT_GT(installed, 10u);
}

// A node that starts with a snapshot that is sealed, and its log reset, finishes the swap, however
// often it is kept from it.
TEST_F(Installation, IsFinishedByARestartThatMayLosePowerAtEveryOperation) {
  bool is_over = false;
  for (std::uint64_t operations = 1; !is_over; ++operations) {
    ASSERT_LT(operations, 1'000u);
    ASSERT_NO_FATAL_FAILURE(Begin());
    ASSERT_TRUE(ReceiveAndSeal().ok());
    LosePower();

    Power::Get().CutAfter(operations);
    storage_ = std::make_unique<RocksStorage>(root_ + "/receiver/state");
    const bool is_open = storage_->Open(kNew).ok();
    is_over = !Power::Get().IsCut();
    ASSERT_TRUE(is_open || !is_over);
    LosePower();

    ASSERT_NO_FATAL_FAILURE(Reopen(kNew)) << "operation " << operations;
    ASSERT_TRUE(Holds(kNew)) << "operation " << operations << ": applied " << Applied().value();
  }
}

// Its log was not reset: what it has goes on from where it is.
TEST_F(Installation, ThatTheLogDoesNotKnowOfIsForgotten) {
  Begin();
  ASSERT_TRUE(Receive().ok());
  LosePower();
  Reopen(kOld);
  EXPECT_TRUE(Holds(kOld));
  LosePower();
  Reopen(kNew);
  EXPECT_TRUE(Holds(kOld));
}

}  // namespace
}  // namespace coterie::node
