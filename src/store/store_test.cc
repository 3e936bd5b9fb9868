#include "store/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace coterie::store {
namespace {

namespace fs = std::filesystem;

// A folder that is gone after the test, and verbs on stores in it.
class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (fs::temp_directory_path() / "store_test.XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~StoreTest() override {
    store_.reset();
    fs::remove_all(root_);
  }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  void Open(const std::string& name) {
    store_.reset();
    auto opened = Store::Open(Path(name));
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  // One Commit() of two keys that must always agree.
  void CommitNumber(int number) {
    store_->Put("applied", std::to_string(number));
    store_->Put("data", std::to_string(number));
    store_->Commit();
  }
  std::string Durable(const std::string& key) {
    const auto value = store_->GetDurable(key);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() && *value ? **value : "none";
  }
  std::string Value(const std::string& key) { return store_->Get(key).value_or("none"); }
  // What a power cut now would leave: the files as they are, without closing anything.
  void CopyFilesAsOfCrash(const std::string& source, const std::string& target) {
    fs::copy(Path(source), Path(target), fs::copy_options::recursive);
    fs::remove(Path(target) + "/LOCK");
  }

  std::string root_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, GetSeesPendingWritesAndCommittedOnes) {
  Open("db");
  store_->Put("a", "1");
  store_->Put("b", "2");
  EXPECT_EQ(Value("a"), "1");
  store_->Commit();
  store_->Delete("a");
  store_->Put("b", "3");
  store_->Put("c", std::string("\0x", 2));
  EXPECT_EQ(Value("a"), "none");
  EXPECT_EQ(Value("b"), "3");
  store_->Commit();
  EXPECT_EQ(Value("a"), "none");
  EXPECT_EQ(Value("c"), std::string("\0x", 2));
}

TEST_F(StoreTest, ScanIsAscendingHalfOpenAndStops) {
  Open("db");
  for (const char* key : {"b1", "a", "b2", "c", "b0"}) store_->Put(key, key);
  store_->Commit();
  std::string seen;
  store_->Scan("b", "c", [&](std::string_view key, std::string_view value) {
    EXPECT_EQ(key, value);
    seen.append(key).append(" ");
    return seen.size() < 6;
  });
  EXPECT_EQ(seen, "b0 b1 ");
}

TEST_F(StoreTest, OnlyFlushMakesDurable) {
  Open("db");
  EXPECT_EQ(Durable("data"), "none");
  CommitNumber(1);
  EXPECT_EQ(Durable("data"), "none");
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(Durable("data"), "1");
  CommitNumber(2);
  EXPECT_EQ(Durable("data"), "1");
  EXPECT_EQ(Value("data"), "2");
}

TEST_F(StoreTest, CrashLeavesTheStateOfAnEarlierCommitAndGetDurableToldSo) {
  Open("db");
  CommitNumber(1);
  ASSERT_TRUE(store_->Flush().ok());
  CommitNumber(2);
  const std::string durable = Durable("applied");
  CopyFilesAsOfCrash("db", "crashed");

  Open("crashed");

  EXPECT_EQ(durable, "1");
  EXPECT_EQ(Value("applied"), durable);
  EXPECT_EQ(Value("data"), durable);
  EXPECT_EQ(Durable("applied"), durable);
}

TEST_F(StoreTest, KilledProcessLeavesTheStateOfAnEarlierCommit) {
  // The child is a new process that runs this test up to here: RocksDB's threads outlive no fork.
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  constexpr char kFolder[] = "COTERIE_STORE_TEST_FOLDER";
  setenv(kFolder, root_.c_str(), 0);
  EXPECT_EXIT(
      {
        auto opened = Store::Open(std::string(std::getenv(kFolder)) + "/db");
        store_ = *std::move(opened);
        CommitNumber(1);
        if (!store_->Flush().ok()) std::_Exit(1);
        CommitNumber(2);
        kill(getpid(), SIGKILL);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  unsetenv(kFolder);

  Open("db");

  EXPECT_EQ(Value("applied"), "1");
  EXPECT_EQ(Value("data"), "1");
}

TEST_F(StoreTest, FlushesOfItsOwnAccordKeepCommitsWhole) {
  Open("db");
  const std::string filler(1 << 20, 'x');
  for (int number = 1; number <= 150; ++number) {  // More than two write buffers.
    store_->Put("filler" + std::to_string(number), filler);
    CommitNumber(number);
  }
  // The store flushes in a thread of its own, in its own time.
  std::string durable = Durable("applied");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (durable == "none" && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
    durable = Durable("applied");
  }
  ASSERT_NE(durable, "none");
  CopyFilesAsOfCrash("db", "crashed");

  Open("crashed");

  const std::string applied = Value("applied");
  ASSERT_NE(applied, "none");
  EXPECT_EQ(Value("data"), applied);
  EXPECT_GE(std::stoi(applied), std::stoi(durable));  // A flush may have ended meanwhile.
  EXPECT_TRUE(store_->Get("filler" + applied).has_value());
  EXPECT_FALSE(store_->Get("filler" + std::to_string(std::stoi(applied) + 1)).has_value());
}

TEST_F(StoreTest, CloseKeepsEverythingCommitted) {
  Open("db");
  CommitNumber(7);
  Open("db");
  EXPECT_EQ(Value("applied"), "7");
}

TEST_F(StoreTest, CheckpointHoldsWhatWasCommittedAndSaysWhere) {
  Open("db");
  CommitNumber(1);
  ASSERT_TRUE(store_->WriteCheckpoint(Path("copy")).ok());
  CommitNumber(2);

  Open("copy");

  EXPECT_EQ(Value("applied"), "1");
  EXPECT_EQ(Value("data"), "1");
}

TEST_F(StoreTest, CheckpointsAreConsistentWhileWritesGoOn) {
  Open("db");
  CommitNumber(1);
  std::atomic<bool> is_done = false;
  std::atomic<int> committed = 1;
  std::thread writer([&] {
    for (int number = 2; !is_done; ++number) {
      CommitNumber(number);
      committed = number;
    }
  });
  std::vector<int> at_least;
  for (int copy = 0; copy < 5; ++copy) {
    at_least.push_back(committed);
    EXPECT_TRUE(store_->WriteCheckpoint(Path("copy" + std::to_string(copy))).ok());
  }
  is_done = true;
  writer.join();

  for (int copy = 0; copy < 5; ++copy) {
    Open("copy" + std::to_string(copy));
    EXPECT_EQ(Value("applied"), Value("data"));
    EXPECT_GE(std::stoi(Value("applied")), at_least[static_cast<std::size_t>(copy)]);
  }
}

TEST_F(StoreTest, CheckpointIntoAnExistingFolderIsRefused) {
  Open("db");
  CommitNumber(1);
  fs::create_directory(Path("copy"));
  EXPECT_FALSE(store_->WriteCheckpoint(Path("copy")).ok());
}

TEST_F(StoreTest, DamagedManifestIsDataLossAndNotASilentNewStore) {
  Open("db");
  CommitNumber(1);
  ASSERT_TRUE(store_->Flush().ok());
  store_.reset();
  for (const auto& entry : fs::directory_iterator(Path("db"))) {
    if (entry.path().filename().string().rfind("MANIFEST", 0) == 0) fs::resize_file(entry, 20);
  }
  const auto opened = Store::Open(Path("db"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
}

TEST_F(StoreTest, ADamagedBlockEndsTheProcessAndIsNotForgotten) {
  ::testing::GTEST_FLAG(death_test_style) = "fast";  // The child dies in this very folder.
  Open("db");
  for (int i = 0; i < 1'000; ++i) {
    store_->Put("key" + std::to_string(i), std::string(100, static_cast<char>('a' + i % 26)));
  }
  store_->Commit();
  ASSERT_TRUE(store_->Flush().ok());
  store_.reset();
  for (const auto& entry : fs::directory_iterator(Path("db"))) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << "this is not what was written here";
  }
  const auto read_all = [this] {
    auto opened = Store::Open(Path("db"));
    if (opened.ok()) (*opened)->Scan("a", "z", [](auto, auto) { return true; });
    std::exit(0);
  };
  EXPECT_DEATH(read_all(), "CHECK failed");
  EXPECT_EQ(Store::Open(Path("db")).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, SizeGrowsWithWhatIsStored) {
  Open("db");
  const std::uint64_t before = store_->size_bytes();
  store_->Put("a", std::string(4 << 20, 'x'));
  store_->Commit();
  EXPECT_GE(store_->size_bytes(), before + (4 << 20));
}

}  // namespace
}  // namespace coterie::store
