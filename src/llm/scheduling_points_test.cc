#include "llm/scheduling_points.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace coterie::llm {
namespace {

constexpr absl::Duration kPeriod = absl::Microseconds(100);

// Times that threads of this process have gone to sleep.
long Sleeps() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

// Until there were `sleeps` more, or a generous time is over.
bool SleepsGrowBy(long sleeps) {
  const long before = Sleeps();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (Sleeps() < before + sleeps) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

// How many there are within a time in which the points would be thousands.
long SleepsInAWhile() {
  const long before = Sleeps();
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) continue;
  return Sleeps() - before;
}

// Of who computes: every second it waits for half a second, or never.
class Waits {
 public:
  absl::Duration Half() { return waited_ += absl::Milliseconds(50); }
  static absl::Duration Never() { return absl::Seconds(7); }

 private:
  absl::Duration waited_;
};

TEST(SchedulingPointsTest, AreMadeWhileAScopeLivesAndSomebodyWaits) {
  Waits waits;
  SchedulingPoints points(kPeriod, [&] { return waits.Half(); });
  const SchedulingPoints::Scope outer(points);
  EXPECT_TRUE(SleepsGrowBy(500));
  { const SchedulingPoints::Scope inner(points); }
  EXPECT_TRUE(SleepsGrowBy(500)) << "not until the last one ends";
}

TEST(SchedulingPointsTest, AreNotMadeWhileNobodyWaits) {
  SchedulingPoints points(kPeriod, Waits::Never);
  const SchedulingPoints::Scope scope(points);
  EXPECT_LT(SleepsInAWhile(), 200) << "only looking";
}

TEST(SchedulingPointsTest, StopWhenNobodyWaitsAnyMore) {
  std::atomic<bool> is_over = false;
  Waits waits;
  absl::Duration last;
  SchedulingPoints points(kPeriod, [&] { return is_over ? last : last = waits.Half(); });
  const SchedulingPoints::Scope scope(points);
  EXPECT_TRUE(SleepsGrowBy(500));
  is_over = true;
  for (int i = 0; i < 4; ++i) SleepsInAWhile();  // It is believed for a while.
  EXPECT_LT(SleepsInAWhile(), 200);
}

TEST(SchedulingPointsTest, AreNotMadeWithoutAScope) {
  Waits waits;
  SchedulingPoints points(kPeriod, [&] { return waits.Half(); });
  {
    const SchedulingPoints::Scope scope(points);
    EXPECT_TRUE(SleepsGrowBy(500));
  }
  EXPECT_LT(SleepsInAWhile(), 200) << "a few were on their way";
}

TEST(SchedulingPointsTest, APeriodOfZeroMakesNone) {
  Waits waits;
  SchedulingPoints points(absl::ZeroDuration(), [&] { return waits.Half(); });
  const SchedulingPoints::Scope scope(points);
  EXPECT_LT(SleepsInAWhile(), 50);
}

TEST(SchedulingPointsTest, EndWhateverTheyDo) {
  for (int i = 0; i < 20; ++i) {
    Waits waits;
    SchedulingPoints points(absl::Microseconds(50), [&] { return waits.Half(); });
    const SchedulingPoints::Scope scope(points);
  }
}

}  // namespace
}  // namespace coterie::llm
