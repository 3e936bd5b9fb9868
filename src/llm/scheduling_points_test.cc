#include "llm/scheduling_points.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

namespace coterie::llm {
namespace {

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

TEST(SchedulingPointsTest, ThreadsSleepAndWakeWhileAScopeLives) {
  SchedulingPoints points(absl::Microseconds(100));
  const SchedulingPoints::Scope scope(points);
  EXPECT_TRUE(SleepsGrowBy(500));
}

TEST(SchedulingPointsTest, GoOnUntilTheLastScopeEnds) {
  SchedulingPoints points(absl::Microseconds(100));
  const SchedulingPoints::Scope outer(points);
  { const SchedulingPoints::Scope inner(points); }
  EXPECT_TRUE(SleepsGrowBy(500));
}

TEST(SchedulingPointsTest, NothingWakesUpWithoutAScope) {
  SchedulingPoints points(absl::Microseconds(100));
  { const SchedulingPoints::Scope scope(points); }
  const long before = Sleeps();
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  while (std::chrono::steady_clock::now() < end) {
  }
  // It would be a thousand for each processor. A few were on their way.
  EXPECT_LT(Sleeps() - before, 200);
}

TEST(SchedulingPointsTest, APeriodOfZeroMakesNone) {
  SchedulingPoints points(absl::ZeroDuration());
  const long before = Sleeps();
  const SchedulingPoints::Scope scope(points);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  while (std::chrono::steady_clock::now() < end) {
  }
  EXPECT_LT(Sleeps() - before, 50);
}

TEST(SchedulingPointsTest, EndWhateverTheyDo) {
  for (int i = 0; i < 100; ++i) {
    SchedulingPoints points(absl::Microseconds(50));
    const SchedulingPoints::Scope scope(points);
  }
}

}  // namespace
}  // namespace coterie::llm
