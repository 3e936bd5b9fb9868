#include "node/leases.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "state/machine.h"
#include "state/memory_kv.h"

namespace coterie::node {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kElection = kSecond / 5;

class LeasesTest : public ::testing::Test {
 protected:
  state::Outcome Apply(SessionId session, state::CommandBody body) {
    const state::Command command{.session = session, .body = std::move(body)};
    const state::ApplyResult result = machine_.ApplyCommand(
        Term(1), machine_.applied().index.Next(),
        state::StampCommand({.time_ms = wall_ms_}, state::EncodeCommand(command)));
    machine_.Commit();
    leases_.Observe(result, machine_, now_us_);
    EXPECT_TRUE(result.outcome.has_value());
    return *result.outcome;
  }
  SessionId Login() {
    const state::Outcome outcome = Apply({}, state::Login{.user = "ann",
                                                          .verified_hash = "hash",
                                                          .create_user = true,
                                                          .token_hash = std::string(32, 't'),
                                                          .lifetime_ms = 3'600'000});
    EXPECT_TRUE(outcome.ok()) << outcome.message;
    return outcome.session;
  }
  std::vector<state::CommandBody> After(std::uint64_t microseconds) {
    now_us_ += microseconds;
    wall_ms_ += microseconds / 1'000;
    return leases_.TakeExpired(machine_, now_us_, wall_ms_);
  }

