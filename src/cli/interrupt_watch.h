#pragma once

// Ctrl-C during a call that streams: the first one asks for its end, so that what there is to say
// can be said; if the end does not come within a second, the program ends. Made before any thread
// is started. Main thread; the question may be asked on any.

#include <absl/synchronization/notification.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <thread>

#include "cli/signals.h"

namespace coterie::cli {

class InterruptWatch {
 public:
  // `last_words` is called before the program ends in the middle of the call, on another thread.
  explicit InterruptWatch(std::function<void()> last_words);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool IsInterrupted() const { return is_interrupted_.load(); }

 private:
  void Run();

  Signals signals_;
  const std::function<void()> last_words_;
  std::atomic<bool> is_interrupted_{false};
  absl::Notification ended_;
  std::jthread thread_;
};

}  // namespace coterie::cli
