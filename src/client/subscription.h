#pragma once

// The events of the cluster, in order, each once, from any revision on: a blocking reader that
// moves to another node when its own dies, freezes or says so, and resumes there after the last
// revision that it has returned. Next() belongs to one thread at a time; Cancel() may be called
// from any.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "client/nodes.h"
#include "coterie/v1/events.pb.h"

namespace coterie::client {

class Subscription {
 public:
  // Use Client::Subscribe(). `request` must not say from_now: that would lose what happens between
  // two nodes before the first answer.
  Subscription(std::shared_ptr<Nodes> nodes, v1::SubscribeRequest request);
  ~Subscription();

  // The next batch, or progress mark, with a revision above the last one's. Errors after which
  // Next() may be called again: kDeadlineExceeded = nothing by then; kUnavailable = no node could
  // be reached for Options::unreachable_timeout. Final ones: kCancelled; kOutOfRange = the gap is
  // no longer retained, see DetailOf(); kUnauthenticated; whatever else the cluster refuses.
  absl::StatusOr<v1::SubscribeResponse> Next(absl::Time deadline = absl::InfiniteFuture());

  // Makes Next() return kCancelled, now and for ever.
  void Cancel();

  // Of the last batch or mark returned; where a new subscription would go on.
  std::uint64_t revision() const { return request_.after_revision(); }
  // How often it has moved to another node or the same anew.
  int resumptions() const { return resumptions_; }
  // Where it reads at the moment; empty when nowhere.
  std::string node() const;

 private:
  class Stream;
  absl::Status OpenStream(absl::Time deadline);
  // Ends the broken stream. OK when it is worth opening another.
  absl::Status CloseStream(const absl::Status& why);

  const std::shared_ptr<Nodes> nodes_;
  v1::SubscribeRequest request_;
  std::unique_ptr<Stream> stream_;
  std::optional<Tour> tour_;  // Since the last message.
  int resumptions_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace coterie::client
