// Who is in the document and where; and what time does to a room.

#include <algorithm>

#include "gateway/room.h"
#include "rpc/steady_time.h"
#include "yproto/awareness_state.h"

namespace coterie::gateway {
namespace {

// At most so often; what changes in between goes together.
constexpr absl::Duration kFlushEvery = absl::Milliseconds(50);
// Above the ids of all sockets.
constexpr std::uint64_t kGuestMembers = 1ull << 63;
constexpr absl::Duration kAnnounceEvery = absl::Seconds(10);

std::uint64_t ToMs(absl::Time now) { return static_cast<std::uint64_t>(absl::ToUnixMillis(now)); }
std::uint64_t NowMs() { return ToMs(rpc::SteadyNow()); }

}  // namespace

void Room::OnAwareness(std::uint64_t id, std::string update) {
  Member* member = Find(id);
  if (member == nullptr) return;
  std::vector<yproto::AwarenessEntry> entries;
  if (const crdt::Malformed malformed = yproto::DecodeAwareness(update, entries)) {
    return Fail(*member, "the awareness update is malformed: " + std::string(malformed.reason));
  }
  // Providers repeat what they hear of others; a state that is none is dropped the same way.
  const yproto::AwarenessOwner owner{
      .member = id, .session = member->options.caller.session, .user = member->options.caller.user};
  std::vector<yproto::AwarenessEntry> clean;
  for (yproto::AwarenessEntry& entry : entries) {
    if (entry.client.value() == kStatusClient) continue;
    const std::optional<yproto::AwarenessOwner> holder = awareness_.OwnerOf(entry.client);
    if (holder && !yproto::AreOfOne(*holder, owner)) continue;
    if (!entry.is_gone()) {
      std::string state;
      if (yproto::CleanState(entry.state, member->options.caller.user, state)) continue;
      entry.state = std::move(state);
    }
    clean.push_back(std::move(entry));
  }
  Spread(owner, awareness_.Apply(owner, std::move(clean), NowMs()));
}

// All of it is up to megabytes, for a question of one byte: as with state vectors, who asks faster
// than it makes sense waits, and one answer is for all that was asked meanwhile.
void Room::OnQueryAwareness(std::uint64_t id) {
  Member* member = Find(id);
  if (member == nullptr) return;
  member->wants_awareness = true;
  SendAwarenessIfDue(*member, rpc::SteadyNow());
}

void Room::SendAwarenessIfDue(Member& member, absl::Time now) {
  if (!member.wants_awareness || now < member.awareness_sent_at + kAnswerEvery) return;
  member.wants_awareness = false;
  member.awareness_sent_at = now;
  const std::vector<yproto::AwarenessEntry> all = awareness_.All();
  if (all.empty()) return;
  options_.counters.awareness_answers.Add();
  SendTo(member, Blob(yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate(all))));
}

void Room::Receive(NodeId from, const RoomGossip& gossip) {
  if (gossip.kind == RoomGossip::Kind::kQuestion) {
    announced_at_ = absl::InfinitePast();  // The next tick tells everything.
    return Tick(rpc::SteadyNow());
  }
  for (const yproto::AwarenessTable::Owned& owned : gossip.entries) {
    const std::optional<state::SessionView> session = options_.node.sessions().Find(owned.session);
    const yproto::AwarenessOwner owner{
        .node = from, .session = owned.session, .user = session ? session->user : ""};
    for (yproto::AwarenessEntry& entry : awareness_.Apply(owner, {owned.entry}, NowMs())) {
      unsent_[entry.client] = std::move(entry);
    }
  }
  if (!unsent_.empty()) ScheduleFlush();
}

// As a member that has no socket. Its client id is its own, so that it can be no member's.
void Room::ShowGuest(const yproto::AwarenessTable::Owned& guest) {
  const yproto::AwarenessOwner owner{
      .member = kGuestMembers + guest.entry.client.value(), .session = guest.session, .user = {}};
  Spread(owner, awareness_.Apply(owner, {guest.entry}, NowMs()));
}

void Room::Spread(const yproto::AwarenessOwner& owner,
                  std::vector<yproto::AwarenessEntry> entries) {
  if (entries.empty()) return;
  for (yproto::AwarenessEntry& entry : entries) {
    ungossiped_[entry.client] = {.session = owner.session, .entry = entry};
    unsent_[entry.client] = std::move(entry);
  }
  ScheduleFlush();
}

void Room::ScheduleFlush() {
  if (is_flush_scheduled_) return;
  const absl::Duration since = rpc::SteadyNow() - flushed_at_;
  if (since >= kFlushEvery) return Flush();
  is_flush_scheduled_ = true;
  options_.shard.PostAfter(kFlushEvery - since, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Flush();
  });
}

void Room::Flush() {
  is_flush_scheduled_ = false;
  flushed_at_ = rpc::SteadyNow();
  std::vector<yproto::AwarenessEntry> entries;
  for (auto& [client, entry] : unsent_) entries.push_back(std::move(entry));
  unsent_.clear();
  if (!entries.empty() && !members_.empty()) {
    Publish(Blob(yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate(entries))));
  }
  if (ungossiped_.empty()) return;
  RoomGossip gossip{.doc = options_.doc};
  for (auto& [client, owned] : ungossiped_) gossip.entries.push_back(std::move(owned));
  ungossiped_.clear();
  SendGossip(std::move(gossip));
}

void Room::SendGossip(RoomGossip gossip) {
  for (const std::string& piece : EncodeGossip(gossip)) {
    options_.counters.gossip_sent.Add();
    options_.node.SendGossip(piece);
  }
}

void Room::Tick(absl::Time now) {
  AnswerWaiting(now);
  for (auto& [id, member] : members_) SendAwarenessIfDue(member, now);
  std::vector<std::uint64_t> dead;
  for (const auto& [id, member] : members_) {
    if (!options_.node.sessions().Find(member.options.caller.session)) dead.push_back(id);
  }
  for (const std::uint64_t id : dead) {
    Expel(id, CloseCode::kUnauthenticated, "the session is over: log in again");
  }
  std::vector<yproto::AwarenessEntry> gone = awareness_.Expire(ToMs(now));
  for (yproto::AwarenessEntry& entry : gone) unsent_[entry.client] = std::move(entry);
  if (!unsent_.empty()) ScheduleFlush();
  if (now >= announced_at_ + kAnnounceEvery) {
    announced_at_ = now;
    RoomGossip gossip{.doc = options_.doc, .entries = awareness_.Local()};
    if (!gossip.entries.empty()) SendGossip(std::move(gossip));
  }
  // Clients forget a state that nobody renews.
  if (now >= status_told_at_ + kAnnounceEvery) {
    status_told_at_ = now;
    ++status_clock_;
    for (const auto& [id, member] : members_) {
      const bool is_plain = MayWrite(member) && !lock_;
      if (member.options.protocol == Protocol::kYWebsocket && !is_plain) {
        SendTo(member, StatusFor(member));
      }
    }
  }
}

}  // namespace coterie::gateway
