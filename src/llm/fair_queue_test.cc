#include "llm/fair_queue.h"

#include <gtest/gtest.h>

#include <map>

#include "base/prng.h"

namespace coterie::llm {
namespace {

std::string PopAll(FairQueue<std::string>& queue) {
  std::string order;
  while (const std::optional<std::string> next = queue.Pop()) order += *next + " ";
  return order;
}

TEST(FairQueue, ClientsTakeTurnsAndKeepTheirOrder) {
  FairQueue<std::string> queue(10, 5);
  for (const char* name : {"a1", "a2", "a3", "b1", "c1", "c2"}) {
    ASSERT_TRUE(queue.TryPush(std::string(1, name[0]), name));
  }

  EXPECT_EQ(PopAll(queue), "a1 b1 c1 a2 c2 a3 ");
}

TEST(FairQueue, WhoComesLateWaitsForOneRoundAtMost) {
  FairQueue<std::string> queue(10, 5);
  for (const char* name : {"a1", "a2", "a3"}) ASSERT_TRUE(queue.TryPush("a", name));
  EXPECT_EQ(queue.Pop(), "a1");

  ASSERT_TRUE(queue.TryPush("b", "b1"));

  EXPECT_EQ(PopAll(queue), "a2 b1 a3 ");
}

TEST(FairQueue, ShowsWhoComesWhen) {
  Prng prng(3);
  FairQueue<std::string> queue(40, 10);
  for (int i = 0; i < 30; ++i) {
    const std::string client(1, static_cast<char>('a' + prng.Below(5)));
    static_cast<void>(queue.TryPush(client, client + std::to_string(i)));
    if (prng.Chance(1, 4)) queue.Pop();
  }
  std::string shown;
  queue.ForEachInTurn([&shown](const std::string& name) { shown += name + " "; });

  EXPECT_GT(queue.size(), 10U);
  EXPECT_EQ(shown, PopAll(queue));
}

TEST(FairQueue, RefusesBeyondEitherBound) {
  FairQueue<std::string> queue(3, 2);
  EXPECT_TRUE(queue.TryPush("a", "a1"));
  EXPECT_TRUE(queue.TryPush("a", "a2"));
  std::string refused = "a3";
  EXPECT_FALSE(queue.TryPush("a", std::move(refused)));
  EXPECT_EQ(refused, "a3");
  EXPECT_TRUE(queue.TryPush("b", "b1"));
  EXPECT_FALSE(queue.TryPush("c", "c1"));
  EXPECT_EQ(queue.size(), 3U);
}

TEST(FairQueue, RemovesFromAnywhere) {
  FairQueue<std::string> queue(10, 5);
  for (const char* name : {"a1", "b1", "a2"}) ASSERT_TRUE(queue.TryPush({name[0]}, name));

  EXPECT_EQ(queue.Remove([](const std::string& name) { return name == "b1"; }), "b1");
  EXPECT_EQ(queue.Remove([](const std::string& name) { return name == "b1"; }), std::nullopt);

  EXPECT_EQ(PopAll(queue), "a1 a2 ");
  EXPECT_EQ(queue.size(), 0U);
}

// Against a list that is searched: whose turn was longest ago, among those that wait.
TEST(FairQueue, NobodyIsServedTwiceWhileAnotherWaits) {
  Prng prng(7);
  FairQueue<int> queue(40, 10);
  std::map<std::string, int> waiting;
  std::map<std::string, int> overtaken;  // Since it waits, by whom it may have been.
  for (int step = 0; step < 20'000; ++step) {
    if (prng.Chance(1, 2)) {
      const std::string client(1, static_cast<char>('a' + prng.Below(6)));
      if (queue.TryPush(client, client[0])) ++waiting[client];
      continue;
    }
    const std::optional<int> next = queue.Pop();
    if (!next) continue;
    const std::string served(1, static_cast<char>(*next));
    ASSERT_GT(waiting[served]--, 0);
    overtaken[served] = 0;
    for (const auto& [client, count] : waiting) {
      if (client != served && count > 0) {
        ASSERT_LE(++overtaken[client], 6) << client;
      }
      if (count == 0) overtaken[client] = 0;
    }
  }
}

}  // namespace
}  // namespace coterie::llm
