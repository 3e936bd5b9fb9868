// Logs of other versions of the program: of the first one as it left them (testdata/version_1,
// written by that program), and of one that is yet to come.

#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/crc32c.h"
#include "io/faulty_file.h"
#include "wal/log.h"
#include "wal/segment.h"
#include "wal/testing/version_1.h"

namespace coterie::wal {
namespace {

constexpr Identity kIdentity{.cluster_id = 7, .node = NodeId(2), .incarnation = Incarnation(42)};
constexpr Options kSmall{.segment_bytes = 4096, .fill_ahead_bytes = 512, .reserve_bytes = 1};
constexpr std::size_t kVersionOffset = 8;

using Files = std::map<std::string, std::string>;

// "file NAME", then lines of hexadecimal digits and "zeros COUNT".
Files ReadImage(const std::string& name) {
  std::ifstream in("testdata/version_1/" + name);
  CHECK(in.good());
  Files files;
  std::string* bytes = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("file ")) {
      bytes = &files[line.substr(5)];
    } else if (line.starts_with("zeros ")) {
      bytes->append(std::stoul(line.substr(6)), '\0');
    } else {
      for (std::size_t at = 0; at + 1 < line.size(); at += 2) {
        unsigned value = 0;
        std::from_chars(line.data() + at, line.data() + at + 2, value, 16);
        bytes->push_back(static_cast<char>(value));
      }
    }
  }
  return files;
}

std::unique_ptr<io::FaultyDirectory> DiskOf(const Files& files, std::uint64_t seed = 1) {
  auto disk = std::make_unique<io::FaultyDirectory>(seed);
  for (const auto& [name, bytes] : files) disk->Overwrite(name, bytes);
  return disk;
}

raft::Configuration ThreeVoters() {
  raft::Configuration configuration;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    const std::string host = "node" + std::to_string(id);
    configuration.voters.push_back(NodeId(id));
    configuration.members.push_back({.id = NodeId(id),
                                     .incarnation = Incarnation(40 + id),
                                     .address = host + ":1",
                                     .client_address = host + ":2"});
  }
  return configuration;
}

raft::EntryRef Entry(std::uint64_t term, std::uint64_t index, std::string payload) {
  return {.term = Term(term),
          .index = Index(index),
          .type = raft::EntryType::kCommand,
          .payload = Blob(std::move(payload))};
}
raft::EntryRef Noop(std::uint64_t term, std::uint64_t index) {
  return {.term = Term(term), .index = Index(index), .type = raft::EntryType::kNoop};
}

// What was written into two_segments and torn: a truncation, two segments, a change of members.
void ExpectTwoSegments(const Recovered& recovered) {
  EXPECT_EQ(recovered.hard_state,
            (raft::HardState{.term = Term(2), .vote = NodeId(1), .commit = Index(6)}));
  EXPECT_EQ(recovered.snapshot.last, raft::LogPosition());
  EXPECT_EQ(recovered.snapshot.configuration, ThreeVoters());
  EXPECT_EQ(recovered.epoch, Epoch(1));
  EXPECT_TRUE(recovered.damage.empty());
  raft::EntryRef members = Entry(2, 5, raft::EncodeConfiguration(ThreeVoters()));
  members.type = raft::EntryType::kConfiguration;
  const std::vector<raft::EntryRef> expected = {Noop(1, 1),
                                                Entry(1, 2, "first"),
                                                Entry(1, 3, "second"),
                                                Noop(2, 4),
                                                members,
                                                Entry(2, 6, std::string(300, 'x')),
                                                Entry(2, 7, "last")};
  EXPECT_EQ(recovered.entries, expected);
}

TEST(Versions, ALogOfTheFirstVersionIsReadAndGoesOnAsThisOne) {
  const auto disk = DiskOf(ReadImage("two_segments.txt"));
  {
    absl::StatusOr<Log::Opened> opened = Log::Open(*disk, kIdentity, kSmall);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ExpectTwoSegments(opened->recovered);
    raft::AppendJob job{.sequence = 1, .epoch = Epoch(1), .entries = {Entry(2, 8, "new")}};
    job.hard_state = {.term = Term(2),
                      .vote = NodeId(1),
                      .commit = Index(6),
                      .promised = {.term = Term(2), .index = Index(9)}};
    ASSERT_TRUE(opened->log->Append({job}).ok());
  }
  absl::StatusOr<Log::Opened> again = Log::Open(*disk, kIdentity, kSmall);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->recovered.entries.back(), Entry(2, 8, "new"));
  EXPECT_EQ(again->recovered.hard_state.promised.index, Index(9));
}

