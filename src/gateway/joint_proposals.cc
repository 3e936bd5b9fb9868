#include "gateway/joint_proposals.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rpc/steady_time.h"
#include "state/command_check.h"

namespace coterie::gateway {
namespace {

constexpr absl::Duration kProposalTimeout = absl::Seconds(10);
constexpr absl::Duration kGatherMax = absl::Milliseconds(25);
// While others are on their way.
constexpr int kTurnsPerCommit = 3;
constexpr std::size_t kInFlightMax = 4;

const state::ApplyUpdate& UpdateOf(const state::Command& command) {
  return std::get<state::ApplyUpdate>(command.body);
}

// Nothing was done, because somebody could not read it: each alone may do.
bool IsNotRead(const absl::Status& status) {
  return status.GetPayload(node::kUpgradingPayload).has_value() ||
         absl::IsFailedPrecondition(status);
}

}  // namespace

void JointProposals::Ask(Give give, Done done) {
  CHECK(shard_.IsCurrent());
  // They hold each other up, until they are asked.
  if (asking_.empty()) shard_.AtDrop(this, [self = shared_from_this()] { self->asking_.clear(); });
  asking_.push_back({.give = std::move(give), .done = std::move(done)});
  Pump();
}

// Behind what has been posted to the shard already: what comes in one turn goes together. Where
// more is written than that, a turn is half of what a commit takes, so that what comes meanwhile is
// one entry and not several; nobody waits for all of a commit of others.
void JointProposals::Pump() {
  if (in_flight_ >= kInFlightMax || is_gathering_ || asking_.empty()) return;
  is_gathering_ = true;
  const auto take = [self = shared_from_this()] { self->Take(); };
  const bool is_over = !is_hurried_ || rpc::SteadyNow() > answered_at_ + commit_;
  const bool is_quiet = in_flight_ == 0 && is_over;
  const absl::Duration gather = std::min(commit_ / 2, kGatherMax);
  if (is_quiet || gather <= absl::ZeroDuration()) return shard_.Post(take);
  shard_.PostAfter(gather, take);
}

void JointProposals::Take() {
  CHECK(in_flight_ < kInFlightMax);
  Together together = Gather();
  if (rpc::SteadyNow() < together_from_) {
    for (Given& given : together) ProposeAlone(std::move(given));
  } else if (!together.empty()) {
    ++in_flight_;
    ProposeTogether(std::move(together));
  }
  is_gathering_ = false;
  Pump();
}

// What is too large for an entry with others is proposed at once.
JointProposals::Together JointProposals::Gather() {
  Together together;
  std::size_t bytes = 0;
  while (!asking_.empty() && together.size() < state::kUpdatePartsMax && bytes < kJointBytesMax) {
    Asking asking = std::move(asking_.front());
    asking_.pop_front();
    std::optional<Batch> batch = asking.give();
    if (!batch) continue;
    const state::ApplyUpdate& apply = UpdateOf(batch->command);
    CHECK(apply.doc == doc_ && apply.token.IsNone() && state::IsRepeatable(batch->command));
    Given given{.batch = *std::move(batch), .done = std::move(asking.done)};
    if (bytes + UpdateOf(given.batch.command).update.size() > kJointBytesMax) {
      ProposeAlone(std::move(given));
      continue;
    }
    bytes += UpdateOf(given.batch.command).update.size();
    together.push_back(std::move(given));
  }
  if (asking_.empty()) shard_.Forget(this);
  return together;
}

void JointProposals::ProposeAlone(Given given) {
  counters_.proposals.Add();
  node_.Propose(given.batch.command, absl::Now() + kProposalTimeout,
                [self = shared_from_this(),
                 done = std::move(given.done)](const absl::StatusOr<state::Outcome>& answer) {
                  self->shard_.Post([done, answer] { done(answer); });
                });
}

void JointProposals::ProposeTogether(Together together) {
  counters_.proposals.Add();
  const auto shared = std::make_shared<Together>(std::move(together));
  const auto answered = [self = shared_from_this(), shared, proposed_at = rpc::SteadyNow()](
                            const absl::StatusOr<state::Outcome>& answer) {
    self->shard_.Post([self, shared, proposed_at, answer] {
      self->commit_ = (self->commit_ * 3 + (rpc::SteadyNow() - proposed_at)) / 4;
      self->OnAnswer(shared, answer);
    });
  };
  const absl::Time deadline = absl::Now() + kProposalTimeout;
  if (shared->size() == 1) return node_.Propose(shared->front().batch.command, deadline, answered);
  state::ApplyUpdates apply{.doc = doc_};
  for (const Given& given : *shared) {
    const state::Command& command = given.batch.command;
    apply.parts.push_back({.session = command.session,
                           .request = command.request,
                           .update = UpdateOf(command).update});
  }
  const state::Command command{.body = std::move(apply)};
  CHECK(!state::RefuseMalformed(command));
  node_.Propose(command, deadline, answered);
}

void JointProposals::OnAnswer(const std::shared_ptr<Together>& together,
                              const absl::StatusOr<state::Outcome>& answer) {
  CHECK(in_flight_ > 0);
  --in_flight_;
  const bool is_joint = together->size() > 1;
  if (is_joint && IsNotRead(answer.status())) {
    together_from_ = rpc::SteadyNow() + kUpgradeMax;
    for (Given& given : *together) ProposeAlone(std::move(given));
    return Pump();
  }
  if (is_joint && answer.ok()) CHECK(answer->parts.size() == together->size());
  for (std::size_t i = 0; i < together->size(); ++i) {
    // It may ask for its next turn at once.
    (*together)[i].done(is_joint && answer.ok() ? absl::StatusOr<state::Outcome>(answer->parts[i])
                                                : answer);
  }
  answered_at_ = rpc::SteadyNow();
  is_hurried_ = is_joint || !asking_.empty() || together->front().batch.updates > 1;
  Pump();
}

}  // namespace coterie::gateway
