#include "rpc/live_text.h"

#include <absl/time/clock.h>

#include <optional>
#include <utility>

#include "base/check.h"
#include "rpc/await.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kStepEvery = absl::Milliseconds(100);
constexpr int kTriesMax = 3;

}  // namespace

LiveText::LiveText(const NodeCalls& calls, const AssistTask& task, Options options,
                   GuestListener listener)
    : calls_(calls),
      call_(task.call),
      options_(std::move(options)),
      listener_(std::move(listener)),
      proposals_(calls, task),
      writing_{.revision = options_.base, .at = options_.position} {
  // Its anchor, before the model takes its time.
  absl::StatusOr<state::Writing> begun = Followed(Revision());
  if (begun.ok()) {
    writing_ = *std::move(begun);
  } else {
    error_ = begun.status();
  }
}

LiveText::~LiveText() {
  writing_.anchor.clear();
  ShowCursor();
}

absl::StatusOr<bool> LiveText::Add(const std::string& text) {
  pending_ += text;
  if (absl::Now() < stepped_at_ + kStepEvery) return false;
  return Flush();
}

absl::StatusOr<bool> LiveText::Flush() {
  RETURN_IF_ERROR(error_);
  if (pending_.empty()) return false;
  error_ = Step(std::exchange(pending_, {}));
  RETURN_IF_ERROR(error_);
  stepped_at_ = absl::Now();
  ShowCursor();
  return true;
}

absl::Status LiveText::Step(const std::string& text) {
  absl::StatusOr<state::Outcome> outcome;
  for (int tries = 1;; ++tries) {
    outcome =
        proposals_.Propose(state::Edit{.doc = options_.doc,
                                       .token = options_.token,
                                       .base = writing_.revision,
                                       .splices = {{.position = writing_.at, .inserted = text}}});
    // More versions have gone by than are kept.
    if (!absl::IsOutOfRange(outcome.status()) || tries == kTriesMax) break;
    ASSIGN_OR_RETURN(writing_, Followed(Revision()));
  }
  RETURN_IF_ERROR(outcome.status());
  ASSIGN_OR_RETURN(writing_, Followed(outcome->revision));
  if (writing_.places.empty()) {
    return Error(absl::StatusCode::kAborted, "TEXT_LOST",
                 "Somebody has deleted all that was written; ask again if you want more.");
  }
  return absl::OkStatus();
}

absl::StatusOr<state::Writing> LiveText::Followed(Revision added) const {
  Cancellation never;
  return Await<state::Writing>(
      never, [&](std::function<void(absl::StatusOr<state::Writing>)> done) {
        calls_.Ask<state::Writing>(
            StepOf(call_), node::Consistency::kStale,
            [doc = options_.doc, writing = writing_,
             added](const state::Machine& state) -> absl::StatusOr<state::Writing> {
              std::optional<state::Writing> followed = state.Follow(doc, writing, added);
              if (followed) return *std::move(followed);
              return Error(absl::StatusCode::kAborted, "TEXT_LOST",
                           "Others have changed the document so much meanwhile that the place to "
                           "write at is lost; ask again.");
            },
            std::move(done));
      });
}

void LiveText::ShowCursor() {
  if (!listener_ || !proposals_.has_proposed()) return;
  listener_({.doc = options_.doc,
             .session = call_.caller.session,
             .user = call_.caller.user,
             .name = options_.name,
             .id = proposals_.id(),
             .anchor = writing_.anchor});
}

v1::AssistEvent LiveText::written() const {
  v1::AssistEvent event;
  event.mutable_written()->set_revision(writing_.revision.value());
  for (const state::Splice& place : writing_.places) {
    v1::TextRange& range = *event.mutable_written()->add_ranges();
    range.set_begin(place.position);
    range.set_end(place.position + place.deleted);
  }
  return event;
}

}  // namespace coterie::rpc
