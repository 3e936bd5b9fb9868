#include "llm/waited_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string_view>

namespace coterie::llm {

WaitedTime::WaitedTime() : file_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}
WaitedTime::~WaitedTime() {
  if (file_ >= 0) close(file_);
}

// The file holds nanoseconds on a processor, nanoseconds waited, and time slices.
absl::Duration WaitedTime::Get() const {
  char text[128];
  const ssize_t size = file_ < 0 ? -1 : pread(file_, text, sizeof text, 0);
  if (size <= 0) return absl::ZeroDuration();
  const std::string_view line(text, static_cast<std::size_t>(size));
  const std::size_t at = line.find(' ');
  if (at == std::string_view::npos) return absl::ZeroDuration();
  std::int64_t nanoseconds = 0;
  std::from_chars(line.data() + at + 1, line.data() + line.size(), nanoseconds);
  return absl::Nanoseconds(nanoseconds);
}

}  // namespace coterie::llm
