#include <gtest/gtest.h>

#include <string>

#include "crdt/relative_position.h"
#include "crdt/rewind.h"
#include "crdt/snapshot.h"
#include "crdt/test_bytes.h"

namespace coterie::crdt {
namespace {

TEST(RelativePosition, IsReadAndWrittenAsYjsDoes) {
  // Made by encodeRelativePosition() and JSON.stringify(relativePositionToJSON()).
  const struct {
    const char* hex;
    const char* json;
  } cases[] = {
      {"0001000100", nullptr},
      {"0001c80141", R"({"item":{"client":1,"clock":200},"assoc":-1})"},
      {"010474657874 00", R"({"tname":"text","assoc":0})"},
      {"0288b598f20b0541", R"({"type":{"client":3192265352,"clock":5},"assoc":-1})"},
  };
  for (const auto& [hex, json] : cases) {
    std::string bytes = hex;
    std::erase(bytes, ' ');
    bytes = FromHex(bytes);
    RelativePosition position;
    if (json == nullptr) {
      EXPECT_TRUE(DecodeRelativePosition(bytes, position));
      continue;
    }
    ASSERT_FALSE(DecodeRelativePosition(bytes, position)) << hex;
    EXPECT_EQ(RelativePositionToJson(position), json);
    EXPECT_EQ(ToHex(EncodeRelativePosition(position)), ToHex(bytes));
    RelativePosition from_json;
    ASSERT_FALSE(RelativePositionFromJson(json, from_json));
    EXPECT_EQ(from_json, position);
  }
}

// relativePositionToJSON() leaves an empty name out, and the position is lost;
// createRelativePositionFromJSON() reads it where it is given.
TEST(RelativePosition, ARootMayHaveAnEmptyName) {
  RelativePosition position;
  ASSERT_FALSE(DecodeRelativePosition(FromHex("010000"), position));
  const std::string json = RelativePositionToJson(position);
  EXPECT_EQ(json, R"({"tname":"","assoc":0})");
  RelativePosition from_json;
  ASSERT_FALSE(RelativePositionFromJson(json, from_json));
  EXPECT_EQ(from_json, position);
}

TEST(RelativePosition, OldOnesSayNoSide) {
  RelativePosition position;
  EXPECT_FALSE(DecodeRelativePosition(FromHex("000101"), position));
  EXPECT_EQ(position.assoc, 0);
  EXPECT_EQ(position.item, (Id{.client = Client(1), .clock = 1}));
}

TEST(RelativePosition, WhatIsNoneIsRefused) {
  RelativePosition position;
  for (const std::string_view json :
       {"", "{}", "[]", "null", R"({"item":{"client":1}})", R"({"item":{"client":1,"clock":-1}})",
        R"({"item":{"client":1,"clock":1.5}})", R"({"tname":5})", R"({"tname":"t","assoc":"x"})",
        R"({"tname":"t","assoc":0.5})", "{\"tname\":\"\xff\"}"}) {
    EXPECT_TRUE(RelativePositionFromJson(json, position)) << json;
  }
  EXPECT_TRUE(DecodeRelativePosition(FromHex("030101"), position));
}

TEST(Snapshot, IsReadAndWrittenAsYjsDoes) {
  // encodeSnapshot() and encodeSnapshotV2() of clients 1, "abcdef" without b, c and e, and 9, "x".
  for (const auto& [format, hex] : {std::pair{WireFormat::kV1, "010102010204010209010106"},
                                    std::pair{WireFormat::kV2, "010102010101000209010106"}}) {
    Snapshot snapshot;
    ASSERT_FALSE(DecodeSnapshot(FromHex(hex), format, snapshot)) << hex;

    EXPECT_EQ(snapshot.state.At(Client(1)), 6u);
    EXPECT_TRUE(snapshot.Sees({.client = Client(1), .clock = 3}));
    EXPECT_FALSE(snapshot.Sees({.client = Client(1), .clock = 4}));
    EXPECT_FALSE(snapshot.Sees({.client = Client(9), .clock = 1}));
    EXPECT_EQ(ToHex(EncodeSnapshot(snapshot, format)), hex);
    EXPECT_TRUE(DecodeSnapshot(FromHex(hex) + "x", format, snapshot));
    EXPECT_TRUE(DecodeSnapshot(FromHex(hex).substr(0, 9), format, snapshot));
  }
}

TEST(Rewind, CutsWhatWasWrittenSince) {
  // Client 1 wrote "a😀b" into the root "t", then deleted 'a'.
  const std::string update = FromHex("01010100040101740661f09f9880620101010001");
  const auto at = [&update](Clock clock) {
    Snapshot snapshot;
    snapshot.state.Set(Client(1), clock);
    const Rewound rewound = RewindUpdate(update, snapshot);
    EXPECT_EQ(rewound.lost_clocks, clock > 4 ? clock - 4 : 0u);
    return ToHex(rewound.update);
  };
  EXPECT_EQ(at(0), "0000");
  EXPECT_EQ(at(1), "0101010004010174016100");
  EXPECT_EQ(at(2),
            "0101010004010174"
            "0461efbfbd00");  // Half of a pair.
  EXPECT_EQ(at(3),
            "0101010004010174"
            "0561f09f988000");
  EXPECT_EQ(at(4),
            "0101010004010174"
            "0661f09f98806200");
  EXPECT_EQ(at(9), at(4));
  EXPECT_TRUE(RewindUpdate(update + "x", Snapshot()).malformed);
}

TEST(Rewind, SaysWhatWasForgotten) {
  // Of three clocks the update has the first, a deleted one, and a GC.
  Snapshot snapshot;
  snapshot.state.Set(Client(1), 3);
  const std::string update = FromHex(
      "01030100040101740161810100010001"
      "0101010102");
  EXPECT_EQ(RewindUpdate(update, snapshot).lost_clocks, 2u);
  snapshot.deleted.Add(Client(1), {.begin = 1, .end = 2});
  EXPECT_EQ(RewindUpdate(update, snapshot).lost_clocks, 1u);
}

}  // namespace
}  // namespace coterie::crdt
