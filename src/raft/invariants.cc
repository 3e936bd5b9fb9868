// What must hold between any two calls. A broken one is a bug of ours, never of a peer: stopping is
// the only answer that loses nothing.

#include <optional>

#include "base/check.h"
#include "raft/core.h"

namespace coterie::raft {

void Core::CheckInvariants() const {
  CHECK(log_.snapshot().index <= applied_);
  CHECK(applied_ < apply_next_);
  CHECK(apply_next_.Previous() <= commit_);
  CHECK(commit_ <= log_.last().index);
  CHECK(durable_ <= log_.last().index);
  CHECK(durable_ < append_next_);
  CHECK(append_next_ <= log_.last().index.Next());
  CHECK(term_ >= log_.last().term);
  CHECK(term_ >= handed_over_.term);
  CHECK(durable_hard_state_.term <= handed_over_.term);
  CHECK(jobs_.size() <= options_.append_jobs_in_flight_max);
  if (role_ == Role::kLeader) {
    CHECK(leader_ == options_.id);
    // Nobody leads before its own vote is on disk.
    CHECK(durable_hard_state_.term == term_ && durable_hard_state_.vote == options_.id);
    CHECK(truncate_from_.IsNone());
  } else {
    CHECK(peers_.empty());
    CHECK(leader_ != options_.id);
  }
  if (role_ == Role::kCandidate) CHECK(vote_ == options_.id);
}

void Core::CheckInvariantsDeep() const {
  CheckInvariants();
  LogPosition previous = log_.snapshot();
  Index configuration_index = log_.snapshot().index;
  for (Index index = log_.first_index(); index <= log_.last().index; ++index) {
    const EntryRef& entry = log_.At(index);
    CHECK(entry.index == previous.index.Next());
    CHECK(entry.term >= previous.term);
    if (entry.type == EntryType::kConfiguration) configuration_index = index;
    previous = entry.position();
  }
  CHECK(configuration_index == log_.configuration_index());
  for (const auto& [id, progress] : peers_) {
    CHECK(log_.configuration().IsMember(id));
    CHECK(progress.match < progress.next);
    CHECK(progress.match <= log_.last().index);
    CHECK(progress.next <= log_.last().index.Next());
    CHECK(progress.in_flight.messages() <= options_.in_flight_messages_max);
    CHECK(progress.state == ProgressState::kReplicate || progress.in_flight.empty());
  }
}

}  // namespace coterie::raft
