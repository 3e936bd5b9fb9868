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
  CHECK(options_.shard.IsCurrent());
  // They hold each other up, until they are asked.
  if (asking_.empty())
    options_.shard.AtDrop(this, [self = shared_from_this()] { self->asking_.clear(); });
  asking_.push_back({.give = std::move(give), .done = std::move(done)});
  Pump();
}

// Behind what has been posted to the shard already: what comes in one turn goes together.
void JointProposals::Pump() {
  if (in_flight_ >= kInFlightMax || is_gathering_ || asking_.empty()) return;
  is_gathering_ = true;
  const auto take = [self = shared_from_this()] { self->Take(); };
  const absl::Duration turn = TurnAt(rpc::SteadyNow());
  if (turn <= absl::ZeroDuration()) return options_.shard.Post(take);
  options_.shard.PostAfter(turn, take);
}

// Where more is written than what comes at once, a turn is half of what a commit takes, so that
// what comes meanwhile is one entry and not several; nobody waits for all of a commit of others.
// Where commits wait for each other, the entries of a room are so far apart that they do so less.
absl::Duration JointProposals::TurnAt(absl::Time now) const {
  const bool is_over = !is_hurried_ || now > answered_at_ + commit_;
  const bool is_quiet = in_flight_ == 0 && is_over;
  const absl::Duration gather = is_quiet ? absl::ZeroDuration() : std::min(commit_ / 2, kGatherMax);
  return std::max(gather, pace_.Wait(options_.lag.Window(now), now));
}

void JointProposals::Take() {
  CHECK(in_flight_ < kInFlightMax);
  const absl::Time now = rpc::SteadyNow();
  pace_.Went(options_.lag.Window(now), now);
  Together together = Gather();
  if (now < together_from_) {
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
    CHECK(apply.doc == options_.doc && apply.token.IsNone() && state::IsRepeatable(batch->command));
    Given given{.batch = *std::move(batch), .done = std::move(asking.done)};
    if (bytes + UpdateOf(given.batch.command).update.size() > kJointBytesMax) {
      ProposeAlone(std::move(given));
      continue;
    }
    bytes += UpdateOf(given.batch.command).update.size();
    together.push_back(std::move(given));
  }
  if (asking_.empty()) options_.shard.Forget(this);
  return together;
}

void JointProposals::ProposeAlone(Given given) {
  options_.counters.proposals.Add();
  options_.node.Propose(given.batch.command, absl::Now() + kProposalTimeout,
                        [self = shared_from_this(), done = std::move(given.done)](
                            const absl::StatusOr<state::Outcome>& answer) {
                          self->options_.shard.Post([done, answer] { done(answer); });
                        });
}

void JointProposals::ProposeTogether(Together together) {
  options_.counters.proposals.Add();
  const auto shared = std::make_shared<Together>(std::move(together));
  const auto answered = [self = shared_from_this(), shared, proposed_at = rpc::SteadyNow()](
                            const absl::StatusOr<state::Outcome>& answer) {
    self->options_.shard.Post([self, shared, proposed_at, answer] {
      const absl::Time now = rpc::SteadyNow();
      self->commit_ = (self->commit_ * 3 + (now - proposed_at)) / 4;
      self->options_.lag.Note(now - proposed_at, now);
      self->OnAnswer(shared, answer);
    });
  };
  const absl::Time deadline = absl::Now() + kProposalTimeout;
  if (shared->size() == 1)
    return options_.node.Propose(shared->front().batch.command, deadline, answered);
  state::ApplyUpdates apply{.doc = options_.doc};
  for (const Given& given : *shared) {
    const state::Command& command = given.batch.command;
    apply.parts.push_back({.session = command.session,
                           .request = command.request,
                           .update = UpdateOf(command).update});
  }
  const state::Command command{.body = std::move(apply)};
  CHECK(!state::RefuseMalformed(command));
  options_.node.Propose(command, deadline, answered);
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
