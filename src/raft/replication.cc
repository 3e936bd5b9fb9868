// Log replication: both ends of AppendRequest and Heartbeat, and the commit rule.
// Sources: Raft paper 5.3, 5.4.2; thesis 10.2 (pipelining, parallel local append).

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/core.h"
#include "raft/quorum.h"

namespace coterie::raft {
namespace {

// After this many heartbeat intervals without an acknowledgement what was sent counts as lost.
constexpr std::uint64_t kLostAfterHeartbeats = 2;

// What an honest leader sends: contiguous indexes, terms that never fall nor pass its own, and
// configurations that can be read. Anything else is not let near the log.
bool IsWellFormed(const AppendRequest& request, Term term) {
  LogPosition last = request.previous;
  if (last.term > term) return false;
  for (const EntryRef& entry : request.entries) {
    if (entry.index != last.index.Next() || entry.term < last.term || entry.term > term) {
      return false;
    }
    if (entry.type > EntryType::kConfiguration) return false;
    if (entry.type == EntryType::kConfiguration && !DecodeConfiguration(entry.payload.view())) {
      return false;
    }
    last = entry.position();
  }
  return true;
}

}  // namespace

// --- Follower ---

void Core::Handle(const Message& message, const AppendRequest& request) {
  if (installing_ || !IsWellFormed(request, term_)) return;
  const LogPosition previous = request.previous;
  // What our snapshot covers is committed, hence equal (scylla #9552).
  const bool is_covered = previous.index < log_.snapshot().index && !IsMutant(26);
  const bool matches = is_covered || log_.TermAt(previous.index) == std::optional(previous.term);
  if (!matches) {
    SendAfterDurable(message.from, AppendReply{.success = false,
                                               .rejected = previous.index,
                                               .hint = log_.LastAtMost(previous)});
    return;
  }
  AcceptEntries(message, request);
}

void Core::AcceptEntries(const Message& message, const AppendRequest& request) {
  // Not beyond what this request has shown to be equal (redpanda d0e45c0baf).
  const Index match = request.previous.index + request.entries.size();
  for (const EntryRef& entry : request.entries) {
    if (entry.index <= log_.snapshot().index) continue;
    const std::optional<Term> own_term = log_.TermAt(entry.index);
    if (own_term == std::optional(entry.term)) continue;
    if (own_term) {
      if (entry.index <= commit_) return;  // Contradicts what is committed: a malformed peer.
      TruncateLog(entry.index);
    }
    AppendToLog(entry);
  }
  shown_ = std::max(shown_, std::min(match, log_.last().index));
  AdvanceCommit(std::min(request.commit, std::min(match, log_.last().index)));
  SendAfterDurable(message.from,
                   AppendReply{.success = true, .match = IsMutant(24) ? log_.last().index : match});
}

void Core::Handle(const Message& message, const Heartbeat& heartbeat) {
  const Index equal = LastShownEqual();
  if (!installing_) AdvanceCommit(std::min(heartbeat.commit, equal));
  // The leader believes that we hold what damage has taken from us.
  if (IsMissingEntries() && !installing_ && heartbeat.commit > equal) {
    const LogPosition claimed{.term = term_, .index = heartbeat.commit};
    SendNow(message.from,
            AppendReply{
                .success = false, .rejected = heartbeat.commit, .hint = log_.LastAtMost(claimed)});
  }
  SendNow(message.from, HeartbeatReply{.read_sequence = heartbeat.read_sequence});
}

// --- Leader ---

Progress* Core::Hear(const Message& message) {
  if (role_ != Role::kLeader) return nullptr;
  const auto found = peers_.find(message.from);
  if (found == peers_.end()) return nullptr;
  found->second.last_heard = now_;
  found->second.incarnation = message.from_incarnation;
  return &found->second;
}

void Core::Handle(const Message& message, const AppendReply& reply) {
  Progress* progress = Hear(message);
  if (progress == nullptr) return;
  if (progress->state == ProgressState::kSnapshot) {
    OnReplyDuringSnapshot(*progress, reply);
  } else if (!reply.success) {
    OnRejected(*progress, reply);
  } else if (reply.match <= log_.last().index) {
    OnMatch(message.from, *progress, reply.match);
  }
}

void Core::OnMatch(NodeId peer, Progress& progress, Index match) {
  progress.in_flight.FreeUpTo(match);
  progress.waiting_since = now_;
  const bool is_news = match > progress.match;
  progress.match = std::max(progress.match, match);
  progress.next = std::max(progress.next, progress.match.Next());
  if (progress.state == ProgressState::kProbe && match.Next() >= progress.next) {
    progress.BecomeReplicate(now_);
  }
  if (is_news && peer == transfer_target_) SendTimeoutNow();
}

void Core::OnRejected(Progress& progress, const AppendReply& reply) {
  if (reply.hint.index > reply.rejected) return;
  if (progress.state == ProgressState::kReplicate) {
    // Usually a stale answer, if that is known to match: the probe will show it.
    progress.BecomeProbe(now_);  // Something on its way was lost.
    return;
  }
  if (reply.rejected != progress.next.Previous()) return;  // Of an earlier probe.
  // It has lost what it had acknowledged (or this is a late answer, which costs a probe), and what
  // it has instead need not be ours. Nothing that is committed is less so; what is not counts
  // without it.
  const bool is_lost = reply.rejected <= progress.match || reply.hint.index < progress.match;
  if (is_lost) progress.match = Index();
  const Index snapshot = log_.snapshot().index;
  // Where our own log may agree with what the follower has there: skips whole terms at a time.
  Index agreed = std::min(log_.LastAtMost(reply.hint).index, reply.rejected.Previous());
  // It has nothing that we still have: pointing before our log makes MaybeSend() start a snapshot.
  if (reply.hint.index < snapshot || reply.rejected <= snapshot) agreed = snapshot.Previous();
  progress.next = std::max(progress.match, agreed).Next();
  progress.is_probe_outstanding = false;
}

// To the question of SendSnapshotProbe(). A peer that is installing answers no appends.
void Core::OnReplyDuringSnapshot(Progress& progress, const AppendReply& reply) {
  const Index asked = log_.snapshot().index;
  if (reply.success && reply.match >= asked && reply.match <= log_.last().index) {
    progress.match = std::max(progress.match, reply.match);
    progress.BecomeProbe(now_);
  } else if (!reply.success && reply.rejected == asked && reply.hint.index < asked) {
    if (reply.hint.index < progress.match) progress.match = Index();
    progress.BecomeProbe(now_);
    progress.is_probe_outstanding = true;  // The next one leads to another snapshot.
  }
}

// Offers and answers get lost: whether the peer has what was offered, or has never heard of it.
void Core::SendSnapshotProbe(NodeId peer, Progress& progress) {
  progress.waiting_since = now_;
  SendNow(peer, AppendRequest{.previous = log_.snapshot(),
                              .commit = std::min(commit_, log_.snapshot().index)});
}

void Core::Handle(const Message& message, const HeartbeatReply& reply) {
  Progress* progress = Hear(message);
  if (progress == nullptr) return;
  progress->read_acked =
      std::max(progress->read_acked,
               IsMutant(19) ? read_sequence_ : std::min(reply.read_sequence, read_sequence_));
  // It answers, yet acknowledges nothing of what was sent: that was lost (etcd #14633).
  const std::uint64_t lost_after = kLostAfterHeartbeats * options_.heartbeat_interval.value();
  if (now_ - progress->waiting_since < lost_after) return;
  // The mutant takes a peer with much on its way for a busy one.
  if (IsMutant(31) && !progress->in_flight.empty()) return;
  if (progress->state == ProgressState::kReplicate && !progress->in_flight.empty()) {
    progress->BecomeProbe(now_);
  } else if (progress->state == ProgressState::kProbe) {
    progress->is_probe_outstanding = false;
    progress->waiting_since = now_;
  } else if (progress->state == ProgressState::kSnapshot &&
             now_ - progress->waiting_since >= options_.election_timeout.value()) {
    SendSnapshotProbe(message.from, *progress);
  }
}

bool Core::MayBeSentMore(const Progress& progress) const {
  const InFlight& in_flight = progress.in_flight;
  return in_flight.messages() < options_.in_flight_messages_max &&
         in_flight.bytes() < options_.in_flight_bytes_max &&
         in_flight.MessagesSentAt(now_) < options_.in_flight_per_tick_max;
}

void Core::MaybeSend(NodeId peer, Progress& progress) {
  if (progress.state == ProgressState::kSnapshot) return;
  // Also a snapshot that could not be sent is not tried again before the peer's next answer: what
  // stood in its way has not gone in the same instant.
  if (progress.state == ProgressState::kProbe && progress.is_probe_outstanding) return;
  if (!log_.TermAt(progress.next.Previous())) {
    StartSnapshot(peer, progress);
    return;
  }
  if (progress.state == ProgressState::kProbe) {
    SendAppend(peer, progress);
    progress.is_probe_outstanding = true;
    return;
  }
  while (progress.next <= log_.last().index && MayBeSentMore(progress)) SendAppend(peer, progress);
  // An idle follower learns of a commit at once: it may have somebody waiting for it. To a busy one
  // the next append says so, as soon as there is room for it.
  const bool is_idle = progress.next > log_.last().index;
  if (is_idle && std::min(commit_, progress.match) > progress.commit_sent) {
    SendHeartbeat(peer, progress);
  }
}

void Core::SendAppend(NodeId peer, Progress& progress) {
  const Index previous = progress.next.Previous();
  AppendRequest request{
      .previous = {.term = *log_.TermAt(previous), .index = previous},
      .commit = commit_,
      .entries = log_.Slice(progress.next, log_.last().index, options_.append_bytes_max)};
  // The other half of mutant 24: who only asks where the logs agree shows nothing.
  if (IsMutant(24) && progress.state == ProgressState::kProbe) request.entries.clear();
  const Index last = previous + request.entries.size();
  if (progress.state == ProgressState::kReplicate) {
    std::size_t bytes = 0;
    for (const EntryRef& entry : request.entries) bytes += entry.size_bytes();
    if (progress.in_flight.empty()) progress.waiting_since = now_;
    progress.in_flight.Add(last, bytes, now_);
    progress.next = last.Next();
  }
  progress.commit_sent = std::max(progress.commit_sent, std::min(commit_, last));
  SendNow(peer, std::move(request));
}

void Core::SendHeartbeat(NodeId peer, Progress& progress) {
  const Index commit = std::min(commit_, progress.match);
  progress.commit_sent = std::max(progress.commit_sent, commit);
  SendNow(peer, Heartbeat{.commit = commit, .read_sequence = read_sequence_});
}

void Core::BroadcastHeartbeat() {
  for (auto& [id, progress] : peers_) SendHeartbeat(id, progress);
}

void Core::TickLeader() {
  TickTransfer();
  // CheckQuorum, by answers and not by what was sent (openraft #2080).
  const auto answers = [this](NodeId id) {
    if (id == options_.id) return true;
    const auto found = peers_.find(id);
    if (found == peers_.end()) return false;
    const std::uint64_t silent = now_ - found->second.last_heard;
    // 128 ticks do to 8 bits what 25 days of milliseconds do to 32 (NuRaft 92fce2f).
    if (IsMutant(36) && static_cast<std::int8_t>(silent) < 0) return true;
    return silent < options_.election_timeout.value();
  };
  const auto is_answering = [&answers](const auto& peer) { return answers(peer.first); };
  const bool is_kept_by_one = IsMutant(29) && std::ranges::any_of(peers_, is_answering);
  if (!HasQuorum(log_.configuration(), answers) && !is_kept_by_one) {
    BecomeFollower(term_, NodeId());
    return;
  }
  if (now_ < heartbeat_at_) return;
  heartbeat_at_ = now_ + options_.heartbeat_interval.value();
  BroadcastHeartbeat();
  MaybePinIncarnations();
}

bool Core::HasCommittedInTerm() const { return log_.TermAt(commit_) == std::optional(term_); }

// As far as it is durable, like everybody's, also where nobody else has a vote (etcd #14370).
Index Core::OwnMatch() const {
  const bool is_alone = !log_.configuration().IsJoint() && log_.configuration().voters.size() == 1;
  return IsMutant(14) && is_alone ? log_.last().index : durable_;
}

Index Core::AgreedIndex(Index own) const {
  const auto match = [this, own](NodeId id) {
    if (id == options_.id) return own;
    const auto found = peers_.find(id);
    return found == peers_.end() ? Index() : found->second.match;
  };
  return QuorumValue<Index>(log_.configuration(), match);
}

// Only entries of the own term are committed by counting (Raft paper 5.4.2, logcabin #44).
void Core::MaybeCommit() {
  const Index agreed = AgreedIndex(OwnMatch());
  const bool is_of_term = log_.TermAt(agreed) == std::optional(term_);
  if (agreed > commit_ && (is_of_term || IsMutant(1))) AdvanceCommit(agreed);
}

}  // namespace coterie::raft
