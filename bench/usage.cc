#include "bench/usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace coterie::bench {
namespace {

std::ifstream Open(pid_t process, const char* file) {
  return std::ifstream("/proc/" + std::to_string(process) + "/" + file);
}

// proc(5): fields 14 and 15 of stat, in clock ticks; the name in parentheses may hold spaces.
double CpuSeconds(pid_t process) {
  std::ifstream file = Open(process, "stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int skipped = 3; skipped <= 13; ++skipped) fields >> field;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::uint64_t ResidentBytes(pid_t process) {
  std::ifstream file = Open(process, "statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t WrittenBytes(pid_t process) {
  std::ifstream file = Open(process, "io");
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

}  // namespace

Usage ReadUsage(const std::vector<pid_t>& processes) {
  Usage usage;
  for (const pid_t process : processes) {
    usage.cpu_seconds += CpuSeconds(process);
    usage.resident_bytes += ResidentBytes(process);
    usage.written_bytes += WrittenBytes(process);
  }
  return usage;
}

}  // namespace coterie::bench
