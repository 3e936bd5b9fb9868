#pragma once

// Text that a task writes into a document as it comes: step by step, each an edit of the caller's
// that needs the role and respects a lock, behind what it has written before, wherever that is by
// now, however long it has paused. What it has written can be named, and so taken back, at any
// time; but for that between which others have written while more versions went by than are kept.
// One owner, a thread that may block.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <string>

#include "coterie/v1/assist.pb.h"
#include "rpc/assist_task.h"
#include "rpc/call.h"
#include "rpc/guest.h"
#include "rpc/node_calls.h"
#include "rpc/steady_proposals.h"
#include "state/machine.h"

namespace coterie::rpc {

class LiveText {
 public:
  struct Options {
    DocId doc;
    FencingToken token;          // None unless the caller holds the lock.
    Revision base;               // That `position` is meant at.
    std::uint64_t position = 0;  // In UTF-16 units.
    std::string name;            // Of the cursor.
  };
  // `calls` and `task` outlive it. `listener` may be empty. Soon after `base` was read.
  LiveText(const NodeCalls& calls, const AssistTask& task, Options options, GuestListener listener);
  // Takes the cursor away.
  ~LiveText();
  LiveText(const LiveText&) = delete;
  LiveText& operator=(const LiveText&) = delete;

  // Writes it with what has come before, unless it is too soon after the last step: true if there
  // was a step. An error is for ever: nothing is written any more.
  absl::StatusOr<bool> Add(const std::string& text);
  // Writes what is left. True if there was something.
  absl::StatusOr<bool> Flush();

  // Of all steps so far.
  v1::AssistEvent written() const;

 private:
  absl::Status Step(const std::string& text);
  // What has been written, in the newest version, with what `added` has inserted.
  absl::StatusOr<state::Writing> Followed(Revision added) const;
  void ShowCursor();

  const NodeCalls& calls_;
  const Call& call_;
  const Options options_;
  const GuestListener listener_;
  SteadyProposals proposals_;
  state::Writing writing_;
  std::string pending_;
  absl::Time stepped_at_ = absl::InfinitePast();
  absl::Status error_;
};

}  // namespace coterie::rpc
