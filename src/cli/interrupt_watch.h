#pragma once

// Ctrl-C during a call that streams: the first one asks for its end, so that what there is to say
// can be said; if the end does not come within a second, the program ends. Threads of gRPC's may
// run already, as in the shell. Main thread; the question may be asked on any.

#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <functional>
#include <thread>

#include "cli/caught_signals.h"

namespace coterie::cli {

class InterruptWatch {
 public:
  // `last_words` is called before the program ends in the middle of the call, on another thread.
  explicit InterruptWatch(std::function<void()> last_words);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool IsInterrupted() const { return signals_.caught() != 0; }

 private:
  void Run();

  const CaughtSignals signals_;
  const std::function<void()> last_words_;
  absl::Notification ended_;
  std::jthread thread_;
};

}  // namespace coterie::cli
