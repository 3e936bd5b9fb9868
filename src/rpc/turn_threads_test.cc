// Who gets a thread when many want one.

#include "rpc/turn_threads.h"

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace coterie::rpc {
namespace {

using Taken = TurnThreads::Taken;

constexpr TurnThreads::Options kSmall{
    .threads = 3, .running_per_user_max = 2, .waiting_per_user_max = 4, .waiting_max = 6};

bool Never() { return false; }

class Turns : public testing::Test {
 protected:
  ~Turns() override {
    if (!go_on_.HasBeenNotified()) go_on_.Notify();
    threads_.Stop();
  }
  // Works until Release().
  Taken Occupy(const std::string& user) {
    return threads_.TryRun({.user = user, .is_abandoned = Never, .run = [this, user] {
                              ++running_;
                              go_on_.WaitForNotification();
                            }});
  }
  Taken Note(const std::string& user, std::function<bool()> is_abandoned = Never) {
    return threads_.TryRun(
        {.user = user, .is_abandoned = std::move(is_abandoned), .run = [this, user] {
           absl::MutexLock lock(&mutex_);
           served_ += user;
         }});
  }
  std::string WaitFor(std::size_t served) {
    absl::MutexLock lock(&mutex_);
    const auto are_served = [&] { return served_.size() >= served; };
    mutex_.AwaitWithTimeout(absl::Condition(&are_served), absl::Seconds(10));
    return served_;
  }
  void WaitUntilRunning(int count) {
    absl::Notification never;
    while (running_ < count) never.WaitForNotificationWithTimeout(absl::Milliseconds(1));
  }

  absl::Notification go_on_;
  std::atomic<int> running_{0};
  absl::Mutex mutex_;
  std::string served_;
  TurnThreads threads_{kSmall};
};

TEST_F(Turns, WhoWaitsIsToldHisPlaceWhenItChanges) {
  threads_.Start();
  for (const char* user : {"a", "b", "c"}) ASSERT_EQ(Occupy(user), Taken::kYes);
  WaitUntilRunning(3);
  std::map<std::string, std::vector<std::size_t>> told;
  std::atomic<bool> is_a1_gone{false};
  const auto wait = [&](const std::string& user, const std::string& name) {
    return threads_.TryRun(
        {.user = user,
         .is_abandoned = [&, name] { return name == "a1" && is_a1_gone; },
         .on_place = [&told, name](std::size_t place) { told[name].push_back(place); },
         .run = [] {}});
  };

  ASSERT_EQ(wait("a", "a1"), Taken::kYes);
  ASSERT_EQ(wait("a", "a2"), Taken::kYes);
  ASSERT_EQ(wait("b", "b1"), Taken::kYes);  // Before a's second.
  is_a1_gone = true;
  ASSERT_EQ(wait("c", "c1"), Taken::kYes);

  EXPECT_EQ(told["a1"], (std::vector<std::size_t>{1}));
  EXPECT_EQ(told["a2"], (std::vector<std::size_t>{2, 3, 1}));
  EXPECT_EQ(told["b1"], (std::vector<std::size_t>{2}));
  EXPECT_EQ(told["c1"], (std::vector<std::size_t>{3}));
  go_on_.Notify();
  threads_.Stop();
}

TEST_F(Turns, WhatAnIdleThreadTakesHasNoPlace) {
  std::vector<std::size_t> told;
  threads_.Start();
  for (int i = 0; i < 2; ++i) ASSERT_EQ(Occupy("a"), Taken::kYes);
  WaitUntilRunning(2);
  absl::Notification has_run;
  ASSERT_EQ(threads_.TryRun({.user = "b",
                             .is_abandoned = Never,
                             .on_place = [&told](std::size_t place) { told.push_back(place); },
                             .run = [&has_run] { has_run.Notify(); }}),
            Taken::kYes);
  has_run.WaitForNotification();
  // As many of hers run as may; a thread is idle all the same.
  ASSERT_EQ(threads_.TryRun({.user = "a",
                             .is_abandoned = Never,
                             .on_place = [&told](std::size_t place) { told.push_back(place); },
                             .run = [] {}}),
            Taken::kYes);
  EXPECT_EQ(told, (std::vector<std::size_t>{1}));
  go_on_.Notify();
  threads_.Stop();
}

TEST_F(Turns, OneUserLeavesAThreadForAnother) {
  threads_.Start();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Occupy("a"), Taken::kYes);
  WaitUntilRunning(2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Occupy("a"), Taken::kYes);

  EXPECT_EQ(Note("b"), Taken::kYes);

  EXPECT_EQ(WaitFor(1), "b");
  EXPECT_EQ(running_, 2);
}

TEST_F(Turns, WhoAsksMuchIsRefusedAndOthersAreNot) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Note("a"), Taken::kYes);
  EXPECT_EQ(Note("a"), Taken::kUserHasEnough);
  EXPECT_EQ(Note("b"), Taken::kYes);
  EXPECT_EQ(Note("c"), Taken::kYes);
  EXPECT_EQ(Note("d"), Taken::kFull);
}

// However late the threads wake up.
TEST(TurnsInABurst, FindAsManyPlacesAsOneByOne) {
  for (int round = 0; round < 200; ++round) {
    absl::Notification go_on;
    TurnThreads threads(kSmall);
    threads.Start();
    const auto ask = [&] {
      return threads.TryRun(
          {.user = "a", .is_abandoned = Never, .run = [&] { go_on.WaitForNotification(); }});
    };
    for (int i = 0; i < 6; ++i) EXPECT_EQ(ask(), Taken::kYes);
    EXPECT_EQ(ask(), Taken::kUserHasEnough);
    go_on.Notify();
  }
}

TEST(TurnsOfOneThread, UsersTakeTurns) {
  TurnThreads threads(
      {.threads = 1, .running_per_user_max = 1, .waiting_per_user_max = 4, .waiting_max = 8});
  std::string served;
  for (const char* user : {"a", "a", "a", "b", "b", "c"}) {
    ASSERT_EQ(
        threads.TryRun(
            {.user = user, .is_abandoned = Never, .run = [&served, user] { served += user; }}),
        Taken::kYes);
  }
  threads.Start();
  threads.Stop();
  EXPECT_EQ(served, "abcaba");
}

TEST_F(Turns, WhatNobodyWaitsForLeavesItsPlace) {
  std::atomic<bool> is_gone = false;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Note("a", [&] { return is_gone.load(); }), Taken::kYes);
  EXPECT_EQ(Note("a"), Taken::kUserHasEnough);
  is_gone = true;
  EXPECT_EQ(Note("a"), Taken::kYes);
  threads_.Start();
  threads_.Stop();
  EXPECT_EQ(served_, "a");
}

TEST_F(Turns, StoppingRunsWhatWaits) {
  threads_.Start();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Occupy("a"), Taken::kYes);
  WaitUntilRunning(2);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Note("a"), Taken::kYes);
  go_on_.Notify();
  threads_.Stop();
  EXPECT_EQ(served_, "aaaa");
  EXPECT_EQ(Note("a"), Taken::kFull);
}

}  // namespace
}  // namespace coterie::rpc
