#pragma once

// Proposals of one who writes in many steps: each is done once, however often it is tried while a
// leader is being replaced. One owner, a thread that may block.

#include <absl/status/statusor.h>

#include <cstdint>

#include "rpc/assist_task.h"
#include "rpc/node_calls.h"
#include "state/command.h"
#include "state/outcome.h"

namespace coterie::rpc {

class SteadyProposals {
 public:
  // Both outlive it.
  SteadyProposals(const NodeCalls& calls, const AssistTask& task);

  // Waits for the outcome also when the caller has gone: what is done must be known. But then, or
  // when the node is stopping, it is not tried again.
  absl::StatusOr<state::Outcome> Propose(const state::CommandBody& body);

  // Random, below 2^32, not 0; of this writer alone.
  std::uint64_t id() const { return random_; }
  bool has_proposed() const { return sequence_ != 0; }

 private:
  const NodeCalls& calls_;
  const AssistTask& task_;
  const std::uint64_t random_;
  std::uint64_t sequence_ = 0;
};

}  // namespace coterie::rpc
