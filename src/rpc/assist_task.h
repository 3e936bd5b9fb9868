#pragma once

// What a task of the assistant is told about who asked, and where it says what comes of it. One
// owner, the thread that runs the task.

#include "coterie/v1/assist.pb.h"
#include "rpc/call.h"
#include "rpc/gate.h"
#include "rpc/llm_servers.h"

namespace coterie::rpc {

// Where a task's answer goes as it comes.
class AssistSink {
 public:
  virtual ~AssistSink() = default;
  // Blocks while the caller does not read, for a while. What comes after a cancellation is dropped.
  virtual void Put(const v1::AssistEvent& event) = 0;
  // What the task waits for. Never blocks: one that was not taken yet gives way to the next event.
  virtual void Tell(const v1::AssistEvent& waiting) = 0;
};

// Whom a task is for. All of it outlives the task.
struct AssistTask {
  const Call& call;
  Cancellation& cancellation;
  AssistSink& sink;
  const Gate& gate;          // Closed: the node is stopping.
  bool has_started = false;  // The caller has been told who answers.
};

}  // namespace coterie::rpc
