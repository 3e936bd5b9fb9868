#include "yproto/frame.h"

#include <gtest/gtest.h>

#include "yproto/test_hex.h"

namespace coterie::yproto {
namespace {

crdt::Malformed Read(std::string_view bytes, Message& message) {
  crdt::Lib0Reader reader(bytes);
  return ReadMessage(reader, message);
}

// What y-websocket 3.1.0 sends when it opens a socket for an empty document.
TEST(Frame, ReadsWhatAProviderOpensWith) {
  Message message;
  const std::string step1 = FromHex("00 00 01 00");
  ASSERT_FALSE(Read(step1, message));
  EXPECT_EQ(std::get<Sync>(message).step, SyncStep::kAsk);
  EXPECT_EQ(std::get<Sync>(message).payload, FromHex("00"));

  const std::string awareness = FromHex("01 06 01 07 00 02 7b7d");
  ASSERT_FALSE(Read(awareness, message));
  EXPECT_EQ(std::get<Awareness>(message).update, FromHex("01 07 00 02 7b7d"));

  ASSERT_FALSE(Read(FromHex("03"), message));
  EXPECT_TRUE(std::holds_alternative<QueryAwareness>(message));
}

TEST(Frame, WritesWhatAProviderReads) {
  EXPECT_EQ(EncodeSync(SyncStep::kAnswer, FromHex("0000")), FromHex("00 01 02 00 00"));
  EXPECT_EQ(EncodeSync(SyncStep::kUpdate, FromHex("01010905840904012100")),
            FromHex("00 02 0a 01010905840904012100"));
  EXPECT_EQ(EncodeAwareness(FromHex("00")), FromHex("01 01 00"));
  EXPECT_EQ(EncodePermissionDenied("no"), FromHex("02 00 02 6e6f"));
}

TEST(Frame, OneFrameMayHoldSeveralMessages) {
  const std::string bytes = FromHex("00 00 01 00 03");
  crdt::Lib0Reader reader(bytes);
  Message message;

  ASSERT_FALSE(ReadMessage(reader, message));
  EXPECT_TRUE(std::holds_alternative<Sync>(message));
  ASSERT_FALSE(ReadMessage(reader, message));
  EXPECT_TRUE(std::holds_alternative<QueryAwareness>(message));
  EXPECT_TRUE(reader.AtEnd());
}

TEST(Frame, RefusesWhatIsMalformed) {
  Message message;
  EXPECT_TRUE(Read("", message));
  EXPECT_TRUE(Read(FromHex("00"), message));
  EXPECT_TRUE(Read(FromHex("00 03 00"), message)) << "an unknown step";
  EXPECT_TRUE(Read(FromHex("00 00 05 00"), message)) << "shorter than it says";
  EXPECT_TRUE(Read(FromHex("02 00 01 ff"), message)) << "not UTF-8";
  EXPECT_TRUE(Read(FromHex("7f"), message)) << "an unknown type";
  // Hocuspocus #444: a number without an end.
  EXPECT_TRUE(Read(std::string(64, '\xff'), message));
}

TEST(Frame, EveryPrefixOfAFrameIsRefused) {
  const std::string frame = EncodeSync(SyncStep::kUpdate, "0123456789");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    Message message;
    EXPECT_TRUE(Read(std::string_view(frame).substr(0, size), message)) << size;
  }
}

}  // namespace
}  // namespace coterie::yproto
