#pragma once

// Keeps a session present (JOIN) and its lease alive over whatever nodes there are, and tells the
// others what it does. A thread of its own holds the stream, notices a node that died or froze and
// moves on within the lease, so that moving is not leaving. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "client/nodes.h"
#include "coterie/v1/presence.pb.h"

namespace coterie::client {

class Attachment {
 public:
  struct Options {
    absl::Duration lease = absl::Seconds(10);  // Clamped by the node to 1 .. 60 s.
    v1::Activity activity = v1::ACTIVITY_IDLE;
    v1::DocumentRef document;  // What the activity is on; may be unset.
    // Called on the attachment's thread with who is active, at each change.
    std::function<void(const v1::AttachResponse&)> on_presence;
  };

  // Use Client::Attach().
  Attachment(std::shared_ptr<Nodes> nodes, Options options);
  // Leaves: the session's JOIN ends at once if this was its last stream.
  ~Attachment();

  void Set(v1::Activity activity, const v1::DocumentRef& document);

  // OK once the cluster has answered. kDeadlineExceeded = not yet; else why it never will.
  absl::Status WaitUntilAttached(absl::Time deadline);
  // The final error (kUnauthenticated: the session is over); OK while it lives.
  absl::Status status() const;

 private:
  class Stream;
  void Run();
  // Until the stream breaks (why) or the attachment closes (OK).
  absl::Status Serve(Stream& stream);
  v1::AttachRequest Request() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<Nodes> nodes_;
  const Options options_;
  mutable absl::Mutex mutex_;
  v1::Activity activity_ ABSL_GUARDED_BY(mutex_);
  v1::DocumentRef document_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_attached_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_closing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // Last: joined first.
};

}  // namespace coterie::client
