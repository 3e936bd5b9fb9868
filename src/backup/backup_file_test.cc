#include "backup/backup_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace coterie::backup {
namespace {

class BackupFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  static std::string Whole(const std::string& state) {
    Encoder encoder({.cluster_id = 7,
                     .revision = 42,
                     .taken_at_ms = 1'700'000'000'000,
                     .state_bytes = state.size()});
    std::string file = encoder.Head();
    encoder.Add(state);
    return file + state + encoder.Tail();
  }
  absl::StatusOr<Header> VerifyBytes(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return Verify(path_);
  }

  const std::string path_ = testing::TempDir() + "/backup_file_test";
};

TEST_F(BackupFile, ReadsAsItWasWritten) {
  const std::string state = std::string(3'000'000, 'x') + '\0' + "end";
  const absl::StatusOr<Header> header = VerifyBytes(Whole(state));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->cluster_id, 7u);
  EXPECT_EQ(header->revision, 42u);
  EXPECT_EQ(header->taken_at_ms, 1'700'000'000'000u);

  const auto reader = *Reader::Open(path_);
  std::string read;
  for (std::string piece = *reader->Next(); !piece.empty(); piece = *reader->Next()) read += piece;
  EXPECT_EQ(read, state);
  EXPECT_TRUE(reader->Next()->empty());
  EXPECT_TRUE(VerifyBytes(Whole("")).ok());
}

TEST_F(BackupFile, WhateverIsCutOffChangedOrAddedIsNoticed) {
  const std::string whole = Whole("the state");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(VerifyBytes(whole.substr(0, size)).ok()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(VerifyBytes(changed).ok()) << at;
  }
  EXPECT_TRUE(absl::IsDataLoss(VerifyBytes(whole + "\n").status()));
}

TEST_F(BackupFile, WhatIsNoneIsSaidToBeNone) {
  EXPECT_TRUE(absl::IsNotFound(Verify(path_ + ".none").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(VerifyBytes("SQLite format 3").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(VerifyBytes("coterie backup 9\n{}\n").status()));
  EXPECT_TRUE(absl::IsDataLoss(VerifyBytes("coterie backup 1\n{\"revision\":-1}\n").status()));
  EXPECT_TRUE(
      absl::IsDataLoss(VerifyBytes("coterie backup 1\n" + std::string(9'999, '[')).status()));
}

}  // namespace
}  // namespace coterie::backup
