// What the apply thread does: apply what is committed, answer who waits for it, tell subscribers,
// serve reads, and, on the leader, tend the leases.

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "base/mutant.h"
#include "base/overload.h"
#include "node/replica.h"

namespace coterie::node {
namespace {

// One atomic batch of the state; small enough that reads do not wait long behind it.
constexpr std::size_t kEntriesPerCommitMax = 512;
constexpr std::uint64_t kTendIntervalUs = 50'000;
// Who is absent at two looks in a row has nothing on its way.
constexpr std::uint64_t kJoinIntervalUs = 500'000;
constexpr std::uint64_t kJoinLeaseMs = 10'000;  // As who names none has it.
constexpr std::uint64_t kStoreAfterUs = 200'000;
constexpr std::size_t kUnstoredBytesMax = 4 << 20;  // Of payloads.

}  // namespace

bool Replica::PumpApply(absl::Duration wait) {
  if (apply_inputs_.empty()) {
    apply_inbox_.WaitAndTakeAll(apply_inputs_, std::min(wait, absl::Microseconds(kTendIntervalUs)));
  }
  const bool has_input = !apply_inputs_.empty();
  while (!apply_inputs_.empty()) {
    ApplyInput input = std::move(apply_inputs_.front());
    apply_inputs_.pop_front();
    const bool is_fenced = is_fenced_.load(std::memory_order_relaxed);
    if (is_fenced && !std::holds_alternative<StoreFirst>(input)) continue;
    std::visit([this](auto& value) { Handle(value); }, input);
  }
  if (!is_fenced_.load(std::memory_order_relaxed)) {
    StoreIfDue();
    AnswerReads();
    TendLeases();
  }
  return has_input;
}

void Replica::Handle(raft::ApplyJob& job) {
  for (std::size_t first = 0; first < job.entries.size(); first += kEntriesPerCommitMax) {
    ApplyRange(job.entries, first, std::min(job.entries.size(), first + kEntriesPerCommitMax));
    if (is_fenced_.load(std::memory_order_relaxed)) return;
  }
}

void Replica::ApplyRange(const std::vector<raft::EntryRef>& entries, std::size_t first,
                         std::size_t end) {
  std::vector<state::ApplyResult> results;
  results.reserve(end - first);
  for (std::size_t i = first; i < end; ++i) {
    const raft::EntryRef& entry = entries[i];
    if (machine_->divergence()) break;  // It applies nothing any more.
    // Handed over before the core knew that a snapshot had jumped over it (Handle(SwapState)).
    if (entry.index <= machine_->applied().index) continue;
    CHECK(entry.index == machine_->applied().index.Next());
    unstored_bytes_ += entry.payload.size_bytes();
    switch (entry.type) {
      case raft::EntryType::kNoop:
        machine_->ApplyNoop(entry.term, entry.index);
        break;
      case raft::EntryType::kCommand:
        results.push_back(machine_->ApplyCommand(entry.term, entry.index, entry.payload.view()));
        break;
      case raft::EntryType::kConfiguration: {
        machine_->ApplyConfiguration(entry.term, entry.index, entry.payload.view());
        const auto configuration = raft::DecodeConfiguration(entry.payload.view());
        CHECK(configuration.has_value());  // The core adopted it when it was appended.
        core_inbox_.Push(
            ConfigurationApplied{.index = entry.index, .is_joint = configuration->IsJoint()});
        break;
      }
    }
  }
  // Before it is stored: who has copied the state knows what it asks for (SendSnapshotJob).
  level_applied_.store(machine_->level());
  if (unstored_since_us_ == 0) unstored_since_us_ = std::max<std::uint64_t>(1, Now());
  if (machine_->divergence() || unstored_bytes_ > kUnstoredBytesMax) Store();
  machine_->CheckInvariants();
  if (machine_->divergence()) {
    static_cast<void>(std::fprintf(
        stderr, "FENCED: this node's state differs from the cluster's at revision %llu: %s\n",
        static_cast<unsigned long long>(machine_->divergence()->at.value()),
        machine_->divergence()->what.c_str()));
    is_fenced_.store(true);
    snapshot_inbox_.Push(TakeSnapshotInput{});  // Durable: it knows after a restart, too.
    return;
  }
  Publish(results);
  AfterApply(machine_->applied().index);
  if (machine_->applied().term > applied_term_) {
    applied_term_ = machine_->applied().term;
    core_inbox_.Push(TermApplied{.term = applied_term_});
  }
}

// What was applied is stored a little later, so that what the next entries write over or delete is
// written once or not at all: a document's head, the outcome of a request that is acknowledged with
// the next. Until then the Kv has it in memory; who starts again applies it again, as it does what
// the store has not flushed.
void Replica::StoreIfDue() {
  if (unstored_since_us_ != 0 && Now() - unstored_since_us_ >= kStoreAfterUs) Store();
  // What it has put off on a full disk, once nothing is added any more.
  if (unstored_since_us_ == 0 && world_.storage.lacks_room()) world_.storage.kv().Commit();
}

void Replica::Store() {
  unstored_since_us_ = 0;
  unstored_bytes_ = 0;
  machine_->Commit();
}

// A backup, or a snapshot that somebody has asked for, has what was acknowledged before.
void Replica::Handle(StoreFirst& store) {
  Store();
  snapshot_inbox_.Push(std::move(store.then));
}

void Replica::Publish(const std::vector<state::ApplyResult>& results) {
  // Sessions first: whoever is told of a logout must find it done.
  for (const state::ApplyResult& result : results) {
    for (const SessionId id : result.sessions) {
      if (std::optional<state::SessionView> session = machine_->FindSession(id)) {
        sessions_.Put(*std::move(session));
      } else {
        sessions_.Remove(id);
      }
    }
  }
  for (const state::ApplyResult& result : results) {
    leases_.Observe(result, *machine_, Now());
    if (result.events) {
      absl::MutexLock lock(&listeners_mutex_);
      for (const auto& [id, listener] : listeners_) listener(*result.events, *machine_);
    }
    if (result.stamp.origin != options_.id || !result.outcome) continue;
    if (std::optional<PendingProposal> pending = proposals_.Take(result.stamp.waiter)) {
      pending->done(*result.outcome);
    }
  }
}

void Replica::NoteApplied() {
  applied_.store(machine_->applied().index.value());
  level_applied_.store(machine_->level());
  has_applied_command_.store(machine_->time_ms() != 0);
}

void Replica::AfterApply(Index applied) {
  NoteApplied();
  if (leases_.IsRunning() && applied - digest_proposed_ >= options_.digest_interval_entries) {
    digest_proposed_ = applied;
    ProposeOwn(state::CheckDigest{.at = applied, .digest = machine_->digest()});
  }
  Index log_first;
  {
    absl::MutexLock lock(&status_mutex_);
    log_first = status_.first;
  }
  const bool is_long = applied >= log_first && applied - log_first > options_.log_entries_max;
  if (!is_long && log_bytes_.load() <= options_.log_bytes_max) return;
  if (snapshot_pending_.exchange(true)) return;
  Store();
  snapshot_inbox_.Push(TakeSnapshotInput{});
}

void Replica::Handle(ReadyReads& ready) {
  for (const raft::ReadReady& read : ready.reads) waiting_reads_.emplace(read.index, read.id);
}

void Replica::AnswerReads() {
  const Index applied = machine_->applied().index;
  while (!waiting_reads_.empty() && waiting_reads_.begin()->first <= applied) {
    const std::uint64_t waiter = waiting_reads_.begin()->second;
    waiting_reads_.erase(waiting_reads_.begin());
    if (std::optional<PendingRead> pending = reads_.Take(waiter)) RunRead(*std::move(pending));
  }
}

void Replica::Handle(const StaleRead& read) {
  if (std::optional<PendingRead> pending = reads_.Take(read.waiter)) RunRead(*std::move(pending));
}

void Replica::RunRead(PendingRead read) {
  read.query(*machine_);
  read.done(machine_->applied().index);
}

void Replica::Handle(const OfficeInput& office) {
  if (office.is_leader == leases_.IsRunning()) return;
  if (office.is_leader) {
    digest_proposed_ = machine_->applied().index;
    leases_.Start(*machine_, Now());
  } else {
    leases_.Stop();
  }
}

void Replica::TendLeases() {
  const std::uint64_t now_us = Now();
  if (now_us - tended_us_ < kTendIntervalUs) return;
  tended_us_ = now_us;
  const std::uint64_t wall_ms = world_.clock.WallTimeMs();

  if (const std::optional<Activities> activities = presence_.TakeAnnouncement(now_us, wall_ms)) {
    for (const NodeId id : OtherMembers()) SendTo(id, *activities);
  }
  presence_.NotifyIfChanged(now_us);
  JoinAbsent(now_us);
  const Renewals::News news = renewals_.Take(now_us);
  if (news.paused_us > 0) leases_.Extend(news.paused_us);
  for (const auto& [session, at_us] : news.renewed) leases_.Renew(session, at_us);
  if (!news.is_current) return;
  for (state::CommandBody& body : leases_.TakeExpired(*machine_, now_us, wall_ms)) {
    ProposeOwn(std::move(body));
  }
}

// Who opens a stream asks to be present, and asks again when it has left meanwhile. Neither has a
// request id, so that a change of leaders may swallow it: for whom that was, it is done here.
void Replica::JoinAbsent(std::uint64_t now_us) {
  if (now_us - joined_us_ < kJoinIntervalUs) return;
  joined_us_ = now_us;
  std::set<SessionId> absent;
  for (const SessionId session : presence_.SessionsWithStreams()) {
    if (!sessions_.IsAbsent(session)) continue;
    absent.insert(session);
    if (!absent_.contains(session)) continue;  // Its own may be on its way.
    Propose({.session = session, .request = {}, .body = state::Attach{.lease_ms = kJoinLeaseMs}},
            absl::Microseconds(kJoinIntervalUs),
            [this, session](const absl::StatusOr<state::Outcome>& joined) {
              // Its last stream has ended meanwhile, and found nothing to leave.
              if (!joined.ok() || !joined->ok() || presence_.HasStreams(session)) return;
              ProposeOwn(state::Leave{.session = session,
                                      .attached = joined->revision,
                                      .reason = state::LeaveReason::kDetached});
            });
  }
  absent_ = std::move(absent);
}

void Replica::ProposeOwn(state::CommandBody body) {
  static_cast<void>(core_inbox_.TryPush(ProposalInput{
      .command =
          Blob(state::EncodeCommand({.session = {}, .request = {}, .body = std::move(body)})),
      .origin = options_.id,
      .waiter = 0}));
}

void Replica::Handle(SwapState& swap) {
  Store();
  machine_.reset();
  // It is sealed by now, before the log was reset (camunda #10463).
  if (IsMutant(33)) CHECK(world_.storage.Seal().ok());
  if (const absl::Status swapped = world_.storage.Swap(); !swapped.ok()) {
    world_.on_fatal(swapped);
    return;
  }
  machine_ = std::make_unique<state::Machine>(world_.storage.kv(), options_.machine);
  CHECK(machine_->applied().index == swap.job.last.index);
  sessions_.Replace(machine_->Sessions());
  NoteApplied();
  applied_term_ = machine_->applied().term;
  const state::EventBatch jump{.revision = machine_->applied().index};
  {
    absl::MutexLock lock(&listeners_mutex_);
    for (const auto& [id, listener] : listeners_) listener(jump, *machine_);
  }
  core_inbox_.Push(raft::SnapshotInstalled{.leader = swap.job.leader,
                                           .term = swap.job.term,
                                           .transfer_id = swap.job.transfer_id,
                                           .last = swap.job.last,
                                           .configuration = swap.job.configuration,
                                           .ok = true});
  core_inbox_.Push(TermApplied{.term = applied_term_});
}

}  // namespace coterie::node
