#include "cli/interrupt_watch.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "cli/exit_code.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(50);
constexpr absl::Duration kPatience = absl::Seconds(1);

}  // namespace

InterruptWatch::InterruptWatch(std::function<void()> last_words)
    : signals_({SIGINT, SIGTERM, SIGHUP}),
      last_words_(std::move(last_words)),
      thread_([this] { Run(); }) {}

InterruptWatch::~InterruptWatch() { ended_.Notify(); }

void InterruptWatch::Run() {
  while (!ended_.WaitForNotificationWithTimeout(kLookEvery)) {
    if (!IsInterrupted() || ended_.WaitForNotificationWithTimeout(kPatience)) continue;
    last_words_();
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

}  // namespace coterie::cli
