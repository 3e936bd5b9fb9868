#include "bin/llm_options.h"

#include <absl/strings/str_cat.h>

#include <algorithm>

namespace coterie::bin {
namespace {

// More often would be felt by the model.
constexpr std::uint32_t kYieldMicrosecondsMin = 50;

absl::Status CheckRange(const char* flag, std::int64_t value, std::int64_t least,
                        std::int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", value, ": must be ", least, " to ", most));
}

}  // namespace

absl::Status CheckOptions(const LlmOptions& options) {
  if ((options.backend == "openai") == options.url.empty()) {
    return absl::InvalidArgumentError(
        "--backend openai and --url go together, for example --backend openai --url "
        "http://127.0.0.1:11434");
  }
  absl::Status status = CheckRange("--context", options.context, 64, 1 << 20);
  status.Update(CheckRange("--slots", options.slots, 1, 64));
  status.Update(CheckRange("--threads", options.threads, 0, 512));
  status.Update(CheckRange("--poll", options.poll, 0, 100));
  status.Update(CheckRange("--queue", options.waiting_max, 1, 10'000));
  status.Update(CheckRange("--nice", options.nice, 0, 19));
  if (options.yield_microseconds != 0 && options.yield_microseconds < kYieldMicrosecondsMin) {
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("--yield-every ", options.yield_microseconds, ": must be 0 or at least ",
                     kYieldMicrosecondsMin)));
  }
  status.Update(CheckRange("--drain-seconds", options.drain_seconds, 0, 3'600));
  return status;
}

std::uint32_t ThreadsOf(const LlmOptions& options, std::uint32_t cores) {
  if (options.threads > 0) return options.threads;
  return std::max(cores, 2U) - 1;
}

}  // namespace coterie::bin
