#pragma once

// How long a socket is held open that was told it may not open its document. A stock y-websocket 2
// comes back a tenth of a second after any end, for as long as its page is open: the first refusals
// end at once, the later ones of the same address and document ever later. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstddef>
#include <string>
#include <utility>

namespace coterie::gateway {

class RefusalPace {
 public:
  // Who has come no more for so long begins anew.
  static constexpr absl::Duration kForgottenAfter = absl::Seconds(30);
  static constexpr absl::Duration kHeldMax = absl::Seconds(5);
  // Beyond, the one that is held the shortest is forgotten for each that comes.
  static constexpr std::size_t kRememberedMax = 4'096;

  // Counts one refusal, at a time that does not go back; says for how long its socket is held.
  absl::Duration Next(const std::string& address, const std::string& document, absl::Time now);

 private:
  struct Refusals {
    int count = 0;
    absl::Time last;
  };
  void MakeRoom(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::flat_hash_map<std::pair<std::string, std::string>, Refusals> refusals_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::gateway
