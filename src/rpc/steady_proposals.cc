#include "rpc/steady_proposals.h"

#include <sodium.h>

#include <functional>
#include <utility>

#include "rpc/await.h"

namespace coterie::rpc {
namespace {

// A leader that is being replaced takes a second or so.
constexpr int kTries = 3;
constexpr absl::Duration kBetweenTries = absl::Milliseconds(200);

std::uint64_t RandomId() {
  std::uint32_t id = 0;
  while (id == 0) id = randombytes_random();
  return id;
}

bool IsWorthATry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

SteadyProposals::SteadyProposals(const NodeCalls& calls, const AssistTask& task)
    : calls_(calls), task_(task), random_(RandomId()) {}

absl::StatusOr<state::Outcome> SteadyProposals::Propose(const state::CommandBody& body) {
  v1::RequestId id;
  id.set_client_id(random_);
  id.set_sequence(++sequence_);
  id.set_acked_below(sequence_);
  Cancellation never;
  for (int tries = 1;; ++tries) {
    absl::StatusOr<state::Outcome> outcome =
        Await<state::Outcome>(never, [&](std::function<void(absl::StatusOr<state::Outcome>)> done) {
          calls_.Propose(StepOf(task_.call), id, body, std::move(done));
        });
    if (outcome.ok() || tries == kTries || !IsWorthATry(outcome.status())) return outcome;
    if (task_.gate.IsClosed() || task_.cancellation.WaitFor(kBetweenTries)) return outcome;
  }
}

}  // namespace coterie::rpc
