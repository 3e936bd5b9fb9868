#include "llm/waited_time.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace coterie::llm {
namespace {

// More threads than processors: this one has to wait for its turn.
TEST(WaitedTimeTest, GrowsWhileOthersHaveTheProcessor) {
  const WaitedTime waited;
  std::atomic<bool> is_over = false;
  std::vector<std::thread> others;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i) {
    others.emplace_back([&is_over] {
      while (!is_over.load(std::memory_order_relaxed)) continue;
    });
  }
  const absl::Duration before = waited.Get();
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (waited.Get() < before + absl::Milliseconds(20) && absl::Now() < end) continue;
  is_over.store(true);
  for (std::thread& other : others) other.join();
  EXPECT_GE(waited.Get(), before + absl::Milliseconds(20));
}

}  // namespace
}  // namespace coterie::llm
