// What happens to the subscribers and sessions of a node that has been away for so long that it is
// given a snapshot.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rpc/test_streams.h"
#include "rpc/testing_trio.h"

namespace coterie::rpc {
namespace {

bool IsPresent(TestingClient& client) {
  const v1::ListPresentResponse list =
      client.Call(&v1::PresenceService::Stub::ListPresent, v1::ListPresentRequest());
  return client.status.ok() && list.present_size() > 0;
}

TEST(Jump, SubscribersMissNothing) {
  TestingTrio trio;
  TestingClient mia(trio.home(), "mia");
  const std::uint64_t doc = mia.Create("notes");
  TestingClient ben(trio.away(), "ben");
  Watch watch(trio.away(), ben, FromNow());
  ASSERT_GE(watch.Begin(), doc);
  std::vector<std::uint64_t> revisions;

  trio.JumpOver([&] {
    for (int i = 0; i < 50; ++i) revisions.push_back(mia.Append(doc, "x"));
  });

  for (const std::uint64_t revision : revisions) ASSERT_EQ(watch.Next().revision(), revision);
}

TEST(Jump, WhoLoggedOutMeanwhileIsOut) {
  TestingTrio trio;
  TestingClient ben(trio.away(), "ben");
  TestingClient elsewhere(trio.home());
  elsewhere.token = ben.token;
  Watch watch(trio.away(), ben, FromNow());
  watch.Begin();

  trio.JumpOver([&] { elsewhere.Call(&v1::AuthService::Stub::Logout, v1::LogoutRequest()); });

  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  ben.Call(&v1::AuthService::Stub::WhoAmI, v1::WhoAmIRequest());
  EXPECT_EQ(ben.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST(Jump, WhoWasThoughtGoneMeanwhileJoinsAgain) {
  TestingTrio trio;
  TestingClient mia(trio.home(), "mia");
  TestingClient ben(trio.away(), "ben");
  Attached attached(trio.away(), ben);
  attached.Say(v1::ACTIVITY_VIEWING, 0);
  ASSERT_TRUE(IsPresent(mia));
  const SessionId session = ben.Session();

  trio.JumpOver([&] {
    trio.home().EndLease(session);
    EXPECT_FALSE(IsPresent(mia));
  });

  EXPECT_TRUE(Becomes([&] { return IsPresent(mia); }));
}

}  // namespace
}  // namespace coterie::rpc
