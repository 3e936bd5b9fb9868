#include "gateway/room_writer.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "crdt/merge.h"
#include "rpc/node_calls.h"
#include "rpc/steady_time.h"
#include "state/command_check.h"

namespace coterie::gateway {
namespace {

constexpr absl::Duration kProposalTimeout = absl::Seconds(10);
constexpr absl::Duration kPauseMin = absl::Milliseconds(25);
constexpr absl::Duration kPauseMax = absl::Seconds(1);

bool MayRepeat(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

}  // namespace

void RoomWriter::Add(As as, std::vector<std::string> parts, const Credit& credit) {
  CHECK(!parts.empty());
  queue_.push_back(
      {.as = as,
       .parts = {std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end())},
       .credit = credit});
  Pump();
}

void RoomWriter::Abandon() {
  on_settled_ = nullptr;
  abandoned_at_ = rpc::SteadyNow();
}

// One update, or as many as fit into one proposal, or the next part of one.
std::string RoomWriter::TakeBatch() {
  in_flight_.clear();
  Queued& first = queue_.front();
  as_ = first.as;
  has_more_parts_ = first.parts.size() > 1;
  if (has_more_parts_) {
    std::string part = std::move(first.parts.front());
    first.parts.pop_front();
    return part;
  }
  std::size_t bytes = 0;
  std::vector<std::string_view> updates;
  for (const Queued& queued : queue_) {
    if (!updates.empty() && bytes + queued.parts.front().size() > kMergedBytesMax) break;
    if (queued.parts.size() > 1 || queued.as != as_) break;
    bytes += queued.parts.front().size();
    updates.push_back(queued.parts.front());
  }
  std::size_t count = updates.size();
  std::string batch;
  if (count > 1) batch = crdt::MergeUpdates(updates).update;
  if (batch.empty()) {  // A single one, or they do not merge.
    count = 1;
    batch = std::move(queue_.front().parts.front());
  }
  for (std::size_t i = 0; i < count; ++i) {
    in_flight_.push_back(std::move(queue_.front().credit));
    queue_.pop_front();
  }
  return batch;
}

// What is next is taken when its turn ends, with all that has come by then. A draft is written
// whole, and waits for its time.
void RoomWriter::Pump() {
  if (is_in_flight_ || is_waiting_ || queue_.empty()) return;
  const absl::Duration debt = options_.rates.Debt(options_.caller.user, rpc::SteadyNow());
  if (debt > absl::ZeroDuration()) return PumpAfter(debt);
  if (queue_.front().as != As::kDraft) {
    is_in_flight_ = true;
    return AskForTurn([self = shared_from_this()] { return self->Take(); });
  }
  const absl::Duration gather = draft_proposed_at_ + kDraftEvery - rpc::SteadyNow();
  if (gather <= absl::ZeroDuration()) return TakeDraft();
  PumpAfter(gather);
}

void RoomWriter::PumpAfter(absl::Duration wait) {
  is_waiting_ = true;
  options_.shard.PostAfter(wait, [self = shared_from_this()] {
    self->is_waiting_ = false;
    self->Pump();
  });
}

void RoomWriter::AskForTurn(JointProposals::Give give) {
  options_.joint->Ask(std::move(give),
                      [self = shared_from_this()](const absl::StatusOr<state::Outcome>& answer) {
                        self->OnAnswer(answer);
                      });
}

// Nothing, and it is settled, if no node would take it.
std::optional<JointProposals::Batch> RoomWriter::Take() {
  CHECK(is_in_flight_ && !queue_.empty());
  std::string batch = TakeBatch();
  CHECK(as_ == As::kChange);
  Begin(state::ApplyUpdate{.doc = options_.doc, .token = {}, .update = std::move(batch)});
  if (const std::optional<state::Outcome> refusal = state::RefuseMalformed(command_)) {
    Settle(*refusal, false);
    return std::nullopt;
  }
  return JointProposals::Batch{.command = command_, .updates = in_flight_.size()};
}

void RoomWriter::TakeDraft() {
  is_in_flight_ = true;
  std::string batch = TakeBatch();
  CHECK(as_ == As::kDraft);
  ProposeDraft(std::move(batch));
}

void RoomWriter::ProposeDraft(std::string update) {
  draft_proposed_at_ = rpc::SteadyNow();
  Begin(state::SaveDraft{.doc = options_.doc, .update = std::move(update)});
  if (const std::optional<state::Outcome> refusal = state::RefuseMalformed(command_)) {
    return Settle(*refusal, false);
  }
  Propose();
}

// The next request.
void RoomWriter::Begin(state::CommandBody body) {
  ++sequence_;
  command_ = {.session = options_.caller.session,
              .request = {.client = client_, .sequence = sequence_, .acked_below = sequence_},
              .body = std::move(body)};
  proposed_at_ = rpc::SteadyNow();
  pause_ = kPauseMin;
}

// Again, or what is no change.
void RoomWriter::Propose() {
  if (as_ == As::kChange) {
    return AskForTurn([self = shared_from_this()] {
      return std::optional(JointProposals::Batch{.command = self->command_});
    });
  }
  options_.counters.proposals.Add();
  options_.node.Propose(
      command_, absl::Now() + kProposalTimeout,
      [self = shared_from_this()](absl::StatusOr<state::Outcome> answer) {
        self->options_.shard.Post([self, answer = std::move(answer)] { self->OnAnswer(answer); });
      });
}

void RoomWriter::OnAnswer(absl::StatusOr<state::Outcome> answer) {
  CHECK(is_in_flight_);
  if (answer.ok() && answer->code == state::Code::kForgotten) {
    // So late that the first outcome is not kept, or the session has had so many clients that this
    // one is not believed any more; applying it again as another changes nothing.
    client_ = ClientId(Prng(client_.value() + sequence_).Next() | 1);
    sequence_ = 1;
    command_.request = {.client = client_, .sequence = sequence_, .acked_below = sequence_};
    return Repeat();
  }
  if (answer.ok()) {
    options_.counters.commit.Observe(absl::ToDoubleSeconds(rpc::SteadyNow() - proposed_at_));
    if (answer->code == state::Code::kTooMuchWork) {
      options_.rates.Charge(options_.caller.user, rpc::kCostOfRefused, rpc::SteadyNow());
    }
    if (MaybeSaveInstead(*answer)) return;
    return Settle(*answer, false);
  }
  const bool is_given_up = rpc::SteadyNow() > abandoned_at_ + kAbandonedMax;
  if (MayRepeat(answer.status()) && !is_given_up) return Repeat();
  if (as_ == As::kDraft) {
    // A leader that is not upgraded yet knows no drafts: then the update is refused, as it ever
    // was.
    return Settle({.code = state::Code::kExhausted,
                   .message = "no draft can be saved: " + std::string(answer.status().message())},
                  false);
  }
  Settle({.code = state::Code::kInvalidArgument, .message = std::string(answer.status().message())},
         true);
}

// Not of one part among several: the others are no use without it, nor is a part of a draft.
bool RoomWriter::MaybeSaveInstead(const state::Outcome& outcome) {
  const bool is_locked_out =
      outcome.code == state::Code::kLocked || outcome.code == state::Code::kPermissionDenied;
  if (as_ == As::kDraft || !is_locked_out || has_more_parts_) return false;
  as_ = As::kDraft;
  ProposeDraft(std::move(std::get<state::ApplyUpdate>(command_.body).update));
  return true;
}

void RoomWriter::Repeat() {
  options_.counters.proposals_repeated.Add();
  options_.shard.PostAfter(pause_, [self = shared_from_this()] { self->Propose(); });
  pause_ = std::min(pause_ * 2, kPauseMax);
}

void RoomWriter::Settle(const state::Outcome& outcome, bool is_node_unfit) {
  is_in_flight_ = false;
  if (std::exchange(has_more_parts_, false)) {
    if (outcome.ok()) return Pump();
    // Its other parts would wait for this one for ever.
    in_flight_.push_back(std::move(queue_.front().credit));
    queue_.pop_front();
  }
  if (outcome.code == state::Code::kUnauthenticated || is_node_unfit) {
    queue_.clear();  // Nothing of it would fare better.
  }
  const Settled settled{
      .updates = in_flight_.size(), .as = as_, .outcome = outcome, .is_node_unfit = is_node_unfit};
  in_flight_.clear();
  if (on_settled_) {
    const OnSettled on_settled = on_settled_;  // It may abandon this.
    on_settled(settled);
  }
  Pump();
}

}  // namespace coterie::gateway
