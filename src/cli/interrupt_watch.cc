#include "cli/interrupt_watch.h"

#include <poll.h>
#include <unistd.h>

#include <utility>

#include "cli/exit_code.h"

namespace coterie::cli {
namespace {

constexpr int kLookEveryMs = 50;
constexpr absl::Duration kPatience = absl::Seconds(1);

}  // namespace

InterruptWatch::InterruptWatch(std::function<void()> last_words)
    : last_words_(std::move(last_words)), thread_([this] { Run(); }) {}

InterruptWatch::~InterruptWatch() { ended_.Notify(); }

void InterruptWatch::Run() {
  while (!ended_.HasBeenNotified()) {
    pollfd waiting{.fd = signals_.fd(), .events = POLLIN};
    poll(&waiting, 1, kLookEveryMs);
    while (const int signal = signals_.Next()) {
      if (signal != SIGCHLD) is_interrupted_ = true;
    }
    if (!is_interrupted_ || ended_.WaitForNotificationWithTimeout(kPatience)) continue;
    last_words_();
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }
}

}  // namespace coterie::cli
