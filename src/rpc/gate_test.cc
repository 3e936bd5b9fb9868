// What is let in, on a real node: so many bytes of requests, and nobody whose session may be over.

#include "rpc/gate.h"

#include <absl/synchronization/blocking_counter.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "node/testing_stall.h"
#include "rpc/authenticate.h"
#include "rpc/call_rates.h"
#include "rpc/node_calls.h"
#include "rpc/testing_node.h"
#include "rpc/token.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

TEST(Gate, RequestsThatAreServedHaveSoManyBytesTogether) {
  constexpr std::size_t kBytes = 4 << 20;
  const Policy policy{.method = "any", .request_bytes_max = kBytes};
  TestingNode node;
  CallRates rates(0);
  Gate gate(node.server().faces().calls.node(), rates);
  for (std::int64_t i = 0; i < Gate::kBytesMax; i += kBytes) {
    ASSERT_TRUE(gate.Enter(policy, kBytes).ok()) << i;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(gate.Enter(policy, 1)));
  EXPECT_EQ(gate.calls(), Gate::kBytesMax / static_cast<std::int64_t>(kBytes));

  gate.Leave(kBytes);
  EXPECT_TRUE(gate.Enter(policy, kBytes).ok());
}

// A session of 200 ms, and a node that does not hear of its end.
TEST(Authenticator, WhoseSessionMayBeOverIsNotBelievedBeforeTheLeaderWasAsked) {
  TestingNode testing;
  node::Node& node = testing.server().faces().calls.node();
  CallRates rates(0);
  Authenticator authenticator(node, rates);
  const std::string secret = NewSecret();
  absl::Notification is_logged_in;
  SessionId session;
  const absl::Time begin = absl::Now();
  node.Propose({.body = state::Login{.user = "tom",
                                     .create_user = true,
                                     .token_hash = HashSecret(secret),
                                     .lifetime_ms = 200}},
               begin + kPatience, [&](const absl::StatusOr<state::Outcome>& outcome) {
                 if (outcome.ok()) session = outcome->session;
                 is_logged_in.Notify();
               });
  is_logged_in.WaitForNotification();
  const std::string authorization = "Bearer " + FormatToken({.session = session, .secret = secret});
  struct Answer {
    absl::Notification is_here;
    absl::Status status;
  };
  const auto identify = [&] {
    const auto answer = std::make_shared<Answer>();
    authenticator.Identify(authorization, absl::Now() + kPatience,
                           [answer](const absl::StatusOr<Caller>& caller) {
                             answer->status = caller.status();
                             answer->is_here.Notify();
                           });
    return answer;
  };
  std::shared_ptr<Answer> late;
  {
    node::TestingStall stall(node);
    const std::optional<state::SessionView> known = node.sessions().Find(session);
    if (known) {  // Else it is over already: that machine is slow.
      const absl::Time expiry =
          absl::FromUnixMillis(static_cast<std::int64_t>(known->expires_at_ms));
      absl::Notification().WaitForNotificationWithTimeout(expiry - absl::Now() +
                                                          absl::Milliseconds(1));
    }
    late = identify();
    EXPECT_FALSE(late->is_here.HasBeenNotified()) << late->status;
  }
  EXPECT_TRUE(late->is_here.WaitForNotificationWithTimeout(kPatience));
  const absl::Time end = absl::Now() + kPatience;
  absl::Status status;
  while (!absl::IsUnauthenticated(status) && absl::Now() < end) {
    const std::shared_ptr<Answer> answer = identify();
    answer->is_here.WaitForNotification();
    status = answer->status;
  }
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
}

// Each asks the leader: made up ones must not keep it busy.
TEST(Authenticator, SoManyUnknownTokensAreLookedUpAtOnce) {
  constexpr int kTokens = 256;
  TestingNode testing;
  node::Node& node = testing.server().faces().calls.node();
  CallRates rates(0);
  Authenticator authenticator(node, rates);
  absl::BlockingCounter looked_up(kTokens);
  const std::string made_up =
      "Bearer " + FormatToken({.session = SessionId(99), .secret = NewSecret()});
  {
    node::TestingStall stall(node);
    for (int i = 0; i < kTokens; ++i) {
      authenticator.Identify(made_up, absl::Now() + kPatience,
                             [&](const absl::StatusOr<Caller>& caller) {
                               EXPECT_TRUE(absl::IsUnauthenticated(caller.status()));
                               looked_up.DecrementCount();
                             });
    }
    const auto status = std::make_shared<absl::Status>();
    authenticator.Identify(
        made_up, absl::Now() + kPatience,
        [status](const absl::StatusOr<Caller>& caller) { *status = caller.status(); });
    EXPECT_TRUE(absl::IsResourceExhausted(*status)) << *status;
  }
  looked_up.Wait();
}

}  // namespace
}  // namespace coterie::rpc
