#include "rpc/call_rates.h"

#include <gtest/gtest.h>

namespace coterie::rpc {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

std::size_t TakeAll(CallRates& rates, std::string_view user, absl::Time now) {
  std::size_t taken = 0;
  while (!rates.Take(user, now)) ++taken;
  return taken;
}

TEST(CallRates, WhoCallsTooOftenWaitsAndNobodyElse) {
  CallRates rates(100);
  EXPECT_EQ(TakeAll(rates, "mia", kStart), 200u);  // What two seconds bring.
  EXPECT_EQ(*rates.Take("mia", kStart), absl::Milliseconds(10));
  EXPECT_FALSE(rates.Take("tom", kStart));
  EXPECT_EQ(TakeAll(rates, "mia", kStart + absl::Milliseconds(105)), 10u);
  EXPECT_EQ(TakeAll(rates, "mia", kStart + absl::Hours(1)), 200u);
}

TEST(CallRates, WhoseCallsCostMuchWaitsForIt) {
  CallRates rates(100);
  rates.Charge("mia", absl::Milliseconds(100), kStart);  // Of 500 ms that two seconds bring.
  EXPECT_EQ(TakeAll(rates, "mia", kStart), 160u);
  EXPECT_EQ(rates.Debt("mia", kStart), absl::ZeroDuration());

  rates.Charge("mia", absl::Milliseconds(250), kStart);
  EXPECT_EQ(rates.Debt("mia", kStart), absl::Seconds(1));
  EXPECT_EQ(*rates.Take("mia", kStart), absl::Milliseconds(1'010));
  EXPECT_EQ(rates.Debt("mia", kStart + absl::Milliseconds(400)), absl::Milliseconds(600));
  EXPECT_EQ(rates.Debt("tom", kStart), absl::ZeroDuration());
  EXPECT_FALSE(rates.Take("tom", kStart));

  rates.Charge("mia", absl::Hours(1), kStart + absl::Seconds(2));
  EXPECT_EQ(rates.Debt("mia", kStart + absl::Seconds(2)), absl::Seconds(10));
}

TEST(CallRates, ZeroIsNoLimit) {
  CallRates rates(0);
  for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(rates.Take("mia", kStart));
  rates.Charge("mia", absl::Hours(1), kStart);
  EXPECT_EQ(rates.Debt("mia", kStart), absl::ZeroDuration());
}

TEST(CallRates, OnlyTheBusyAreRemembered) {
  CallRates rates(1);
  TakeAll(rates, "mia", kStart);
  for (std::size_t i = 1; i < CallRates::kUsersMax; ++i) rates.Take(std::to_string(i), kStart);
  EXPECT_FALSE(rates.Take("tom", kStart));
  EXPECT_FALSE(rates.Take("tom", kStart));
  EXPECT_FALSE(rates.Take("tom", kStart));  // There is no room to count him.
  const absl::Time later = kStart + absl::Milliseconds(1'500);
  EXPECT_EQ(TakeAll(rates, "tom", later), 2u);  // The others are forgotten, but not mia:
  EXPECT_EQ(TakeAll(rates, "mia", later), 1u);
}

}  // namespace
}  // namespace coterie::rpc
