#include "cli/caught_signals.h"

#include <atomic>

#include "base/check.h"

namespace coterie::cli {
namespace {

// A handler has nothing else to write to.
std::atomic<int> last_signal{0};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
static_assert(std::atomic<int>::is_always_lock_free);

}  // namespace

CaughtSignals::CaughtSignals(std::initializer_list<int> signals) {
  last_signal = 0;
  struct sigaction note {};
  note.sa_handler = [](int signal) { last_signal = signal; };
  note.sa_flags = SA_RESTART;
  sigemptyset(&note.sa_mask);
  for (const int signal : signals) {
    struct sigaction before {};
    CHECK(sigaction(signal, nullptr, &before) == 0);
    if (before.sa_handler == SIG_IGN) continue;
    CHECK(sigaction(signal, &note, nullptr) == 0);
    before_.emplace_back(signal, before);
  }
}

CaughtSignals::~CaughtSignals() {
  for (const auto& [signal, before] : before_) {
    CHECK(sigaction(signal, &before, nullptr) == 0);
  }
}

int CaughtSignals::caught() const { return last_signal; }

}  // namespace coterie::cli
