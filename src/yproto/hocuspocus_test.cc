#include "yproto/hocuspocus.h"

#include <gtest/gtest.h>

#include "yproto/test_hex.h"

namespace coterie::yproto {
namespace {

using namespace std::string_literals;

// Captured from @hocuspocus/provider 4.8.0 for the document "doc".
TEST(Hocuspocus, ReadsWhatTheProviderOpensWith) {
  HocuspocusFrame frame;
  const std::string token = FromHex("03646f63 02 00 03746f6b 05342e382e30");
  ASSERT_FALSE(ReadHocuspocus(token, frame));
  EXPECT_EQ(frame.document, "doc");
  EXPECT_EQ(std::get<Token>(frame.body).token, "tok");
  EXPECT_EQ(std::get<Token>(frame.body).version, "4.8.0");

  const std::string step1 = FromHex("03646f63 00 00 01 00");
  ASSERT_FALSE(ReadHocuspocus(step1, frame));
  EXPECT_EQ(std::get<Sync>(frame.body).step, SyncStep::kAsk);

  const std::string awareness = FromHex("03646f63 01 06 01 07 00 02 7b7d");
  ASSERT_FALSE(ReadHocuspocus(awareness, frame));
  EXPECT_EQ(std::get<Awareness>(frame.body).update.size(), 6u);
}

// Before 4.0 there was no version.
TEST(Hocuspocus, ATokenNeedsNoVersion) {
  HocuspocusFrame frame;
  const std::string token = FromHex("03646f63 02 00 03746f6b");
  ASSERT_FALSE(ReadHocuspocus(token, frame));
  EXPECT_EQ(std::get<Token>(frame.body).version, "");
}

TEST(Hocuspocus, ASessionIsNoPartOfTheName) {
  HocuspocusFrame frame;
  const std::string detach = EncodeKey("doc\0s1"s) + FromHex("07");
  ASSERT_FALSE(ReadHocuspocus(detach, frame));
  EXPECT_EQ(frame.key, "doc\0s1"s);
  EXPECT_EQ(frame.document, "doc");
  EXPECT_TRUE(std::holds_alternative<Detach>(frame.body));
}

TEST(Hocuspocus, PingIsOneByte) {
  HocuspocusFrame frame;
  ASSERT_FALSE(ReadHocuspocus(FromHex("09"), frame));
  EXPECT_TRUE(std::holds_alternative<Ping>(frame.body));
  EXPECT_EQ(EncodePong(), FromHex("0a"));
}

// As captured from @hocuspocus/server 4.7.0.
TEST(Hocuspocus, WritesWhatTheProviderReads) {
  const std::string key = EncodeKey("doc");
  EXPECT_EQ(key + EncodeAuthenticated(Scope::kReadWrite),
            FromHex("03646f63 02 02 0a 726561642d7772697465"));
  EXPECT_EQ(EncodeAuthenticated(Scope::kReadOnly), FromHex("02 02 08 726561646f6e6c79"));
  EXPECT_EQ(EncodeDenied("nope"), FromHex("02 01 04 6e6f7065"));
  EXPECT_EQ(EncodeAskForToken(), FromHex("02 00"));
  EXPECT_EQ(EncodeSyncStatus(SyncStatus::kSaved), FromHex("08 01"));
  EXPECT_EQ(EncodeSyncStatus(SyncStatus::kRejected), FromHex("08 00"));
  EXPECT_EQ(EncodeDetached("provider_initiated"), FromHex("07 12") + "provider_initiated");
  EXPECT_EQ(EncodeStateless("x"), FromHex("05 01 78"));
}

TEST(Hocuspocus, RefusesWhatIsMalformed) {
  HocuspocusFrame frame;
  EXPECT_TRUE(ReadHocuspocus("", frame));
  EXPECT_TRUE(ReadHocuspocus(FromHex("03646f63"), frame)) << "no type";
  EXPECT_TRUE(ReadHocuspocus(FromHex("05646f63 07"), frame)) << "a name that is cut off";
  EXPECT_TRUE(ReadHocuspocus(FromHex("02ffff 07"), frame)) << "a name that is not UTF-8";
  EXPECT_TRUE(ReadHocuspocus(FromHex("03646f63 02 02 00"), frame))
      << "a client authenticates nobody";
  EXPECT_TRUE(ReadHocuspocus(FromHex("03646f63 08 01"), frame)) << "a client saves nothing";
  EXPECT_TRUE(ReadHocuspocus(std::string(64, '\xff'), frame));
}

}  // namespace
}  // namespace coterie::yproto