  state::MemoryKv kv_;
  state::Machine machine_{kv_, {}};
  Leases leases_{kElection};
  std::uint64_t now_us_ = kSecond;
  std::uint64_t wall_ms_ = 1'700'000'000'000;
};

TEST_F(LeasesTest, ASessionThatIsNotRenewedLeaves) {
  const SessionId session = Login();
  leases_.Start(machine_, now_us_);
  ASSERT_TRUE(Apply(session, state::Attach{.lease_ms = 5'000}).ok());
  EXPECT_TRUE(After(4 * kSecond).empty());
  leases_.Renew(session, now_us_);
  EXPECT_TRUE(After(5 * kSecond - 1).empty());
  const std::vector<state::CommandBody> expired = After(1);
  ASSERT_EQ(expired.size(), 1u);
  const auto* leave = std::get_if<state::Leave>(&expired[0]);
  ASSERT_NE(leave, nullptr);
  EXPECT_EQ(leave->session, session);
  EXPECT_EQ(leave->attached, machine_.FindSession(session)->attached);
  // Not asked for again at once, but again if nothing comes of it.
  EXPECT_TRUE(After(kElection / 4).empty());
  EXPECT_EQ(After(2 * kElection).size(), 1u);
  ASSERT_TRUE(Apply({}, *leave).ok());
  EXPECT_TRUE(After(60 * kSecond).empty());
}

TEST_F(LeasesTest, ANewLeaderGivesEverybodyTheirFullTime) {
  const SessionId session = Login();
  ASSERT_TRUE(Apply(session, state::Attach{.lease_ms = 5'000}).ok());
  EXPECT_TRUE(After(600 * kSecond).empty());  // Follows: no timers.
  leases_.Start(machine_, now_us_);
  EXPECT_TRUE(After(kElection + 5 * kSecond - 1).empty());
  EXPECT_EQ(After(1).size(), 1u);
  leases_.Stop();
  EXPECT_TRUE(After(600 * kSecond).empty());
}

TEST_F(LeasesTest, ALockEndsWithItsTimeUnlessItIsRenewed) {
  const SessionId session = Login();
  const DocId doc = Apply(session, state::CreateDocument{.name = "notes"}).doc;
  leases_.Start(machine_, now_us_);
  const state::Outcome lock = Apply(session, state::Lock{.doc = doc, .ttl_ms = 10'000});
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(After(9 * kSecond).empty());
  ASSERT_TRUE(Apply(session, state::Lock{.doc = doc, .ttl_ms = 10'000}).ok());
  EXPECT_TRUE(After(10 * kSecond - 1).empty());
  const std::vector<state::CommandBody> expired = After(1);
  ASSERT_EQ(expired.size(), 1u);
  const auto* expire = std::get_if<state::ExpireLock>(&expired[0]);
  ASSERT_NE(expire, nullptr);
  EXPECT_EQ(expire->token, lock.token);
  // It comes too late for a lock that was renewed meanwhile.
  ASSERT_TRUE(Apply(session, state::Lock{.doc = doc, .ttl_ms = 10'000}).ok());
  Apply({}, *expire);
  EXPECT_TRUE(machine_.FindDocument(doc)->lock.has_value());
}

TEST_F(LeasesTest, ARenewalFromBeforeShortensNothingAndAPauseIsAdded) {
  const SessionId session = Login();
  ASSERT_TRUE(Apply(session, state::Attach{.lease_ms = 5'000}).ok());
  leases_.Start(machine_, now_us_);
  leases_.Renew(session, now_us_ - 4 * kSecond);
  EXPECT_TRUE(After(kElection + 5 * kSecond - 1).empty());
  leases_.Extend(3 * kSecond);
  EXPECT_TRUE(After(3 * kSecond).empty());
  EXPECT_EQ(After(1).size(), 1u);
}

TEST_F(LeasesTest, ALongerLeaseCountsFromWhenItIsAskedFor) {
  const SessionId session = Login();
  leases_.Start(machine_, now_us_);
  ASSERT_TRUE(Apply(session, state::Attach{.lease_ms = 1'000}).ok());
  EXPECT_TRUE(After(kSecond / 2).empty());
  ASSERT_TRUE(Apply(session, state::Attach{.lease_ms = 60'000}).ok());
  EXPECT_TRUE(After(60 * kSecond - 1).empty());
  EXPECT_EQ(After(1).size(), 1u);
}

TEST_F(LeasesTest, ALoginThatWasEndedIsNotEndedAgain) {
  const SessionId first = Login();
  leases_.Start(machine_, now_us_);
  const SessionId second = Login();
  ASSERT_TRUE(Apply(first, state::Logout{}).ok());
  const std::vector<state::CommandBody> expired = After(3'700 * kSecond);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(std::get<state::ExpireSession>(expired[0]).session, second);
}

TEST_F(LeasesTest, ALoginEndsWithItsLifetime) {
  const SessionId session = Login();
  leases_.Start(machine_, now_us_);
  EXPECT_TRUE(After(3'500 * kSecond).empty());
  const std::vector<state::CommandBody> expired = After(200 * kSecond);
  ASSERT_EQ(expired.size(), 1u);
  const auto* expire = std::get_if<state::ExpireSession>(&expired[0]);
  ASSERT_NE(expire, nullptr);
  EXPECT_EQ(expire->session, session);
}

TEST_F(LeasesTest, ALoginEndsWithinASecondOfItsLifetime) {
  Login();
  leases_.Start(machine_, now_us_);
  EXPECT_TRUE(After(3'599 * kSecond).empty());
  EXPECT_EQ(After(2 * kSecond).size(), 1u);
}

// The log was stamped by a leader whose wall clock was ahead; the machine refuses the session.
TEST_F(LeasesTest, ALoginEndsByTheTimeOfTheLog) {
  const SessionId session = Login();
  wall_ms_ += 4'000'000;
  Apply({}, state::CreateUser{.name = "bob"});
  wall_ms_ -= 4'000'000;
  leases_.Start(machine_, now_us_);
  const std::vector<state::CommandBody> expired = After(20 * kSecond);
  ASSERT_EQ(expired.size(), 1u);
  const auto* expire = std::get_if<state::ExpireSession>(&expired[0]);
  ASSERT_NE(expire, nullptr);
  EXPECT_EQ(expire->session, session);
}

}  // namespace
}  // namespace coterie::node
