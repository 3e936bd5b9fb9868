#include "crdt/doctor.h"

#include <gtest/gtest.h>

#include <string>

#include "crdt/test_bytes.h"
#include "crdt/update_v2.h"
#include "crdt/validate.h"

namespace coterie::crdt {
namespace {

constexpr std::size_t kSizeMax = 1 << 20;

// Client 1 wrote "abc" into the root "t" and deleted 'b'.
const char kText[] = "010301000401017401618101000184010101630101010101";

// The findings as one line.
std::string Found(const std::string& hex) {
  std::string text;
  for (const Finding& finding : Examine(FromHex(hex), kSizeMax).findings) {
    text += std::to_string(finding.offset_bytes) + ": " + std::string(finding.reason) + "; ";
  }
  return text;
}

std::string Mended(const std::string& hex) {
  const Repaired repaired = Repair(FromHex(hex), kSizeMax);
  EXPECT_TRUE(repaired.update.empty() || !ValidateUpdate(repaired.update));
  return ToHex(repaired.update);
}

TEST(Doctor, DescribesWhatIsSound) {
  const UpdateReport report = Examine(FromHex(kText), kSizeMax);

  EXPECT_TRUE(report.findings.empty());
  ASSERT_EQ(report.clients.size(), 1u);
  EXPECT_EQ(report.clients[0].end, 3u);
  EXPECT_EQ(report.clients[0].structs, 3u);
  EXPECT_EQ(report.clients[0].deleted_clocks, 1u);
  EXPECT_EQ(report.kinds[4].structs, 2u);
  EXPECT_EQ(report.kinds[1].structs, 1u);
  EXPECT_EQ(report.roots.at("t"), 1u);
  EXPECT_EQ(report.v1_bytes, 24u);
  EXPECT_FALSE(report.has_gaps);
}

TEST(Doctor, KnowsV2) {
  const std::string v2 = TranscodeToV2(FromHex(kText)).update;

  const UpdateReport report = Examine(v2, kSizeMax);

  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.format, WireFormat::kV2);
  EXPECT_EQ(report.v1_bytes, 24u);
  EXPECT_EQ(report.v2_bytes, v2.size());
  EXPECT_EQ(ToHex(Repair(v2, kSizeMax).update), kText);
}

// As V1 every one of them is an update of nothing, and bytes behind it.
TEST(Doctor, DoesNotMendADamagedV2IntoNothing) {
  const std::string v2 = TranscodeToV2(FromHex(kText)).update;
  std::string flipped = v2;
  flipped[v2.size() / 2] = static_cast<char>(flipped[v2.size() / 2] ^ 0x80);
  for (const std::string& damaged : {v2.substr(0, v2.size() - 1), v2 + "x", flipped,
                                     v2.substr(0, 3), v2.substr(0, v2.size() / 2)}) {
    const Repaired repaired = Repair(damaged, kSizeMax);
    EXPECT_TRUE(repaired.report.IsBroken()) << ToHex(damaged);
    EXPECT_TRUE(repaired.update.empty()) << ToHex(damaged);
  }
  EXPECT_EQ(Examine(v2 + "x", kSizeMax).format, WireFormat::kV2);
}

TEST(Doctor, TrailingBytesAreCutOff) {
  const std::string longer = std::string(kText) + "0102";
  EXPECT_EQ(Found(longer), "24: bytes follow the delete set; ");
  EXPECT_EQ(Mended(longer), kText);
}

TEST(Doctor, TwoGroupsBecomeOne) {
  // "a" and "b" of client 1, each in a group of its own.
  const std::string twice =
      "020101000401017401610101018401000162"
      "00";
  EXPECT_EQ(Found(twice), "10: a client has two groups; ");
  EXPECT_EQ(Mended(twice),
            "0102010004010174016184010001620"
            "0");
}

TEST(Doctor, ASkipInFrontIsDropped) {
  // Client 1: nothing at clock 0, "b" at 1.
  const std::string waiting =
      "010201000a018401000162"
      "00";
  EXPECT_EQ(Found(waiting), "1: a group begins with a skip; ");
  EXPECT_EQ(Mended(waiting),
            "010101018401000162"
            "00");
}

TEST(Doctor, EmptyRangesAreDropped) {
  EXPECT_EQ(Found("00010102010005"
                  "02"),
            "4: a deleted range is empty; ");
  EXPECT_EQ(Mended("00010102010005"
                   "02"),
            "000101010502");
}

TEST(Doctor, WhatIsBrokenStaysSo) {
  EXPECT_EQ(Found("01010100040101740361"), "8: a length is longer than what follows; ");
  EXPECT_TRUE(Examine(FromHex("01010100040101740361"), kSizeMax).IsBroken());
  EXPECT_EQ(Mended("01010100040101740361"), "");
  EXPECT_TRUE(Examine("", kSizeMax).IsBroken());
}

TEST(Doctor, SubtractsClocksAndDeletions) {
  const std::string all = FromHex(kText);
  const std::string first = FromHex("0101010004010174016100");

  const Difference more = Subtract(all, first);
  const Difference less = Subtract(first, all);

  ASSERT_EQ(more.structs.size(), 1u);
  EXPECT_EQ(more.structs[0].clocks, (ClockRange{.begin = 1, .end = 3}));
  EXPECT_TRUE(more.deleted.Contains({.client = Client(1), .clock = 1}));
  EXPECT_TRUE(less.structs.empty() && less.deleted.empty());
}

}  // namespace
}  // namespace coterie::crdt
