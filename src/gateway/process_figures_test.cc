#include "gateway/process_figures.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>
#include <vector>

namespace coterie::gateway {
namespace {

TEST(ProcessFigures, CountWhatThisProcessTakes) {
  const ProcessFigures before = ReadProcessFigures();
  const std::ifstream file("/proc/self/stat");
  std::vector<char> memory(64 << 20, 'x');  // Touched, so that it is resident.
  const absl::Time end = absl::Now() + absl::Milliseconds(200);
  while (absl::Now() < end) memory[static_cast<std::size_t>(memory[1])] += memory[2];

  const ProcessFigures after = ReadProcessFigures();

  EXPECT_EQ(after.open_files, before.open_files + 1);
  EXPECT_GE(after.open_files_max, after.open_files);
  EXPECT_GT(after.resident_bytes, before.resident_bytes + (60 << 20));
  EXPECT_LT(after.resident_bytes, before.resident_bytes + (80 << 20));
  EXPECT_GE(after.virtual_bytes, after.resident_bytes);
  EXPECT_GT(after.cpu_seconds, before.cpu_seconds);
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  EXPECT_LT(after.start_time_seconds, now + 2);
  EXPECT_GT(after.start_time_seconds, now - 3'600);
}

TEST(ProcessFigures, CountThreads) {
  const std::uint64_t before = ReadProcessFigures().threads;
  std::uint64_t with_another = 0;
  std::thread([&] { with_another = ReadProcessFigures().threads; }).join();
  EXPECT_EQ(with_another, before + 1);
}

}  // namespace
}  // namespace coterie::gateway
