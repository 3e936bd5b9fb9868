// A store on a real disk that is full, and has room again later.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/prng.h"
#include "store/store.h"

namespace coterie::store {
namespace {

namespace fs = std::filesystem;

// A disk of 40 MiB, less than RocksDB keeps in memory before it writes. Only who may mount has one,
// and nobody else sees it.
class SmallDisk : public testing::Test {
 protected:
  static constexpr std::size_t kValueBytes = 1 << 20;

  // Before RocksDB starts the threads that all its databases share: they must see the disk, too.
  static void SetUpTestSuite() {
    can_mount_ =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "full_disk_test.XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    if (!can_mount_ || mount("small", root_.c_str(), "tmpfs", 0, "size=40m") != 0) {
      can_mount_ = false;
      GTEST_SKIP() << "may not mount a file system";
    }
    Open();
  }
  void TearDown() override {
    store_.reset();
    if (can_mount_) umount2(root_.c_str(), MNT_DETACH);
    fs::remove_all(root_);
  }
  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  void Open() {
    store_.reset();
    auto opened = Store::Open(Path("db"));
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  std::string Applied() { return store_->Get("applied").value_or("none"); }
  void MakeRoom() { ASSERT_EQ(mount("small", root_.c_str(), "tmpfs", MS_REMOUNT, "size=2g"), 0); }
  // Of such a name, and such bytes as no compression makes smaller.
  static std::string ValueOf(int number) {
    std::string value(kValueBytes, '\0');
    Prng prng(static_cast<std::uint64_t>(number) + 1);
    for (char& byte : value) byte = static_cast<char>(prng.Next());
    return value;
  }
  void Add(int number) {
    store_->Put("value" + std::to_string(number), ValueOf(number));
    store_->Put("applied", std::to_string(number));
    store_->Commit();
  }
  bool Has(int number) { return store_->Get("value" + std::to_string(number)) == ValueOf(number); }
  // Whether `is_so` becomes true within 20 s.
  template <class Question>
  static bool Becomes(const Question& is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }

  static bool can_mount_;
  std::string root_;
  std::unique_ptr<Store> store_;
};
bool SmallDisk::can_mount_ = false;

TEST_F(SmallDisk, WhatFindsNoRoomIsReadAndWaitsForIt) {
  constexpr int kValues = 300;  // More than the memtables take while nothing is flushed.
  for (int i = 0; i < 100; ++i) Add(i);
  EXPECT_TRUE(Becomes([this] { return store_->lacks_room(); }));
  for (int i = 100; i < kValues; ++i) Add(i);
  EXPECT_EQ(Applied(), std::to_string(kValues - 1));
  for (int i = 0; i < kValues; i += 7) EXPECT_TRUE(Has(i)) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Flush()));
  EXPECT_TRUE(absl::IsResourceExhausted(store_->WriteCheckpoint(Path("copy"))));

  MakeRoom();
  EXPECT_TRUE(Becomes([this] {
    store_->Commit();
    return !store_->lacks_room();
  }));
  ASSERT_TRUE(store_->Flush().ok());
  Open();
  EXPECT_EQ(Applied(), std::to_string(kValues - 1));
  for (int i = 0; i < kValues; i += 7) EXPECT_TRUE(Has(i)) << i;
}

TEST_F(SmallDisk, AStoreThatIsClosedWhileItIsFullHasWhatWasDurable) {
  for (int i = 0; i < 30; ++i) Add(i);
  ASSERT_TRUE(store_->Flush().ok());
  for (int i = 30; i < 100; ++i) Add(i);
  EXPECT_TRUE(Becomes([this] { return store_->lacks_room(); }));
  store_->StopWaiting();
  store_.reset();
  MakeRoom();
  Open();
  EXPECT_EQ(Applied(), "29");
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(Has(i)) << i;
}

TEST_F(SmallDisk, SaysHowMuchItHasYetToWrite) {
  EXPECT_LT(store_->wanted_bytes(), std::uint64_t{8} << 20);
  for (int i = 0; i < 20; ++i) Add(i);
  EXPECT_GT(store_->wanted_bytes(), std::uint64_t{20} << 20);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_LT(store_->wanted_bytes(), std::uint64_t{8} << 20);
}

}  // namespace
}  // namespace coterie::store
