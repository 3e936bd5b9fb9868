// The control flow of the core: what comes in, who handles it, and what goes out at Drain().

#include "raft/core.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"
#include "base/overload.h"

namespace coterie::raft {
namespace {

// Far above anything real, far below where arithmetic on them could wrap.
constexpr Term kTermMax{1ULL << 62};
constexpr Index kIndexMax{1ULL << 62};

// A job holds at most this many times the size of an append.
constexpr std::size_t kAppendsPerJob = 8;

bool IsFromLeader(const Body& body) {
  return std::holds_alternative<AppendRequest>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<SnapshotOffer>(body) || std::holds_alternative<TimeoutNow>(body);
}

bool IsInRange(const Body& body) {
  return std::visit(
      Overload{[](const VoteRequest& request) {
                 return request.last.index < kIndexMax && request.last.term < kTermMax;
               },
               [](const AppendRequest& request) { return request.previous.index < kIndexMax; },
               [](const SnapshotOffer& offer) {
                 return offer.last.index < kIndexMax && offer.last.term < kTermMax &&
                        offer.configuration.IsValid();
               },
               [](const auto&) { return true; }},
      body);
}

void Clear(Effects& effects) {
  effects.send_now.clear();
  effects.append.reset();
  effects.apply.reset();
  effects.send_snapshots.clear();
  effects.install_snapshot.reset();
  effects.compact.reset();
  effects.reads.clear();
  effects.dropped.clear();
  effects.role_change.reset();
  effects.configuration.reset();
}

}  // namespace

Core::Core(Options options, Recovered recovered, Prng prng)
    : options_(options),
      prng_(prng),
      term_(recovered.hard_state.term),
      vote_(recovered.hard_state.vote),
      promised_(recovered.hard_state.promised),
      log_(recovered.snapshot, std::move(recovered.snapshot_configuration),
           std::move(recovered.entries)),
      handed_over_(recovered.hard_state),
      append_next_(log_.last().index.Next()),
      epoch_(recovered.epoch),
      durable_(log_.last().index),
      durable_hard_state_(recovered.hard_state),
      applied_(recovered.applied),
      next_read_request_(prng_.Next()) {
  CHECK(!options_.id.IsNone());
  CHECK(options_.heartbeat_interval.value() >= 1);
  CHECK(options_.election_timeout.value() >= 3 * options_.heartbeat_interval.value());
  CHECK(options_.append_jobs_in_flight_max >= 1);
  CHECK(options_.in_flight_messages_max >= 1);
  CHECK(options_.in_flight_per_tick_max >= 1);
  CHECK(term_ >= log_.last().term);
  CHECK(applied_ >= log_.snapshot().index && applied_ <= log_.last().index);
  commit_ = std::clamp(recovered.hard_state.commit, applied_, log_.last().index);
  apply_next_ = applied_.Next();
  MaybeFulfilPromise();
  ResetElectionTimer();
}

Core::~Core() = default;

// --- Inputs ---

void Core::Tick() {
  is_dirty_ = true;
  ++now_;
  TickReads();
  if (role_ == Role::kLeader) {
    TickLeader();
    return;
  }
  TickPromise();
  if (now_ < campaign_at_) return;
  ResetElectionTimer();
  if (CanCampaign()) {
    StartPreVote();
  } else if (!installing_) {
    leader_ = NodeId();  // One that is silent for so long leads no more, or not us.
  }
}

void Core::Campaign() {
  is_dirty_ = true;
  if (role_ != Role::kLeader && CanCampaign()) StartPreVote();
}

void Core::Step(const Message& message) {
  is_dirty_ = true;
  if (!IsAcceptable(message) || !ReconcileTerm(message)) return;
  std::visit([&](const auto& body) { Handle(message, body); }, message.body);
}

bool Core::IsAcceptable(const Message& message) const {
  if (message.group != kTheGroup || message.to != options_.id || message.from == options_.id ||
      message.from.IsNone() || message.term >= kTermMax || !IsInRange(message.body)) {
    return false;
  }
  // Whoever leads was elected by those who knew its disk. One that was away while it was replaced
  // and knows only the old disk must follow it all the same, or it would never learn of the new.
  if (IsFromLeader(message.body)) return true;
  // A node that lost its disk has forgotten what it promised: it is not the member of that id.
  const Member* member = log_.configuration().Find(message.from);
  return member == nullptr || member->incarnation.IsNone() ||
         member->incarnation == message.from_incarnation || IsMutant(34);
}

bool Core::ReconcileTerm(const Message& message) {
  const auto* request = std::get_if<VoteRequest>(&message.body);
  const auto* reply = std::get_if<VoteReply>(&message.body);
  const bool is_pre_vote = request != nullptr && request->kind == VoteKind::kPreVote;
  if (message.term < term_) {
    AnswerStale(message);
    return false;
  }
  if (message.term > term_) {
    if (is_pre_vote) return true;
    if (reply != nullptr && reply->kind == VoteKind::kPreVote && reply->granted) return true;
    // Whoever hears a leader does not let a node without one disturb it (thesis 4.2.3).
    if (request != nullptr && request->kind == VoteKind::kVote && HearsLeader()) return false;
    BecomeFollower(message.term, IsFromLeader(message.body) ? message.from : NodeId());
    return true;
  }
  if (!IsFromLeader(message.body)) return true;
  if (role_ == Role::kLeader) return false;  // Two leaders in one term: a malformed peer.
  if (!leader_.IsNone() && leader_ != message.from) return false;
  FollowLeader(message.from);
  return true;
}

// A node left behind in an older term learns ours from any answer (etcd #8501).
void Core::AnswerStale(const Message& message) {
  if (IsMutant(28)) return;
  std::visit(
      Overload{
          [&](const VoteRequest& request) {
            SendAfterDurable(message.from, VoteReply{.kind = request.kind, .granted = false});
          },
          [&](const AppendRequest& request) {
            SendAfterDurable(message.from, AppendReply{.success = false,
                                                       .rejected = request.previous.index,
                                                       .hint = log_.LastAtMost(request.previous)});
          },
          [&](const Heartbeat&) { SendNow(message.from, HeartbeatReply{}); }, [](const auto&) {}},
      message.body);
}

void Core::Step(const AppendDone& done) {
  is_dirty_ = true;
  is_disk_stalled_ = false;
  while (!jobs_.empty() && jobs_.front().sequence <= done.sequence) {
    const JobInFlight& job = jobs_.front();
    durable_ = std::max(durable_, job.last);
    durable_hard_state_.term = job.term;
    durable_hard_state_.vote = job.vote;
    jobs_.pop_front();
  }
  MaybeFulfilPromise();
  while (!held_.empty() && held_.front().after <= done.sequence) {
    for (Message& message : held_.front().messages) {
      effects_.send_now.push_back(std::move(message));
    }
    held_.pop_front();
  }
  if (role_ == Role::kCandidate && durable_hard_state_.term == term_ &&
      durable_hard_state_.vote == options_.id) {
    RecordVote(options_.id, true);
  }
}

void Core::Step(const ApplyDone& done) {
  is_dirty_ = true;
  while (!applying_.empty() && applying_.front().last <= done.index) {
    applying_bytes_ -= applying_.front().bytes;
    applying_.pop_front();
  }
  if (done.index > applied_ && done.index < apply_next_) applied_ = done.index;
}

void Core::Step(const DiskStalled&) {
  if (is_disk_stalled_ || jobs_.empty() || IsMutant(30)) return;
  is_dirty_ = true;
  is_disk_stalled_ = true;
  if (role_ != Role::kLeader) return;
  const NodeId successor = BestSuccessor();
  if (!successor.IsNone()) SendNow(successor, TimeoutNow{});
  BecomeFollower(term_, NodeId());
}

ProposeResult Core::Propose(Blob command) {
  if (role_ != Role::kLeader) return Refusal::kNotLeader;
  if (!transfer_target_.IsNone()) return Refusal::kTransferring;
  if (uncommitted_bytes_ > 0 &&
      uncommitted_bytes_ + command.size_bytes() > options_.uncommitted_bytes_max) {
    return Refusal::kTooMuchUncommitted;
  }
  is_dirty_ = true;
  AppendToLog({.term = term_,
               .index = log_.last().index.Next(),
               .type = EntryType::kCommand,
               .payload = std::move(command)});
  return log_.last();
}

// --- Outputs ---

bool Core::HasEffects() const { return is_dirty_; }

void Core::Drain(Effects& effects) {
  is_dirty_ = false;
  Flush();
  Clear(effects);
  std::swap(effects, effects_);
}

void Core::Flush() {
  if (role_ == Role::kLeader) {
    MaybeCommit();
    MaybeLeaveJoint();
    MaybeResign();
  }
  if (role_ == Role::kLeader) {
    for (auto& [id, progress] : peers_) MaybeSend(id, progress);
    if (!transfer_target_.IsNone()) SendTimeoutNow();
  }
  if (reported_.leader != leader_) RefuseForwardedReads();
  FlushReads();
  MakeAppendJob();
  MakeApplyJob();
  if (std::exchange(is_configuration_new_, false)) effects_.configuration = log_.configuration();
  if (reported_.role != role_ || reported_.term != term_ || reported_.leader != leader_) {
    reported_ = {.role = role_, .term = term_, .leader = leader_};
    effects_.role_change = reported_;
  }
}

void Core::MakeAppendJob() {
  const bool has_hard_state = handed_over_.term != term_ || handed_over_.vote != vote_ ||
                              handed_over_.promised != promised_;
  // While a snapshot is on its way the log thread is handed no entries: they might come to it
  // behind the reset of the log, which they do not fit. If the snapshot fails they follow.
  const bool has_entries = !installing_ && append_next_ <= log_.last().index;
  const bool has_truncation = !installing_ && !truncate_from_.IsNone();
  if (!has_hard_state && !has_entries && !has_truncation) {
    if (after_durable_.empty()) return;
    if (jobs_.empty()) {
      std::ranges::move(after_durable_, std::back_inserter(effects_.send_now));
      after_durable_.clear();
    } else {
      held_.push_back(
          {.after = jobs_.back().sequence, .messages = std::exchange(after_durable_, {})});
    }
    return;
  }
  if (jobs_.size() >= options_.append_jobs_in_flight_max) return;
  AppendJob job{.sequence = next_job_++, .epoch = epoch_};
  // Term and vote are one record (see HardState). The mutant's vote follows with the next job.
  const bool is_vote_late =
      IsMutant(10) && handed_over_.term != term_ && handed_over_.vote != vote_;
  handed_over_ = {.term = term_,
                  .vote = is_vote_late ? handed_over_.vote : vote_,
                  .commit = commit_,
                  .promised = promised_};
  job.hard_state = handed_over_;
  if (has_truncation) job.truncate_from = std::exchange(truncate_from_, Index());
  if (has_entries) {
    job.entries =
        log_.Slice(append_next_, log_.last().index, kAppendsPerJob * options_.append_bytes_max);
    append_next_ = job.entries.back().index.Next();
  }
  // Replies may rest on all entries, so they go with the job that writes the last. During an
  // installation there are only votes, which rest on none.
  const bool is_last = (installing_ || append_next_ > log_.last().index) && !is_vote_late;
  if (is_last) job.after_durable = std::exchange(after_durable_, {});
  jobs_.push_back({.sequence = job.sequence,
                   .last = append_next_.Previous(),
                   .term = term_,
                   .vote = handed_over_.vote});
  effects_.append = std::move(job);
  // What did not fit follows with the next Drain().
  if (!is_last) is_dirty_ = true;
}

// Only what is committed AND durable here: the state must never be ahead of the own log.
void Core::MakeApplyJob() {
  const Index last = std::min(commit_, OwnMatch());
  if (installing_ || apply_next_ > last || applying_bytes_ >= options_.unapplied_bytes_max) return;
  // Whoever applies counts on it: nothing is handed over twice (ClickHouse #118740).
  CHECK(apply_next_ > (applying_.empty() ? applied_ : applying_.back().last));
  ApplyJob job{.entries =
                   log_.Slice(apply_next_, last, options_.unapplied_bytes_max - applying_bytes_)};
  std::size_t bytes = 0;
  for (const EntryRef& entry : job.entries) bytes += entry.size_bytes();
  apply_next_ = job.entries.back().index.Next();
  applying_.push_back({.last = job.entries.back().index, .bytes = bytes});
  applying_bytes_ += bytes;
  effects_.apply = std::move(job);
}

// --- What the leaves share ---

Message Core::MakeMessage(NodeId to, Term term, Body body) const {
  return {.from = options_.id,
          .to = to,
          .from_incarnation = options_.incarnation,
          .term = term,
          .body = std::move(body)};
}

void Core::SendNow(NodeId to, Term term, Body body) {
  effects_.send_now.push_back(MakeMessage(to, term, std::move(body)));
}

void Core::SendAfterDurable(NodeId to, Body body) {
  after_durable_.push_back(MakeMessage(to, term_, std::move(body)));
}

void Core::BecomeFollower(Term term, NodeId leader) {
  if (role_ == Role::kLeader) LeaveOffice();
  if (term > term_) {
    term_ = term;
    vote_ = NodeId();
    shown_ = Index();
    // What was to be said in an older term may have become untrue; losing it is always allowed.
    after_durable_.clear();
    held_.clear();
  }
  role_ = Role::kFollower;
  leader_ = NodeId();
  votes_.clear();
  ResetElectionTimer();
  if (!leader.IsNone()) FollowLeader(leader);
}

void Core::FollowLeader(NodeId leader) {
  role_ = Role::kFollower;
  votes_.clear();
  leader_ = leader;
  heard_leader_at_ = now_;
  ResetElectionTimer();
}

void Core::LeaveOffice() {
  peers_.clear();
  transfer_target_ = NodeId();
  uncommitted_bytes_ = 0;
  RefuseAllReads();
}

void Core::AppendToLog(EntryRef entry) {
  if (role_ == Role::kLeader) uncommitted_bytes_ += entry.size_bytes();
  const bool is_configuration = entry.type == EntryType::kConfiguration;
  log_.Append(std::move(entry));
  if (is_configuration) OnConfigurationChanged();
}

void Core::TruncateLog(Index from) {
  CHECK(from > commit_);
  CHECK(role_ != Role::kLeader);  // Leader Append-Only (Raft paper, figure 3).
  for (Index index = from; index <= log_.last().index; ++index) {
    effects_.dropped.push_back({.position = log_.At(index).position()});
  }
  const Index configuration_index = log_.configuration_index();
  log_.TruncateFrom(from);
  if (log_.configuration_index() != configuration_index) OnConfigurationChanged();
  const Index kept = from.Previous();
  if (!IsMutant(25)) {
    for (JobInFlight& job : jobs_) job.last = std::min(job.last, kept);
  }
  durable_ = std::min(durable_, kept);
  if (append_next_ <= from) return;  // The log thread has never seen what was dropped.
  append_next_ = from;
  truncate_from_ = truncate_from_.IsNone() ? from : std::min(truncate_from_, from);
  ++epoch_;
}

void Core::AdvanceCommit(Index index) {
  if (index <= commit_) return;
  CHECK(index <= log_.last().index);
  if (role_ == Role::kLeader) {
    for (Index at = commit_.Next(); at <= index; ++at) {
      uncommitted_bytes_ -= std::min(uncommitted_bytes_, log_.At(at).size_bytes());
    }
  }
  commit_ = index;
}

// --- Queries ---

bool Core::AwaitsDisk() const {
  if (jobs_.empty()) return false;
  const bool is_settled = role_ == Role::kFollower || role_ == Role::kLeader;
  if (!is_settled || is_disk_stalled_ || installing_ || promised_ != LogPosition()) return true;
  // More to hand over, or to say.
  if (append_next_ <= log_.last().index || !truncate_from_.IsNone()) return true;
  if (handed_over_.term != term_ || handed_over_.vote != vote_) return true;
  if (!after_durable_.empty() || !held_.empty()) return true;
  const Index durable = std::max(durable_, jobs_.back().last);
  if (std::min(commit_, durable) >= apply_next_) return true;
  return role_ == Role::kLeader && (AgreedIndex(durable) > commit_ || !transfer_target_.IsNone());
}

Role Core::role() const { return role_; }
Term Core::term() const { return term_; }
NodeId Core::leader() const { return leader_; }
Index Core::commit_index() const { return commit_; }
Index Core::applied_index() const { return applied_; }
LogPosition Core::last() const { return log_.last(); }
Index Core::first_index() const { return log_.first_index(); }
Index Core::durable_index() const { return durable_; }
const Configuration& Core::configuration() const { return log_.configuration(); }

std::vector<Core::PeerStatus> Core::Peers() const {
  std::vector<PeerStatus> statuses;
  for (const auto& [id, progress] : peers_) {
    statuses.push_back(
        {.id = id,
         .match = progress.match,
         .next = progress.next,
         .recently_active = now_ - progress.last_heard < options_.election_timeout.value(),
         .is_receiving_snapshot = progress.state == ProgressState::kSnapshot});
  }
  return statuses;
}

}  // namespace coterie::raft
