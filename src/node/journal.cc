#include "node/journal.h"

#include <algorithm>
#include <utility>

namespace coterie::node {
namespace {

// Who finds no majority asks again and again in the same term. Once is enough.
constexpr std::ptrdiff_t kLookedBackMax = 32;

}  // namespace

Journal::Lane* Journal::LaneOf(NodeId peer) {
  for (Lane& lane : lanes_) {
    std::uint64_t owner = lane.peer.load(std::memory_order_relaxed);
    if (owner == peer.value()) return &lane;
    if (owner != 0) continue;
    if (lane.peer.compare_exchange_strong(owner, peer.value()) || owner == peer.value()) {
      return &lane;
    }
  }
  return nullptr;
}

void Journal::Add(Term term, HappeningBody body, Repeated repeated) {
  {
    absl::MutexLock lock(&mutex_);
    const auto begin =
        happenings_.end() - std::min<std::ptrdiff_t>(std::ssize(happenings_), kLookedBackMax);
    const auto is_same = [&](const Happening& earlier) {
      return earlier.term == term && earlier.body == body;
    };
    if (repeated == Repeated::kDropped && std::any_of(begin, happenings_.end(), is_same)) return;
    if (happenings_.size() == kHappeningsMax) happenings_.pop_front();
    happenings_.push_back({.number = ++last_number_,
                           .time_ms = clock_.WallTimeMs(),
                           .term = term,
                           .body = std::move(body)});
  }
  absl::MutexLock lock(&listener_mutex_);
  if (listener_) listener_();
}

std::uint64_t Journal::SilentUs(const Lane& lane) const {
  const std::uint64_t now_us = clock_.NowMicros();
  const std::uint64_t heard_us = lane.heard_us.load(std::memory_order_relaxed);
  return now_us > heard_us ? now_us - heard_us : 0;
}

void Journal::NoteOffice(const raft::RoleChange& change) {
  office_since_us_.store(clock_.NowMicros());
  const NodeId before(leader_.exchange(change.leader.value()));
  OfficeChanged office{.role = change.role, .leader = change.leader};
  if (!before.IsNone() && before != self_ && before != change.leader) {
    if (const Lane* lane = LaneOf(before)) office.silent_ms = SilentUs(*lane) / 1'000;
  }
  if (change.role != raft::Role::kLeader) {
    absl::MutexLock lock(&mutex_);
    contacts_.clear();
  }
  Add(change.term, office, Repeated::kKept);
}

void Journal::NoteSent(const raft::Message& message) {
  if (std::holds_alternative<raft::AppendRequest>(message.body)) {
    if (Lane* lane = LaneOf(message.to)) {
      lane->appends_sent.fetch_add(1, std::memory_order_relaxed);
    }
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    Add(message.term, VoteAsked{.kind = request->kind}, Repeated::kDropped);
  } else if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    Add(message.term,
        VoteAnswered{.kind = reply->kind,
                     .candidate = message.to,
                     .voter = self_,
                     .is_granted = reply->granted},
        Repeated::kDropped);
  }
}

void Journal::NoteReceived(const raft::Message& message) {
  if (const auto* answer = std::get_if<raft::AppendReply>(&message.body)) {
    Lane* lane = answer->success ? LaneOf(message.from) : nullptr;
    if (lane != nullptr) lane->appends_acknowledged.fetch_add(1, std::memory_order_relaxed);
  } else if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    Add(message.term,
        VoteAnswered{.kind = reply->kind,
                     .candidate = self_,
                     .voter = message.from,
                     .is_granted = reply->granted},
        Repeated::kDropped);
  }
}

void Journal::NoteFrame(NodeId peer) {
  if (Lane* lane = LaneOf(peer)) {
    lane->heard_us.store(clock_.NowMicros(), std::memory_order_relaxed);
  }
}

void Journal::NoteContacts(const std::vector<raft::Core::PeerStatus>& peers, Term term) {
  std::vector<ContactChanged> changes;
  {
    absl::MutexLock lock(&mutex_);
    for (const raft::Core::PeerStatus& peer : peers) {
      // A new leader takes everybody for there.
      bool& was_heard = contacts_.try_emplace(peer.id, true).first->second;
      if (std::exchange(was_heard, peer.recently_active) != peer.recently_active) {
        changes.push_back({.peer = peer.id, .is_heard = peer.recently_active});
      }
    }
  }
  for (const ContactChanged& change : changes) Add(term, change, Repeated::kKept);
}

void Journal::NoteCommitted(std::span<const raft::EntryRef> entries) {
  if (entries.empty()) return;
  absl::MutexLock lock(&mutex_);
  if (!terms_.empty() && terms_.back().term >= entries.back().term) return;
  for (const raft::EntryRef& entry : entries) {
    if (!terms_.empty() && terms_.back().term >= entry.term) continue;
    terms_.push_back(entry.position());
    if (terms_.size() > kTermsMax) terms_.pop_front();
  }
}

void Journal::NoteJump(raft::LogPosition position) {
  absl::MutexLock lock(&mutex_);
  terms_.clear();
  terms_.push_back(position);
}

std::vector<Happening> Journal::After(std::uint64_t number) const {
  absl::MutexLock lock(&mutex_);
  const auto first = std::find_if(happenings_.begin(), happenings_.end(),
                                  [number](const Happening& each) { return each.number > number; });
  return {first, happenings_.end()};
}

std::vector<Journal::Traffic> Journal::traffic() const {
  std::vector<Traffic> all;
  for (const Lane& lane : lanes_) {
    const NodeId peer(lane.peer.load(std::memory_order_relaxed));
    if (peer.IsNone()) break;
    all.push_back(
        {.peer = peer,
         .appends_sent = lane.appends_sent.load(std::memory_order_relaxed),
         .appends_acknowledged = lane.appends_acknowledged.load(std::memory_order_relaxed),
         .silent_us = SilentUs(lane)});
  }
  return all;
}

std::uint64_t Journal::office_age_us() const {
  const std::uint64_t now_us = clock_.NowMicros();
  const std::uint64_t since_us = office_since_us_.load();
  return now_us > since_us ? now_us - since_us : 0;
}

Term Journal::TermAt(Index index) const {
  absl::MutexLock lock(&mutex_);
  const auto next =
      std::find_if(terms_.begin(), terms_.end(),
                   [index](const raft::LogPosition& position) { return position.index > index; });
  return next == terms_.begin() ? Term() : std::prev(next)->term;
}

void Journal::OnHappening(std::function<void()> listener) {
  absl::MutexLock lock(&listener_mutex_);
  listener_ = std::move(listener);
}

}  // namespace coterie::node
