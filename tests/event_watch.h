#pragma once

// One subscriber of everything: reads in a thread of its own and keeps what it saw, for comparison
// with what other subscribers saw and with the texts that the events should lead to.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"

namespace coterie::tests {

class EventWatch {
 public:
  // Logs in as `user`, by `addresses` in this order of preference, and reads from behind
  // `after_revision`.
  static absl::StatusOr<std::unique_ptr<EventWatch>> Open(std::vector<std::string> addresses,
                                                          const std::string& user,
                                                          std::uint64_t after_revision);
  ~EventWatch();

  // Whether everything up to `revision` was seen in time.
  bool WaitForRevision(std::uint64_t revision, absl::Duration timeout);
  // Where it stands, for a failure's message.
  std::string Describe();
  // Ends the watch. All batches with events, in the order of their arrival; an error that ended it
  // early.
  absl::StatusOr<std::vector<v1::SubscribeResponse>> Finish();
  int resumptions() const { return subscription_->resumptions(); }

 private:
  EventWatch(std::unique_ptr<client::Client> client,
             std::unique_ptr<client::Subscription> subscription);
  void Run();

  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::Subscription> subscription_;
  absl::Mutex mutex_;
  std::vector<v1::SubscribeResponse> batches_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

// Applies the changes of one document's text, from `text` on. kDataLoss if one does not fit.
absl::StatusOr<std::string> Replay(std::string text, std::uint64_t document,
                                   const std::vector<v1::SubscribeResponse>& batches);

}  // namespace coterie::tests
