// Membership: from what an operator asks for to the joint entry, and from there to the final one.
// Sources: thesis 4.1 to 4.3; the barrier: raft-dev 2015, "bug in single-server membership
// changes".

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/core.h"

namespace coterie::raft {
namespace {

// A learner may be this many entries behind the commit index when it is promoted.
constexpr std::uint64_t kPromotionLagMax = 1'000;
// How long to wait for all members to introduce themselves, in election timeouts.
constexpr std::uint64_t kPinPatience = 10;

void Insert(std::vector<NodeId>& sorted, NodeId id) {
  const auto at = std::ranges::lower_bound(sorted, id);
  if (at == sorted.end() || *at != id) sorted.insert(at, id);
}

bool Erase(std::vector<NodeId>& ids, NodeId id) { return std::erase(ids, id) > 0; }

bool Contains(const std::vector<NodeId>& sorted, NodeId id) {
  return std::ranges::binary_search(sorted, id);
}

void DropStrangers(Configuration& configuration) {
  std::erase_if(configuration.members, [&configuration](const Member& member) {
    return !configuration.IsVoter(member.id) && !Contains(configuration.learners, member.id);
  });
}

// Empty if the change does not fit the configuration, or changes nothing.
std::optional<Configuration> ApplyChange(const Configuration& from,
                                         const MembershipChange& change) {
  Configuration next = from;
  for (const Member& member : change.add_learners) {
    if (member.id.IsNone() || next.IsMember(member.id)) return std::nullopt;
    Insert(next.learners, member.id);
    next.members.insert(std::ranges::upper_bound(next.members, member.id, {}, &Member::id), member);
  }
  for (const NodeId id : change.promote) {
    if (!Erase(next.learners, id)) return std::nullopt;
    Insert(next.voters, id);
  }
  for (const NodeId id : change.demote) {
    if (!Erase(next.voters, id)) return std::nullopt;
    Insert(next.learners, id);
  }
  for (const NodeId id : change.remove) {
    if (!Erase(next.voters, id) && !Erase(next.learners, id)) return std::nullopt;
  }
  // Always by way of both sets. The mutant changes single servers without (thesis 4.1), which is
  // sound behind the barrier in Reconfigure() that it lacks.
  const bool is_single = IsMutant(2) && (next.voters.size() + 1 == from.voters.size() ||
                                         next.voters.size() == from.voters.size() + 1);
  if (next.voters != from.voters && !is_single) next.voters_outgoing = from.voters;
  DropStrangers(next);
  if (next == from || !next.IsValid()) return std::nullopt;
  return next;
}

}  // namespace

bool Core::IsChangeInProgress() const {
  return log_.configuration().IsJoint() || log_.configuration_index() > commit_;
}

ProposeResult Core::Reconfigure(const MembershipChange& change) {
  if (role_ != Role::kLeader) return Refusal::kNotLeader;
  if (!transfer_target_.IsNone()) return Refusal::kTransferring;
  // Two leaders' changes of different terms could otherwise share no quorum.
  if (!HasCommittedInTerm() && !IsMutant(2)) return Refusal::kTermNotConfirmed;
  if (IsChangeInProgress()) return Refusal::kChangeInProgress;
  std::optional<Configuration> next = ApplyChange(log_.configuration(), change);
  if (!next) return Refusal::kInvalidChange;
  for (const NodeId id : change.promote) {
    const auto found = peers_.find(id);
    if (found == peers_.end() || found->second.match + kPromotionLagMax < commit_ ||
        now_ - found->second.last_heard >= options_.election_timeout.value() ||
        found->second.match.IsNone()) {
      return Refusal::kLearnerBehind;
    }
  }
  is_dirty_ = true;
  return AppendConfiguration(*std::move(next));
}

LogPosition Core::AppendConfiguration(Configuration configuration) {
  AppendToLog({.term = term_,
               .index = log_.last().index.Next(),
               .type = EntryType::kConfiguration,
               .payload = Blob(EncodeConfiguration(configuration))});
  return log_.last();
}

// In force from the moment that it is in the log, not when it is committed or applied (etcd #7625,
// #12359); also called when a truncation brings an older one back.
void Core::OnConfigurationChanged() {
  is_configuration_new_ = true;
  if (IsMutant(37) && IsBackAgain()) apply_next_ = log_.first_index();
  if (role_ != Role::kLeader) return;
  const Configuration& configuration = log_.configuration();
  std::erase_if(peers_, [&](const auto& peer) { return !configuration.IsMember(peer.first); });
  for (const Member& member : configuration.members) {
    if (member.id == options_.id || peers_.contains(member.id)) continue;
    Progress progress;
    progress.next = log_.last().index.Next();
    progress.last_heard = now_;
    progress.waiting_since = now_;
    peers_.emplace(member.id, std::move(progress));
  }
}

// Was a member where the log begins, was none, and is one again by the newest configuration.
bool Core::IsBackAgain() const {
  const Index newest = log_.configuration_index();
  const Index start = log_.snapshot().index;
  return newest > start && log_.ConfigurationAt(start).IsMember(options_.id) &&
         !log_.ConfigurationAt(newest.Previous()).IsMember(options_.id) &&
         log_.configuration().IsMember(options_.id);
}

void Core::MaybeLeaveJoint() {
  const Configuration& joint = log_.configuration();
  if (!joint.IsJoint() || log_.configuration_index() > commit_ || !HasCommittedInTerm()) return;
  Configuration final_one = joint;
  final_one.voters_outgoing.clear();
  DropStrangers(final_one);
  AppendConfiguration(std::move(final_one));
}

// A leader that is no voter any more leads until its successors have the final configuration
// (thesis 4.2.2), and hands over rather than letting them wait for a timeout.
void Core::MaybeResign() {
  if (IsChangeInProgress() || log_.configuration().IsVoter(options_.id)) return;
  // They must hear of the commit first.
  BroadcastHeartbeat();
  const NodeId successor = BestSuccessor();
  if (!successor.IsNone()) SendNow(successor, TimeoutNow{});
  BecomeFollower(term_, NodeId());
}

// Founders do not know each other's incarnations when they start. Once they have met, the leader
// writes them down, so that a founder whose disk was lost is not taken for the one that it was.
void Core::MaybePinIncarnations() {
  if (IsChangeInProgress() || !HasCommittedInTerm() || !transfer_target_.IsNone()) return;
  Configuration pinned = log_.configuration();
  bool are_all_known = true;
  for (Member& member : pinned.members) {
    if (!member.incarnation.IsNone()) continue;
    const auto found = peers_.find(member.id);
    member.incarnation = member.id == options_.id ? options_.incarnation
                         : found == peers_.end()  ? Incarnation()
                                                  : found->second.incarnation;
    are_all_known = are_all_known && !member.incarnation.IsNone();
  }
  const bool is_patient = now_ - office_since_ < kPinPatience * options_.election_timeout.value();
  if (pinned == log_.configuration() || (!are_all_known && is_patient)) return;
  AppendConfiguration(std::move(pinned));
}

}  // namespace coterie::raft
