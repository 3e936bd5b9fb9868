#include "node/waiters.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

namespace coterie::node {
namespace {

TEST(Waiters, ThereAreSoManyAtMostAndWhoIsAnsweredMakesRoom) {
  Waiters<int> waiters(7);
  std::optional<std::uint64_t> first;
  for (std::size_t i = 0; i < kWaitersMax; ++i) {
    const std::optional<std::uint64_t> id = waiters.Add(static_cast<int>(i));
    ASSERT_TRUE(id.has_value()) << i;
    if (!first) first = id;
  }
  EXPECT_EQ(waiters.Add(1), std::nullopt);
  EXPECT_EQ(waiters.size(), kWaitersMax);

  EXPECT_EQ(waiters.Take(*first), 0);
  EXPECT_NE(waiters.Add(1), std::nullopt);
  EXPECT_EQ(waiters.Add(1), std::nullopt);
}

}  // namespace
}  // namespace coterie::node
