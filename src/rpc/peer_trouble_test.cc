#include "rpc/peer_trouble.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace coterie::rpc {
namespace {

const grpc::Status kRefused(grpc::StatusCode::UNAVAILABLE,
                            "failed to connect to all addresses; last error: UNKNOWN: "
                            "ipv4:10.0.0.2:5: Connection refused");
const grpc::Status kUnknownName(grpc::StatusCode::UNAVAILABLE, "DNS resolution failed for b:5");

class PeerTroubleTest : public testing::Test {
 protected:
  // A stream that lives so long, and the pause behind it.
  void Stream(absl::Duration life, const grpc::Status& status, bool has_carried = false) {
    trouble_.StreamEnded(
        {.status = status, .began = now_, .ended = now_ + life, .has_carried = has_carried});
    now_ += life + absl::Milliseconds(500);
  }
  std::vector<std::string> TakeLines() { return std::exchange(lines_, {}); }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  std::vector<std::string> lines_;
  PeerTrouble trouble_{NodeId(2), "b:5",
                       [this](const node::Notice& notice) { lines_.push_back(notice.text); }};
};
using Lines = std::vector<std::string>;

TEST_F(PeerTroubleTest, IsSaidOnceWhenItHasLasted) {
  Stream(absl::ZeroDuration(), kRefused);
  Stream(absl::ZeroDuration(), kRefused);
  EXPECT_EQ(TakeLines(), Lines());
  Stream(absl::ZeroDuration(), kRefused);
  EXPECT_EQ(TakeLines(), Lines{"node 2 (b:5) is not reached: Connection refused"});
  for (int i = 0; i < 100; ++i) Stream(absl::Milliseconds(10), kRefused);
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(PeerTroubleTest, AnotherReasonIsSaidAndThoseThatTakeTurnsAreNoFlood) {
  for (int i = 0; i < 30; ++i) Stream(absl::ZeroDuration(), kRefused);
  EXPECT_EQ(TakeLines().size(), 1u);
  Stream(absl::ZeroDuration(), kUnknownName);
  EXPECT_EQ(TakeLines(), Lines{"node 2 (b:5) is not reached: DNS resolution failed for b:5"});
  for (int i = 0; i < 60; ++i) Stream(absl::ZeroDuration(), i % 2 == 0 ? kRefused : kUnknownName);
  EXPECT_LE(TakeLines().size(), 3u);  // In 30 s.
}

TEST_F(PeerTroubleTest, WhatWasReachedMeanwhileIsSaidAgain) {
  for (int i = 0; i < 30; ++i) Stream(absl::ZeroDuration(), kRefused);
  EXPECT_EQ(TakeLines().size(), 1u);
  Stream(absl::Minutes(1), grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed"), true);
  EXPECT_EQ(TakeLines(), Lines());
  for (int i = 0; i < 30; ++i) Stream(absl::ZeroDuration(), kRefused);
  EXPECT_EQ(TakeLines().size(), 1u);
}

// Where nothing comes back: that is not to reach it.
TEST_F(PeerTroubleTest, ConnectingThatTakesLongIsSaidUnlessMoreIsKnown) {
  const grpc::Status given_up(grpc::StatusCode::UNAVAILABLE,
                              "failed to connect to all addresses; last error: UNKNOWN: "
                              "ipv4:10.0.0.2:5: tcp handshaker shutdown");
  for (int i = 0; i < 30; ++i) Stream(absl::Seconds(2), given_up);
  EXPECT_EQ(TakeLines(), Lines{"node 2 (b:5) is not reached: connecting took too long"});
  Stream(absl::Seconds(2), kRefused);
  EXPECT_EQ(TakeLines(), Lines{"node 2 (b:5) is not reached: Connection refused"});
  for (int i = 0; i < 30; ++i) Stream(absl::Seconds(2), given_up);
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(PeerTroubleTest, WhatThePeerSaysIsQuotedInOneLine) {
  const grpc::Status refusal(grpc::StatusCode::PERMISSION_DENIED,
                             "this node is of\nanother cluster\x1b" + std::string(10'000, 'x'));
  for (int i = 0; i < 3; ++i) Stream(absl::Milliseconds(10), refusal, true);
  const Lines lines = TakeLines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with(
      "node 2 (b:5) is not reached: it says: this node is of another cluster x"));
  EXPECT_LT(lines[0].size(), 5'000u);
}

}  // namespace
}  // namespace coterie::rpc
