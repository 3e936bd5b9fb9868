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

TEST(Doctor, UpdatesThatFollowAreMerged) {
  // Client 5 wrote "a", then "b", then "c", each in an update of its own.
  const std::string a =
      "01010500040101740161"
      "00";
  const std::string b =
      "0101050184050001"
      "6200";
  const std::string c =
      "0101050284050101"
      "6300";

  EXPECT_EQ(Found(a + b + c), "11: other updates follow; ");
  EXPECT_EQ(Examine(FromHex(a + b + c), kSizeMax).findings[0].updates, 2u);
  EXPECT_EQ(Mended(a + b + c),
            "01030500040101740161840500016284050101"
            "6300");

  // One that is cut off is no update, and is lost.
  const UpdateReport report = Examine(FromHex(a + b + c.substr(0, c.size() - 2)), kSizeMax);
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_EQ(report.findings[0].updates, 1u);
  EXPECT_EQ(report.findings[1].offset_bytes, 21u);
  EXPECT_EQ(report.findings[1].lost_bytes, 9u);
  EXPECT_EQ(report.clients[0].end, 2u);
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

// What Salvage() keeps, and how much is lost.
std::string Salvaged(const std::string& bytes) {
  const Repaired salvaged = Salvage(bytes, kSizeMax);
  EXPECT_TRUE(salvaged.update.empty() || !ValidateUpdate(salvaged.update));
  EXPECT_EQ(Repair(bytes, kSizeMax).update, "");
  return ToHex(salvaged.update) + ", " + std::to_string(salvaged.report.findings[0].lost_bytes);
}

TEST(Doctor, SalvagesWhatIsInFrontOfTheFault) {
  const std::string all = FromHex(kText);
  const std::string a = "0101010004010174016100";
  EXPECT_EQ(Salvaged(all.substr(0, 9)), ", 9");  // Within the first struct.
  EXPECT_EQ(Salvaged(all.substr(0, 10)), a + ", 0");
  EXPECT_EQ(Salvaged(all.substr(0, 13)), a + ", 3");
  // All structs; then with one of two deleted ranges.
  EXPECT_EQ(Salvaged(all.substr(0, 20)), "0103010004010174016181010001840101016300, 1");
  EXPECT_EQ(Salvaged(FromHex("00010902010105")), "000109010101, 1");
  EXPECT_EQ(Salvaged(""), ", 0");
  const std::string v2 = TranscodeToV2(all).update;
  EXPECT_EQ(Salvage(v2.substr(0, v2.size() - 1), kSizeMax).update, "");
}

TEST(Doctor, SaysWhatAnUpdateWaitsFor) {
  // "ZZ" of client 77 between two letters of client 5, of which it also deletes 20.
  const UpdateReport part = Examine(FromHex("01014d00c405040505025a5a0105010a14"), kSizeMax);
  EXPECT_TRUE(part.findings.empty() && part.has_gaps);
  ASSERT_EQ(part.waiting.structs.clocks().size(), 1u);
  EXPECT_EQ(part.waiting.structs.At(Client(5)), 5u);
  EXPECT_EQ(part.waiting.deleted.Of(Client(5)), (DeleteSet::Ranges{{.begin = 10, .end = 30}}));

  const UpdateReport deletion = Examine(FromHex("000109010001"), kSizeMax);
  EXPECT_TRUE(deletion.has_gaps && deletion.waiting.structs.empty());
  EXPECT_TRUE(deletion.waiting.deleted.Contains({.client = Client(9), .clock = 0}));

  EXPECT_TRUE(Examine(FromHex(kText), kSizeMax).waiting.empty());
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
