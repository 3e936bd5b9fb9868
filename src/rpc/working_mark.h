#pragma once

// Where a task of the assistant is at work, for all who have the document open: a cursor "AI for
// ann" that goes with the task. A position that is lost, or a node that does not answer, costs the
// mark and nothing else. One owner, a thread that may block.

#include <absl/time/time.h>

#include <cstdint>
#include <string>

#include "rpc/assist_task.h"
#include "rpc/guest.h"
#include "rpc/node_calls.h"

namespace coterie::rpc {

class WorkingMark {
 public:
  // `calls` and `task` outlive it. `listener` may be empty. `name`: of the cursor.
  WorkingMark(const NodeCalls& calls, const AssistTask& task, std::string name,
              GuestListener listener);
  // Takes it away.
  ~WorkingMark();
  WorkingMark(const WorkingMark&) = delete;
  WorkingMark& operator=(const WorkingMark&) = delete;

  // `position` in UTF-16 units of the document's text at `revision`.
  void MoveTo(DocId doc, Revision revision, std::uint64_t position);
  // Editors forget a cursor of which they hear nothing for half a minute.
  void Refresh();

 private:
  void Show();

  const NodeCalls& calls_;
  const Call& call_;
  const GuestListener listener_;
  Guest guest_;
  absl::Time shown_at_ = absl::InfinitePast();
};

}  // namespace coterie::rpc
