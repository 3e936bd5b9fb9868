#pragma once

// Waiting, on a thread that may block, for what is called back with. Not longer than the caller
// does: the answer may come when nobody waits any more.

#include <absl/status/statusor.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "rpc/call.h"
#include "rpc/llm_servers.h"

namespace coterie::rpc {

// What one step of a task in the cluster may take.
inline constexpr absl::Duration kStepTimeout = absl::Seconds(10);

inline Call StepOf(const Call& call) {
  Call step = call;
  step.deadline = std::min(call.deadline, absl::Now() + kStepTimeout);
  return step;
}

// `start` is run with what it is to call back.
template <class Value>
absl::StatusOr<Value> Await(Cancellation& cancellation,
                            std::function<void(std::function<void(absl::StatusOr<Value>)>)> start) {
  constexpr absl::Duration kCheckEvery = absl::Milliseconds(100);
  struct Waiting {
    absl::Notification done;
    absl::StatusOr<Value> value = absl::UnknownError("not answered");
  };
  const auto waiting = std::make_shared<Waiting>();
  start([waiting](absl::StatusOr<Value> value) {
    waiting->value = std::move(value);
    waiting->done.Notify();
  });
  while (!waiting->done.WaitForNotificationWithTimeout(kCheckEvery)) {
    if (cancellation.IsCancelled()) return absl::CancelledError("the call was given up");
  }
  return std::move(waiting->value);
}

}  // namespace coterie::rpc
