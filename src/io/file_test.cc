// The contract of file.h, kept by the real directory and by the faulty one; and what the faulty one
// does beyond it.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/check.h"
#include "io/faulty_file.h"
#include "io/posix_file.h"

namespace coterie::io {
namespace {

class Contract : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string name = (std::filesystem::temp_directory_path() / "coterie-io-XXXXXX").string();
      CHECK(mkdtemp(name.data()) != nullptr);
      folder_ = name;
      directory_ = *OpenPosixDirectory(name);
    } else {
      directory_ = std::make_unique<FaultyDirectory>(1);
    }
  }
  void TearDown() override {
    directory_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::filesystem::path folder_;
  std::unique_ptr<Directory> directory_;
};

TEST_P(Contract, WhatIsWrittenIsRead) {
  auto file = *directory_->Open("a", OpenMode::kCreate);
  ASSERT_TRUE(file->Write(0, "hello").ok());
  ASSERT_TRUE(file->Write(3, "LO!").ok());
  EXPECT_EQ(*file->Read(0, 100), "helLO!");
  EXPECT_EQ(*file->Read(3, 2), "LO");
  EXPECT_EQ(*file->Read(6, 10), "");
  EXPECT_EQ(*file->Size(), 6u);
  ASSERT_TRUE(file->Write(8, "x").ok());
  EXPECT_EQ(*file->Read(5, 4), std::string("!\0\0x", 4));
  ASSERT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(*file->Read(0, 100), "he");
  EXPECT_TRUE(file->Sync().ok());
}

TEST_P(Contract, NamesAreListedRenamedAndRemoved) {
  EXPECT_TRUE(absl::IsNotFound(directory_->Open("a", OpenMode::kMustExist).status()));
  ASSERT_TRUE(directory_->Open("b", OpenMode::kCreate).ok());
  ASSERT_TRUE((*directory_->Open("a", OpenMode::kCreate))->Write(0, "1").ok());
  EXPECT_EQ(*directory_->List(), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(directory_->Rename("a", "b").ok());
  EXPECT_EQ(*directory_->List(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(*(*directory_->Open("b", OpenMode::kMustExist))->Read(0, 9), "1");
  ASSERT_TRUE(directory_->Remove("b").ok());
  EXPECT_FALSE(directory_->Remove("b").ok());
  EXPECT_TRUE(directory_->Sync().ok());
  EXPECT_GT(*directory_->FreeBytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Both, Contract, ::testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "Posix" : "Faulty");
});

TEST(FaultyDirectory, KeepsWhatWasSyncedAndAnyPartOfTheRest) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultyDirectory directory(seed);
    auto file = *directory.Open("a", OpenMode::kCreate);
    ASSERT_TRUE(file->Write(0, std::string(1024, 'a')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(directory.Sync().ok());
    ASSERT_TRUE(file->Write(0, std::string(1024, 'b')).ok());
    directory.Restart();
    EXPECT_FALSE(file->Write(0, "x").ok());
    const std::string left = directory.Contents("a");
    ASSERT_EQ(left.size(), 1024u);
    seen.insert({left.front(), left.back()});
  }
  EXPECT_EQ(seen, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST(FaultyDirectory, ForgetsNamesThatWereNotSynced) {
  std::set<std::size_t> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultyDirectory directory(seed);
    ASSERT_TRUE(directory.Open("a", OpenMode::kCreate).ok());
    ASSERT_TRUE(directory.Sync().ok());
    ASSERT_TRUE(directory.Open("b", OpenMode::kCreate).ok());
    ASSERT_TRUE(directory.Open("c", OpenMode::kCreate).ok());
    directory.Restart();
    const auto names = *directory.List();
    seen.insert(names.size());
    // In their order: "c" is never there without "b".
    EXPECT_TRUE(names.size() < 3 || names[1] == "b");
  }
  EXPECT_EQ(seen, (std::set<std::size_t>{1, 2, 3}));
}

TEST(FaultyDirectory, StopsAndFailsWhereItIsTold) {
  FaultyDirectory directory(1);
  directory.FailAt(2, absl::ResourceExhaustedError("full"));
  directory.CrashAt(4);
  auto file = *directory.Open("a", OpenMode::kCreate);
  EXPECT_TRUE(absl::IsResourceExhausted(file->Write(0, "x")));
  EXPECT_TRUE(file->Write(0, "y").ok());
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_TRUE(directory.has_crashed());
  EXPECT_FALSE(directory.List().ok());
  directory.Restart();
  EXPECT_TRUE(directory.List().ok());
}

}  // namespace
}  // namespace coterie::io