TEST(Versions, ATornTailOfTheFirstVersionIsCutOff) {
  const auto disk = DiskOf(ReadImage("torn.txt"));
  absl::StatusOr<Log::Opened> opened = Log::Open(*disk, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ExpectTwoSegments(opened->recovered);
  EXPECT_EQ(opened->recovered.torn_bytes, 40u);
}

TEST(Versions, ACompactedLogOfTheFirstVersionIsRead) {
  const auto disk = DiskOf(ReadImage("compacted.txt"));
  absl::StatusOr<Log::Opened> opened = Log::Open(*disk, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovered.snapshot.last,
            (raft::LogPosition{.term = Term(5), .index = Index(6)}));
  EXPECT_EQ(opened->recovered.snapshot.configuration, ThreeVoters());
  EXPECT_EQ(opened->recovered.entries.size(), 4u);
  EXPECT_EQ(opened->recovered.entries.back(), Entry(5, 10, "entry 10"));
}

TEST(Versions, AnUpgradeMayBeInterruptedAnywhere) {
  const Files image = ReadImage("two_segments.txt");
  int interrupted = 0;
  for (std::uint64_t at = 1;; ++at) {
    const auto disk = DiskOf(image, at);
    disk->CrashAt(disk->operations() + at);
    const bool is_done = Log::Open(*disk, kIdentity, kSmall).ok();
    disk->Restart();
    absl::StatusOr<Log::Opened> again = Log::Open(*disk, kIdentity, kSmall);
    ASSERT_TRUE(again.ok()) << again.status() << " after operation " << at;
    ExpectTwoSegments(again->recovered);
    if (is_done) break;
    ++interrupted;
  }
  EXPECT_GT(interrupted, 5);
}

TEST(Versions, ALogOfAVersionThatIsNotKnownIsRefusedAndLeftAlone) {
  Files files = ReadImage("two_segments.txt");
  std::string& bytes = files.rbegin()->second;
  bytes[kVersionOffset] = static_cast<char>(kVersion + 1);
  const std::uint32_t crc =
      ComputeCrc32c(std::string_view(bytes).substr(0, kSegmentHeaderBytes - 4));
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[kSegmentHeaderBytes - 4 + i] = static_cast<char>(crc >> (8 * i));
  }
  const auto disk = DiskOf(files);

  const absl::StatusOr<Log::Opened> opened = Log::Open(*disk, kIdentity, kSmall);

  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(opened.status().message().find("another version"), std::string::npos)
      << opened.status();
  for (const auto& [name, expected] : files) EXPECT_EQ(disk->Contents(name), expected) << name;
}

// The writer of tests and the program that once was agree on what that version is.
TEST(Versions, WhatTestsWriteAsTheFirstVersionReadsBack) {
  const auto disk = DiskOf(ReadImage("compacted.txt"));
  const absl::StatusOr<Log::Opened> opened = Log::Open(*disk, kIdentity, kSmall);
  ASSERT_TRUE(opened.ok());

  testing::WriteVersion1(*disk, kIdentity, opened->recovered);

  ASSERT_EQ(DecodeHeader(disk->Contents(SegmentName(1)))->version, kFirstVersion);
  const absl::StatusOr<Log::Opened> again = Log::Open(*disk, kIdentity, kSmall);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->recovered.entries, opened->recovered.entries);
  EXPECT_EQ(again->recovered.hard_state, opened->recovered.hard_state);
  EXPECT_EQ(again->recovered.snapshot.last, opened->recovered.snapshot.last);
  EXPECT_EQ(again->recovered.epoch, opened->recovered.epoch);
}

}  // namespace
}  // namespace coterie::wal
