#include "gateway/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace coterie::gateway {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// When the machine started.
double BootTimeSeconds() {
  const std::string stat = ReadFile("/proc/stat");
  const std::size_t at = stat.find("\nbtime ");
  double seconds = 0;
  if (at != std::string::npos) std::istringstream(stat.substr(at + 7)) >> seconds;
  return seconds;
}

// proc(5), /proc/self/stat: behind the name, which ends with the last parenthesis, come the fields
// from the third on.
void ReadStat(ProcessFigures& figures) {
  constexpr int kThreads = 20;
  constexpr int kStartTime = 22;  // Clock ticks since the machine started.
  constexpr int kVirtualBytes = 23;
  constexpr int kResidentPages = 24;
  const std::string stat = ReadFile("/proc/self/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= kResidentPages && fields >> field; ++number) {
    std::uint64_t value = 0;
    if (!(std::istringstream(field) >> value)) continue;
    if (number == kThreads) figures.threads = value;
    if (number == kVirtualBytes) figures.virtual_bytes = value;
    if (number == kResidentPages) {
      figures.resident_bytes = value * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    }
    if (number == kStartTime) {
      figures.start_time_seconds =
          BootTimeSeconds() +
          static_cast<double>(value) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
}

}  // namespace

ProcessFigures ReadProcessFigures() {
  ProcessFigures figures;
  ReadStat(figures);
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    figures.cpu_seconds = SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.open_files_max = limit.rlim_cur;
  std::error_code error;
  for (fs::directory_iterator file("/proc/self/fd", error), end; !error && file != end;
       file.increment(error)) {
    ++figures.open_files;
  }
  if (figures.open_files > 0) --figures.open_files;  // The folder itself.
  return figures;
}

}  // namespace coterie::gateway
