// What the core thread does: feed raft::Core, hand its effects on, and look after who waits.

#include <absl/strings/cord.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "base/overload.h"
#include "node/change_check.h"
#include "node/replica.h"

namespace coterie::node {
namespace {

constexpr std::size_t kInputsPerPumpMax = 10'000;
constexpr std::size_t kHeldMax = 1'024;
// After a pause of the process time is not caught up with: one burst of ticks must not start an
// election before the messages that waited with us are read.
constexpr std::uint64_t kTicksPerPumpMax = 3;
constexpr std::uint64_t kSweepIntervalUs = 100'000;
constexpr std::uint64_t kRenewIntervalUs = 300'000;
// No Attach and no Leave is longer, encoded: a few numbers of ten bytes at most.
constexpr std::size_t kPresenceBytesMax = 128;
constexpr std::size_t kLearnedPeersMax = 2 * raft::kMembersMax;
constexpr std::uint64_t kTellStrangerUs = 500'000;
constexpr std::uint64_t kWatchIntervalUs = 500'000;

absl::Status UpgradingError(absl::string_view what) {
  absl::Status status = absl::UnavailableError(what);
  status.SetPayload(kUpgradingPayload, absl::Cord());
  return status;
}

absl::Status NoSpaceError() {
  absl::Status status = absl::ResourceExhaustedError(
      "the leader's disk is almost full (NOSPACE): writes are refused until there is room; reads "
      "go on");
  status.SetPayload(kNoSpacePayload, absl::Cord());
  return status;
}

absl::Status ToStatus(raft::Refusal refusal, NodeId leader) {
  using enum raft::Refusal;
  switch (refusal) {
    case kNotLeader:
      return absl::FailedPreconditionError(
          absl::StrCat("not the leader; the leader is node ", leader.value()));
    case kTransferring:
      return absl::UnavailableError("leadership is being handed over; retry in a moment");
    case kTooMuchUncommitted:
      return absl::ResourceExhaustedError("too much waits for a majority; retry in a moment");
    case kChangeInProgress:
      return absl::UnavailableError("another membership change is not finished; retry");
    case kTermNotConfirmed:
      return absl::UnavailableError("the leader is new and not confirmed yet; retry in a moment");
    case kInvalidChange:
      return absl::InvalidArgumentError(
          "not possible with the present members: see `coterie cluster status`");
    case kLearnerBehind:
      return absl::UnavailableError(
          "the node has not caught up yet, or does not answer now; retry when its lag is small");
  }
  return absl::InternalError("unknown refusal");
}

}  // namespace

bool Replica::PumpCore(absl::Duration wait) {
  const std::uint64_t now_us = Now();
  std::uint64_t due_us = ticked_us_ + tick_us_;
  if (!held_.empty()) due_us = std::min(due_us, rounds_.NextUs());
  const absl::Duration until_due = absl::Microseconds(due_us > now_us ? due_us - now_us : 0);
  if (core_inputs_.empty()) core_inbox_.WaitAndTakeAll(core_inputs_, std::min(wait, until_due));

  renewals_.Tick(Now());
  NoteApplyDone();
  std::size_t handled = 0;
  while (!core_inputs_.empty() && handled < kInputsPerPumpMax) {
    CoreInput input = std::move(core_inputs_.front());
    core_inputs_.pop_front();
    ++handled;
    if (is_fenced_.load(std::memory_order_relaxed)) continue;  // Takes part in nothing any more.
    std::visit([this](auto& value) { Handle(value); }, input);
  }
  if (!held_.empty() && Now() >= rounds_.NextUs()) ReleaseHeld();
  TickCore();
  if (!is_fenced_.load(std::memory_order_relaxed)) DrainCore();
  core_->CheckInvariants();
  // Before it waits: see AppendJobs().
  is_disk_awaited_.store(core_->AwaitsDisk());
  return handled > 0;
}

// Nobody waits for it: it is no reason to wake the core for.
void Replica::NoteApplyDone() {
  const Index applied(applied_.load());
  if (applied > core_->applied_index() && !is_fenced_.load(std::memory_order_relaxed)) {
    core_->Step(raft::ApplyDone{.index = applied});
  }
}

void Replica::TickCore() {
  const std::uint64_t now_us = Now();
  std::uint64_t due = (now_us - ticked_us_) / tick_us_;
  if (due == 0) return;
  ticked_us_ += due * tick_us_;
  // This mutant's lease rests on ticks that do not stop: that they do is the fault of 23 (and 21).
  if (!IsMutant(22)) due = std::min(due, kTicksPerPumpMax);
  if (!is_fenced_.load()) {
    for (; due > 0; --due) core_->Tick();
    if (!open_jobs_.empty() && now_us - open_jobs_.begin()->second > election_timeout_us_) {
      core_->Step(raft::DiskStalled{});
    }
    for (const std::uint64_t waiter : std::exchange(refused_reads_, {})) core_->Read(waiter);
  }
  if (now_us - renewed_us_ >= kRenewIntervalUs) RenewLeasesAtLeader(now_us);
  if (now_us - swept_us_ >= kSweepIntervalUs) {
    swept_us_ = now_us;
    SweepWaiters(now_us);
    PublishStatus();
    MaybeWatch(now_us);
  }
}

void Replica::MaybeWatch(std::uint64_t now_us) {
  if (!options_.on_notice || now_us - watched_us_ < kWatchIntervalUs) return;
  watched_us_ = now_us;
  for (const Notice& line : watch_.Look(status(), now_us)) options_.on_notice(line);
}

// From here and not from the apply thread, which may be busy for longer than a lease is.
void Replica::RenewLeasesAtLeader(std::uint64_t now_us) {
  const NodeId leader = core_->leader();
  if (leader.IsNone() || is_fenced_.load()) return;
  renewed_us_ = now_us;
  const std::vector<SessionId> sessions = presence_.SessionsWithStreams();
  if (leader == options_.id) return renewals_.Note(leader, sessions, now_us);
  for (std::size_t first = 0; first < sessions.size(); first += kSessionsPerRenewalMax) {
    const std::size_t end = std::min(sessions.size(), first + kSessionsPerRenewalMax);
    SendTo(leader, RenewLeases{.sessions = {sessions.begin() + static_cast<std::ptrdiff_t>(first),
                                            sessions.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
}

void Replica::SweepWaiters(std::uint64_t now_us) {
  const auto is_late = [now_us](std::uint64_t, const auto& pending) {
    return pending.deadline_us <= now_us;
  };
  const bool has_leader = !core_->leader().IsNone();
  for (PendingProposal& pending : proposals_.TakeIf(is_late)) {
    pending.done(has_leader || !pending.sent_term.IsNone()
                     ? absl::DeadlineExceededError(
                           "no answer in time; it may still happen: retry with the same request id")
                     : absl::UnavailableError("no leader: a majority of nodes is out of reach"));
  }
  for (PendingRead& pending : reads_.TakeIf(is_late)) {
    pending.done(has_leader
                     ? absl::DeadlineExceededError("no answer in time; retry")
                     : absl::UnavailableError("no leader: a majority of nodes is out of reach"));
  }
  if (pending_change_ && pending_change_->deadline_us <= now_us) {
    std::exchange(pending_change_, std::nullopt)
        ->done(absl::DeadlineExceededError("the change is not finished yet; see cluster status"));
  }
  if (pending_transfer_ && pending_transfer_->deadline_us <= now_us) {
    std::exchange(pending_transfer_, std::nullopt)
        ->done(absl::DeadlineExceededError("nobody took over in time; the leader stays"));
  }
  ResendProposals();
}

void Replica::ResendProposals() {
  if (core_->leader().IsNone()) return;
  const std::uint64_t now_us = Now();
  const Term term = core_->term();
  std::vector<ProposalInput> again;
  // Takes nothing: only looks for what has not been sent, or has been met with silence.
  proposals_.TakeIf([&](std::uint64_t id, PendingProposal& pending) {
    const bool is_unsent = pending.sent_term.IsNone();
    const bool is_silent = pending.is_repeatable && pending.sent_us != 0 &&
                           now_us - pending.sent_us > 4 * election_timeout_us_;
    if (!is_unsent && !is_silent) return false;
    pending.sent_term = term;
    pending.sent_us = now_us;
    again.push_back({.command = pending.command, .origin = options_.id, .waiter = id});
    return false;
  });
  for (ProposalInput& input : again) ForwardOrPropose(input);
}

void Replica::Handle(const raft::Message& message) {
  MaybeTellStranger(message);
  core_->Step(message);
}

// To raft whoever is none of the members, or has not the disk of one, is silent. Its operator, and
// whoever calls it, wants to know.
void Replica::MaybeTellStranger(const raft::Message& message) {
  if (core_->role() != raft::Role::kLeader) return;
  const raft::Member* member = core_->configuration().Find(message.from);
  const bool has_other_disk = member != nullptr && !member->incarnation.IsNone() &&
                              member->incarnation != message.from_incarnation;
  if (member != nullptr && !has_other_disk) return;
  if (VersionFor(message.from) == 1) return;  // It would not know the answer.
  if (strangers_told_us_.size() >= kLearnedPeersMax) strangers_told_us_.clear();
  std::uint64_t& told_us = strangers_told_us_[message.from];
  if (told_us != 0 && Now() - told_us < kTellStrangerUs) return;
  told_us = Now();
  SendTo(message.from,
         NotMember{.standing = has_other_disk ? Standing::kOtherDisk : Standing::kStranger});
}

void Replica::Handle(const raft::SnapshotTaken& taken) {
  counters_.snapshots_taken.Add();
  core_->Step(taken);
}
void Replica::Handle(const raft::SnapshotSent& sent) {
  if (sent.ok) counters_.snapshots_sent.Add();
  core_->Step(sent);
}
void Replica::Handle(const raft::SnapshotInstalled& installed) {
  if (installed.ok) {
    counters_.snapshots_installed.Add();
    journal_.NoteJump(installed.last);
  }
  core_->Step(installed);
}
void Replica::Handle(const ReadInput& input) { core_->Read(input.waiter); }
void Replica::Handle(const DivergedInput&) {}

void Replica::Handle(const raft::AppendDone& done) {
  const auto job = open_jobs_.find(done.sequence);
  if (job != open_jobs_.end()) rounds_.Synced(Now() - job->second);
  open_jobs_.erase(open_jobs_.begin(), open_jobs_.upper_bound(done.sequence));
  core_->Step(done);
}

void Replica::Handle(ProposalInput& input) {
  if (MayHold(input)) return held_.push_back(std::move(input));
  ReleaseHeld();  // They go in the same round now.
  Take(input);
}

// Until the next round may begin (round_pace.h). What a caller waits for alone is never held.
bool Replica::MayHold(const ProposalInput& input) {
  if (core_->role() != raft::Role::kLeader || held_.size() >= kHeldMax) return false;
  return Now() < rounds_.NextUs() && state::IsEditorUpdate(input.command.view());
}

void Replica::ReleaseHeld() {
  for (ProposalInput& input : std::exchange(held_, {})) Take(input);
}

void Replica::Take(ProposalInput& input) {
  if (input.origin == options_.id && input.waiter != 0) {
    // A sweep may have found it in the table before its turn here came, and sent it; or its time
    // is up. It must not happen twice: not every request has an id.
    bool is_due = false;
    proposals_.Update(input.waiter, [&is_due](const PendingProposal& pending) {
      is_due = pending.sent_term.IsNone();
    });
    if (!is_due) return;
  }
  ForwardOrPropose(input);
}

void Replica::ForwardOrPropose(ProposalInput& input) {
  const bool is_own = input.origin == options_.id;
  if (core_->role() != raft::Role::kLeader) {
    if (!is_own) return Refuse(input, ForwardRefusal::kNotLeader);
    const NodeId leader = core_->leader();
    // Without a leader it stays unsent in the table until there is one, or its time is up.
    if (leader.IsNone() || leader == options_.id || input.waiter == 0) return;
    proposals_.Update(input.waiter, [this](PendingProposal& pending) {
      pending.sent_term = core_->term();
      pending.sent_us = Now();
    });
    SendTo(leader, ForwardedProposal{.waiter = input.waiter, .command = std::move(input.command)});
    return;
  }
  // Its sender waits for no answer, and no older program reads a reason of its own.
  if (!MayStayOrGo(input)) return Refuse(input, ForwardRefusal::kBusy);
  if (!has_room_.load(std::memory_order_relaxed)) return Refuse(input, ForwardRefusal::kNoSpace);
  if (!is_own && !state::IsKnownCommand(input.command.view())) {
    return Refuse(input, ForwardRefusal::kUnknownCommand);
  }
  const std::uint64_t level = LevelReadByAll();
  if (state::LevelOfCommand(input.command.view()) > level) {
    return Refuse(input, ForwardRefusal::kNotReadByAll);
  }
  stamped_ms_ = std::max(stamped_ms_, world_.clock.WallTimeMs());
  const state::Stamp stamp{
      .time_ms = stamped_ms_, .origin = input.origin, .waiter = input.waiter, .level = level};
  const raft::ProposeResult result =
      core_->Propose(Blob(state::StampCommand(stamp, input.command.view())));
  if (const auto* refusal = std::get_if<raft::Refusal>(&result)) {
    return Refuse(input,
                  *refusal == raft::Refusal::kNotLeader || *refusal == raft::Refusal::kTransferring
                      ? ForwardRefusal::kNotLeader
                      : ForwardRefusal::kBusy);
  }
  ++proposed_;
  if (is_own && input.waiter != 0) {
    proposals_.Update(input.waiter, [this](PendingProposal& pending) {
      pending.sent_term = core_->term();
      pending.sent_us = Now();
    });
  }
}

// Who joins on a node has a stream there. Who has closed the last one on a node may have others
// elsewhere: then it does not leave, or its lease runs out. A leader that is new has yet to hear
// where; alone there is nobody to hear of.
bool Replica::MayStayOrGo(const ProposalInput& input) {
  if (input.command.size_bytes() > kPresenceBytesMax) return true;
  const std::optional<state::Command> command = state::DecodeCommand(input.command.view());
  if (!command) return true;
  const std::uint64_t now_us = Now();
  if (std::holds_alternative<state::Attach>(command->body)) {
    renewals_.Note(input.origin, {command->session}, now_us);
    return true;
  }
  const auto* leave = std::get_if<state::Leave>(&command->body);
  if (leave == nullptr || leave->reason != state::LeaveReason::kDetached) return true;
  if (core_->configuration().members.size() == 1) return true;
  return now_us >= office_began_us_ + 2 * kRenewIntervalUs &&
         !renewals_.IsHeldElsewhere(leave->session, input.origin, now_us);
}

// What entries may ask for: what every member reads, as far as this node has heard. An entry of a
// higher level that is in the state already has shown that all read it. And founders are of one
// version: those that have not been started yet keep nobody waiting.
std::uint64_t Replica::LevelReadByAll() const {
  std::uint64_t level = options_.peer_version_newest;
  if (is_founding_ && !has_applied_command_.load(std::memory_order_relaxed)) return level;
  for (const raft::Member& member : core_->configuration().members) {
    if (member.id != options_.id) level = std::min<std::uint64_t>(level, VersionFor(member.id));
  }
  return std::max(level, level_applied_.load(std::memory_order_relaxed));
}

// Whose promotion is asked for although its program, as far as this node has heard, does not read
// the state: it could acknowledge nothing.
std::optional<NodeId> Replica::FindOutdated(const raft::MembershipChange& change) const {
  const std::uint64_t level = level_applied_.load(std::memory_order_relaxed);
  for (const NodeId id : change.promote) {
    if (VersionFor(id) < level) return id;
  }
  return std::nullopt;
}

void Replica::Refuse(const ProposalInput& input, ForwardRefusal reason) {
  const ForwardRefused refused{.waiter = input.waiter, .reason = reason};
  if (input.waiter == 0) return;
  if (input.origin == options_.id) return Handle(refused);
  SendTo(input.origin, refused);
}

void Replica::Handle(const ForwardRefused& refused) {
  switch (refused.reason) {
    case ForwardRefusal::kNotLeader:
      // Not done anywhere: it waits for the next leader as if it had not been sent.
      proposals_.Update(refused.waiter, [](PendingProposal& pending) {
        pending.sent_term = Term();
        pending.sent_us = 0;
      });
      return;
    case ForwardRefusal::kBusy:
      return FailProposal(refused.waiter, absl::ResourceExhaustedError(
                                              "the leader is overloaded; retry in a moment"));
    case ForwardRefusal::kUnknownCommand:
      return FailProposal(refused.waiter,
                          absl::FailedPreconditionError(
                              "the leader runs an older version of Coterie that does not know this "
                              "request: finish the upgrade, then try again"));
    case ForwardRefusal::kNotReadByAll:
      return FailProposal(
          refused.waiter,
          UpgradingError("a member of the cluster runs an older version of Coterie that could not "
                         "read this request, or has not been heard of since the upgrade: upgrade "
                         "and start all nodes, or remove those that are gone"));
    case ForwardRefusal::kNoSpace:
      return FailProposal(refused.waiter, NoSpaceError());
  }
}

void Replica::FailProposal(std::uint64_t waiter, absl::Status status) {
  if (std::optional<PendingProposal> pending = proposals_.Take(waiter)) {
    pending->done(std::move(status));
  }
}

void Replica::Handle(const TermApplied& applied) {
  // Whatever was proposed in an earlier term either stands in the log before this entry, and was
  // answered, or is lost (Raft paper 5.3: the new leader's log is the log).
  const auto is_lost = [&applied](std::uint64_t, PendingProposal& pending) {
    if (pending.sent_term.IsNone() || pending.sent_term >= applied.term) return false;
    if (!pending.is_repeatable || IsMutant(35)) return true;
    pending.sent_term = Term();
    pending.sent_us = 0;
    return false;
  };
  for (PendingProposal& pending : proposals_.TakeIf(is_lost)) {
    // Something has been committed where it stood: the mutant takes that for it.
    if (IsMutant(35)) {
      pending.done(state::Outcome());
      continue;
    }
    pending.done(absl::UnavailableError("the leader changed; it may have happened or not: retry"));
  }
  ResendProposals();
}

// On the leader: what raft would refuse without a reason, and what it cannot know.
absl::Status Replica::CheckNewMembers(const raft::MembershipChange& change) const {
  const absl::Status possible = CheckChange(core_->configuration(), change);
  if (!possible.ok() && !core_->configuration().IsJoint()) return possible;
  for (const NodeId id : change.promote) {
    if (!HasHeardOf(id)) {
      return absl::UnavailableError(
          absl::StrCat("node ", id.value(),
                       " has not been heard of since it was added: start it, with --join "
                       "and an empty folder, where its address says; then retry"));
    }
  }
  if (const std::optional<NodeId> outdated = FindOutdated(change)) {
    return UpgradingError(absl::StrCat(
        "node ", outdated->value(),
        " runs an older version of Coterie, which cannot read what the others have written: "
        "upgrade it first"));
  }
  return absl::OkStatus();
}

void Replica::Handle(ReconfigureInput& input) {
  if (pending_change_) {
    input.done(ToStatus(raft::Refusal::kChangeInProgress, core_->leader()));
    return;
  }
  const bool is_already = raft::IsAlready(core_->configuration(), input.change);
  if (core_->role() == raft::Role::kLeader && !is_already) {
    const absl::Status possible = CheckNewMembers(input.change);
    if (!possible.ok()) return input.done(possible);
  }
  const raft::ProposeResult result = core_->Reconfigure(input.change);
  if (const auto* refusal = std::get_if<raft::Refusal>(&result)) {
    // Whoever had no answer asks again, as there are no request ids here.
    if (*refusal == raft::Refusal::kInvalidChange && is_already) {
      return input.done(core_->configuration_index());
    }
    input.done(ToStatus(*refusal, core_->leader()));
    return;
  }
  pending_change_ = {.position = std::get<raft::LogPosition>(result),
                     .deadline_us = input.deadline_us,
                     .done = std::move(input.done)};
}

void Replica::Handle(const ConfigurationApplied& applied) {
  if (!pending_change_ || applied.is_joint || applied.index < pending_change_->position.index) {
    return;
  }
  std::exchange(pending_change_, std::nullopt)->done(applied.index);
}

void Replica::Handle(TransferInput& input) {
  if (const std::optional<raft::Refusal> refusal = core_->Transfer(input.target)) {
    input.done(ToStatus(*refusal, core_->leader()));
    return;
  }
  if (pending_transfer_) {
    pending_transfer_->done(absl::AbortedError("another transfer was asked for meanwhile"));
  }
  pending_transfer_ = {
      .target = input.target, .deadline_us = input.deadline_us, .done = std::move(input.done)};
}

// Kept also of members: a change of members that is rolled back makes them strangers again, and
// strangers must be answered.
void Replica::Handle(const LearnedPeer& peer) {
  const auto found = learned_.find(peer.id);
  if (found != learned_.end() && found->second.address == peer.address) return;
  if (found == learned_.end() && learned_.size() >= kLearnedPeersMax) return;
  learned_[peer.id] = {.id = peer.id, .address = peer.address};
  if (!core_->configuration().IsMember(peer.id)) UpdateMembers();
}

void Replica::Handle(const GreetInput& greet) {
  std::vector<Frame> frames;
  frames.push_back(
      {.to = greet.peer,
       .lane = Lane::kControl,
       .bytes = EncodePeerMessage(Envelope(Greeting{}), options_.peer_version_newest)});
  world_.peers.Send(std::move(frames));
}

void Replica::UpdateMembers() {
  std::vector<raft::Member> members;
  for (const raft::Member& member : core_->configuration().members) {
    if (member.id != options_.id) members.push_back(member);
  }
  for (const auto& [id, member] : learned_) {
    if (!core_->configuration().IsMember(id)) members.push_back(member);
  }
  world_.peers.SetMembers(members);
}

void Replica::DrainCore() {
  if (!core_->HasEffects()) return;
  core_->Drain(effects_);
  std::erase_if(effects_.send_now,
                [this](const raft::Message& message) { return IsNeedlessAnswer(message); });
  // The other threads first: they work while this one sends.
  if (effects_.append) {
    rounds_.Began(std::exchange(proposed_, 0), Now());
    open_jobs_.emplace(effects_.append->sequence, Now());
    log_inbox_.Push(*std::exchange(effects_.append, std::nullopt));
  }
  if (effects_.apply) {
    journal_.NoteCommitted(effects_.apply->entries);
    apply_inbox_.Push(*std::exchange(effects_.apply, std::nullopt));
  }
  SendRaft(effects_.send_now);
  if (effects_.compact) log_inbox_.Push(*std::exchange(effects_.compact, std::nullopt));
  for (const raft::SendSnapshotJob& job : effects_.send_snapshots) {
    snapshot_inbox_.Push(raft::SendSnapshotJob(job));
  }
  effects_.send_snapshots.clear();
  if (effects_.install_snapshot) {
    snapshot_inbox_.Push(*std::exchange(effects_.install_snapshot, std::nullopt));
  }
  effects_.dropped.clear();  // Handle(TermApplied) settles them, for forwarded ones too.
  OnReads(effects_.reads);
  if (std::exchange(effects_.configuration, std::nullopt)) UpdateMembers();
  if (const auto change = std::exchange(effects_.role_change, std::nullopt)) OnRoleChange(*change);
}

// A leader tells idle followers of a commit by a heartbeat, of which there may be thousands a
// second. One answer within a tick says all that it wants to know: that this node is there, and
// which reads it confirms. To raft the others are lost.
bool Replica::IsNeedlessAnswer(const raft::Message& message) {
  const auto* reply = std::get_if<raft::HeartbeatReply>(&message.body);
  if (reply == nullptr) return false;
  const HeartbeatAnswer answer{
      .to = message.to, .term = message.term, .read_sequence = reply->read_sequence};
  if (answer == answered_ && Now() - answered_us_ < tick_us_) return true;
  answered_ = answer;
  answered_us_ = Now();
  return false;
}

void Replica::OnReads(std::vector<raft::ReadReady>& reads) {
  ReadyReads ready;
  for (const raft::ReadReady& read : reads) {
    if (read.index.IsNone()) {
      refused_reads_.push_back(read.id);  // Asked again at the next tick, until its time is up.
    } else {
      ready.reads.push_back(read);
    }
  }
  reads.clear();
  if (!ready.reads.empty()) apply_inbox_.Push(std::move(ready));
}

void Replica::OnRoleChange(const raft::RoleChange& change) {
  journal_.NoteOffice(change);
  if (leader_.exchange(change.leader.value()) != change.leader.value()) {
    counters_.leader_changes.Add();
    if (change.role == raft::Role::kLeader) counters_.elections_won.Add();
    renewed_us_ = 0;
    office_began_us_ = Now();
  }
  apply_inbox_.Push(OfficeInput{.is_leader = change.role == raft::Role::kLeader});
  if (pending_transfer_ && !change.leader.IsNone() && change.leader != options_.id) {
    std::exchange(pending_transfer_, std::nullopt)->done(change.leader);
  }
  // Who has removed itself goes when that is committed; it is answered when it is applied.
  const bool is_changed = pending_change_ && !core_->configuration().IsJoint() &&
                          core_->configuration_index() >= pending_change_->position.index &&
                          core_->configuration_index() <= core_->commit_index();
  if (pending_change_ && !is_changed && change.role != raft::Role::kLeader) {
    std::exchange(pending_change_, std::nullopt)
        ->done(absl::UnavailableError("the leader changed; see cluster status, and retry"));
  }
  PublishStatus();
  ResendProposals();
}

void Replica::PublishStatus() {
  is_repairing_.store(core_->promised() != raft::LogPosition());
  is_disk_slow_.store(!open_jobs_.empty() &&
                      Now() - open_jobs_.begin()->second > election_timeout_us_);
  // One that leads until the others have the change that removes it is of use until then.
  is_stranger_.store(core_->role() != raft::Role::kLeader &&
                     !core_->configuration().IsMember(options_.id));
  Status status{.id = options_.id,
                .cluster_id = options_.cluster_id,
                .role = core_->role(),
                .leader = core_->leader(),
                .term = core_->term(),
                .commit = core_->commit_index(),
                .first = core_->first_index(),
                .last = core_->last().index,
                .configuration = core_->configuration()};
  const std::vector<raft::Core::PeerStatus> peers = core_->Peers();
  journal_.NoteContacts(peers, core_->term());
  for (const raft::Core::PeerStatus& peer : peers) {
    status.peers.push_back(
        {.id = peer.id, .match = peer.match, .is_reachable = peer.recently_active});
  }
  {
    absl::MutexLock lock(&listeners_mutex_);
    status.subscriptions = listeners_.size();
  }
  absl::MutexLock lock(&status_mutex_);
  status_ = std::move(status);
}

}  // namespace coterie::node
