#include "rpc/status_map.h"

#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace coterie::rpc {
namespace {

struct Told {
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  bool has_retry = false;
};

// What a client reads out of the trailer.
Told Read(const absl::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(ToGrpc(status).error_details()));
  EXPECT_EQ(rich.code(), static_cast<int>(status.code()));
  EXPECT_EQ(rich.message(), std::string(status.message()));
  Told told;
  for (const google::protobuf::Any& detail : rich.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) detail.UnpackTo(&told.info);
    if (detail.Is<google::rpc::RetryInfo>()) told.has_retry = detail.UnpackTo(&told.retry);
  }
  EXPECT_EQ(told.info.domain(), "coterie.dev");
  return told;
}

node::Status Cluster() {
  node::Status status{.id = NodeId(1), .leader = NodeId(2)};
  status.configuration.members = {{.id = NodeId(1)},
                                  {.id = NodeId(2), .client_address = "two:50053"}};
  return status;
}

TEST(StatusMap, LockedNamesItsHolder) {
  const absl::Status status = FromOutcome({.code = state::Code::kLocked,
                                           .message = "locked by mia",
                                           .lock = state::LockView{.doc = DocId(7),
                                                                   .document_name = "notes",
                                                                   .session = SessionId(3),
                                                                   .holder = "mia",
                                                                   .token = FencingToken(99),
                                                                   .expires_at_ms = 12}});

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  const Told told = Read(status);
  EXPECT_EQ(told.info.reason(), "LOCKED");
  EXPECT_EQ(told.info.metadata().at("holder"), "mia");
  EXPECT_EQ(told.info.metadata().at("document_id"), "7");
  EXPECT_EQ(told.info.metadata().at("expires_at_ms"), "12");
  for (const auto& [key, value] : told.info.metadata()) {
    EXPECT_NE(value, "99") << "the token is the holder's alone";
  }
}

TEST(StatusMap, EveryCodeHasAReason) {
  using enum state::Code;
  for (const state::Code code :
       {kInvalidArgument, kUnauthenticated, kPermissionDenied, kNotFound, kAlreadyExists, kLocked,
        kLockRequired, kStaleToken, kExhausted, kOutOfRange, kForgotten, kStaleSuggestion}) {
    const absl::Status status = FromOutcome({.code = code, .message = "why"});
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(Read(status).info.reason().empty());
    EXPECT_EQ(status.message(), "why");
  }
}

TEST(StatusMap, ALimitIsNotToBeRetried) {
  EXPECT_FALSE(Read(FromOutcome({.code = state::Code::kExhausted, .message = "limit"})).has_retry);
}

TEST(StatusMap, UnavailableSaysWhetherItMayHaveHappened) {
  const absl::Status error = absl::UnavailableError("the leader changed");

  const Told read = Read(FromNode(error, Effect::kNone, Cluster()));
  const Told proposed = Read(FromNode(error, Effect::kUnknown, Cluster()));

  EXPECT_EQ(read.info.reason(), "UNAVAILABLE");
  EXPECT_EQ(proposed.info.reason(), "OUTCOME_UNKNOWN");
  EXPECT_TRUE(proposed.has_retry);
  EXPECT_EQ(proposed.info.metadata().at("leader_id"), "2");
  EXPECT_EQ(proposed.info.metadata().at("leader_address"), "two:50053");
}

TEST(StatusMap, AFollowerPointsToTheLeader) {
  const Told told =
      Read(FromNode(absl::FailedPreconditionError("not the leader"), Effect::kNone, Cluster()));

  EXPECT_EQ(told.info.reason(), "NOT_LEADER");
  EXPECT_EQ(told.info.metadata().at("leader_address"), "two:50053");
}

TEST(StatusMap, ADivergedNodeIsFenced) {
  node::Status cluster = Cluster();
  cluster.alarms = {"DIVERGED"};

  const Told told = Read(FromNode(absl::FailedPreconditionError("fenced"), Effect::kNone, cluster));

  EXPECT_EQ(told.info.reason(), "FENCED");
}

TEST(StatusMap, AFullDiskIsNoOverload) {
  node::Status cluster = Cluster();
  absl::Status error = absl::ResourceExhaustedError("full");
  cluster.alarms = {"NOSPACE"};  // Of this node, which need not be the one that refuses.
  EXPECT_EQ(Read(FromNode(error, Effect::kNone, cluster)).info.reason(), "OVERLOADED");

  error.SetPayload(node::kNoSpacePayload, absl::Cord());

  const Told told = Read(FromNode(error, Effect::kNone, Cluster()));
  EXPECT_EQ(told.info.reason(), "NOSPACE");
  EXPECT_TRUE(told.has_retry);
}

TEST(StatusMap, OkHasNoDetails) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).error_details().empty());
}

}  // namespace
}  // namespace coterie::rpc
