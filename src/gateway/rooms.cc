#include "gateway/rooms.h"

#include <absl/time/clock.h>

#include <random>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/overload.h"
#include "gateway/guest_entry.h"
#include "gateway/limits.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {
namespace {

constexpr absl::Duration kTickEvery = absl::Milliseconds(250);
constexpr std::uint64_t kLeaseMs = 10'000;

rpc::Call CallOf(const rpc::Caller& caller) {
  return {.caller = caller, .deadline = absl::Now() + kOpenTimeout, .authorization = {}};
}

std::uint64_t RandomSeed() {
  std::random_device device;
  const std::uint64_t high = device();
  return ((high << 32) | device()) | 1;
}

bool IsAboutSuggestions(const state::Event& event) {
  return std::holds_alternative<state::SuggestionsAdded>(event.body) ||
         std::holds_alternative<state::SuggestionResolved>(event.body);
}

}  // namespace

Rooms::Rooms(const rpc::NodeCalls& calls, std::vector<Shard*> shards, Counters& counters,
             std::size_t event_bytes_max)
    : calls_(calls),
      shards_(std::move(shards)),
      counters_(counters),
      event_bytes_max_(event_bytes_max),
      directory_(std::make_shared<RoomDirectory>()),
      lags_(shards_.size()),
      rooms_(shards_.size()),
      random_(RandomSeed()) {
  CHECK(!shards_.empty());
}

std::size_t Rooms::ShardOf(DocId doc) const {
  return (doc.value() * 0x9e37'79b9'7f4a'7c15 >> 32) % shards_.size();
}

Room* Rooms::FindRoom(DocId doc) {
  RoomMap& rooms = rooms_[ShardOf(doc)];
  const auto found = rooms.find(doc);
  return found == rooms.end() ? nullptr : found->second.get();
}

ClientId Rooms::RandomClient() {
  absl::MutexLock lock(&random_mutex_);
  return ClientId(random_.Next() | 1);
}

void Rooms::Start() {
  listener_ =
      calls_.node().Subscribe([this](const state::EventBatch& batch, const state::Machine& state) {
        Listen(batch, state);
      });
  calls_.node().OnGossip([this](NodeId from, std::string_view bytes) { OnGossip(from, bytes); });
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    shards_[shard]->PostAfter(kTickEvery, [this, shard] { Tick(shard); });
  }
}

void Rooms::Stop() {
  if (is_stopped_.exchange(true) || listener_ == 0) return;
  calls_.node().OnGossip(nullptr);
  calls_.node().Unsubscribe(listener_);
}

void Rooms::CloseAll(CloseCode code, const std::string& reason) {
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    shards_[shard]->Post([this, shard, code, reason] {
      for (const auto& [doc, room] : rooms_[shard]) room->CloseAll(code, reason);
    });
  }
}

// --- Opening ---

void Rooms::Open(const rpc::Caller& caller, const std::string& name, IfMissing if_missing,
                 Done done) {
  Attach(caller);
  Resolve(caller, name, if_missing, std::move(done));
}

// Whoever edits is present, for as long as a socket of the session is open somewhere.
void Rooms::Attach(const rpc::Caller& caller) {
  if (calls_.node().HasStreams(caller.session)) return;
  calls_.Propose(CallOf(caller), {}, state::Attach{.lease_ms = kLeaseMs},
                 [](const absl::StatusOr<state::Outcome>&) {});
}

void Rooms::Resolve(const rpc::Caller& caller, const std::string& name, IfMissing if_missing,
                    Done done) {
  v1::DocumentRef ref;
  ref.set_name(name);
  calls_.Ask<Opened>(
      CallOf(caller), node::Consistency::kLinearizable,
      [caller, ref, directory = directory_](const state::Machine& state) -> absl::StatusOr<Opened> {
        const absl::StatusOr<DocId> doc = rpc::FindVisible(state, caller, ref);
        if (!doc.ok()) return doc.status();
        return Opened{.doc = *doc,
                      .role = state.RoleOf(caller.user, *doc),
                      .revision = state.applied().index,
                      .entry = directory->Enter(*doc, caller.user)};
      },
      [this, caller, name, if_missing, done = std::move(done)](absl::StatusOr<Opened> opened) {
        const bool creates = if_missing == IfMissing::kCreate && absl::IsNotFound(opened.status());
        if (!creates) return done(std::move(opened));
        Create(caller, name, done);
      });
}

void Rooms::Create(const rpc::Caller& caller, const std::string& name, Done done) {
  calls_.Propose(
      CallOf(caller), {}, state::CreateDocument{.name = name, .text = {}},
      [this, caller, name, done = std::move(done)](const absl::StatusOr<state::Outcome>& outcome) {
        // Somebody else may have made it meanwhile, or keeps it hidden.
        if (!outcome.ok() && !absl::IsAlreadyExists(outcome.status())) {
          return done(outcome.status());
        }
        Resolve(caller, name, IfMissing::kFail, done);
      });
}

void Rooms::Join(DocId doc, Room::MemberOptions member) {
  const std::size_t shard = ShardOf(doc);
  shards_[shard]->Post([this, doc, shard, member = std::move(member)]() mutable {
    std::shared_ptr<Room>& room = rooms_[shard][doc];
    if (room == nullptr) {
      room = std::make_shared<Room>(Room::Options{.node = calls_.node(),
                                                  .shard = *shards_[shard],
                                                  .counters = counters_,
                                                  .rates = calls_.rates(),
                                                  .lag = lags_[shard],
                                                  .doc = doc,
                                                  .directory = directory_,
                                                  .entry = directory_->Enter(doc, {})});
    }
    room->Join(std::move(member));
  });
}

void Rooms::With(DocId doc, std::function<void(Room&)> work) {
  shards_[ShardOf(doc)]->Post([this, doc, work = std::move(work)] {
    if (Room* room = FindRoom(doc)) work(*room);
  });
}

// --- Events ---

void Rooms::Listen(const state::EventBatch& batch, const state::Machine& state) {
  if (batch.events.empty()) {  // The state jumped: anything may have changed.
    for (const DocId doc : directory_->Documents()) {
      TellRoles(doc, state);
      With(doc, [revision = batch.revision](Room& room) {
        room.Jumped();
        room.SuggestionsChanged(revision);
        room.DraftsChanged(revision);
      });
    }
    for (const SessionId session : calls_.node().LeftWithStreams(state)) JoinAgain(session);
    return;
  }
  std::set<DocId> suggested;
  for (const state::Event& event : batch.events) {
    Hear(batch, event, state);
    if (IsAboutSuggestions(event)) suggested.insert(state::DocumentOf(event));
  }
  for (const DocId doc : suggested) {
    if (!directory_->Contains(doc)) continue;
    With(doc, [revision = batch.revision](Room& room) { room.SuggestionsChanged(revision); });
  }
}

// A session that was thought gone, and is not.
void Rooms::JoinAgain(SessionId session) {
  calls_.Propose(CallOf({.session = session}), {}, state::Attach{.lease_ms = kLeaseMs},
                 [](const absl::StatusOr<state::Outcome>&) {});
}

void Rooms::TellRoles(DocId doc, const state::Machine& state) {
  With(doc, [revision = state.applied().index, roles = RolesIn(*directory_, doc, state)](
                Room& room) { room.SetRoles(revision, roles); });
}

void Rooms::Hear(const state::EventBatch& batch, const state::Event& event,
                 const state::Machine& state) {
  if (const auto* left = std::get_if<state::Left>(&event.body)) {
    const bool has_ended = left->reason == state::LeaveReason::kLoggedOut;
    if (!has_ended && calls_.node().HasStreams(left->session)) JoinAgain(left->session);
    return;
  }
  const DocId doc = state::DocumentOf(event);
  if (doc.IsNone() || !directory_->Contains(doc)) return;
  if (const std::string* user = state::DraftUserOf(event)) {
    return With(doc, [revision = batch.revision, user = *user](Room& room) {
      room.DraftChanged(revision, user);
    });
  }
  std::visit(Overload{[&](const state::DocumentChanged& changed) {
                        const std::size_t bytes = changed.update.size() + 256;
                        if (event_bytes_.load() + bytes > event_bytes_max_)
                          return has_lost_.store(true);
                        event_bytes_.fetch_add(bytes);
                        Room::Changed news{.revision = batch.revision,
                                           .previous = changed.previous,
                                           .update = Blob(changed.update),
                                           .heard_at = rpc::SteadyNow()};
                        shards_[ShardOf(doc)]->Post([this, doc, bytes, news = std::move(news)] {
                          event_bytes_.fetch_sub(bytes);
                          if (Room* room = FindRoom(doc)) room->Handle(news);
                        });
                      },
                      [&](const state::DocumentLocked& locked) {
                        With(doc, [lock = locked.lock](Room& room) { room.SetLock(lock); });
                      },
                      [&](const state::DocumentUnlocked&) {
                        With(doc, [](Room& room) { room.SetLock(std::nullopt); });
                      },
                      [&](const state::DocumentShared&) { TellRoles(doc, state); },
                      [&](const state::DocumentRenamed& renamed) {
                        With(doc, [name = renamed.name](Room& room) { room.Renamed(name); });
                      },
                      [&](const state::DocumentDeleted&) {
                        With(doc, [](Room& room) { room.Deleted(); });
                      },
                      [](const auto&) {}},
             event.body);
}

void Rooms::OnGossip(NodeId from, std::string_view bytes) {
  RoomGossip gossip;
  if (!DecodeGossip(bytes, gossip) || !directory_->Contains(gossip.doc)) return;
  if (gossip_on_its_way_.fetch_add(1) >= kGossipOnItsWayMax) {
    gossip_on_its_way_.fetch_sub(1);
    return;
  }
  counters_.gossip_received.Add();
  const DocId doc = gossip.doc;
  shards_[ShardOf(doc)]->Post([this, from, gossip = std::move(gossip)] {
    gossip_on_its_way_.fetch_sub(1);
    if (Room* room = FindRoom(gossip.doc)) room->Receive(from, gossip);
  });
}

void Rooms::Show(const rpc::Guest& guest) {
  const std::optional<yproto::AwarenessEntry> entry =
      EntryOf(guest, static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now())));
  if (!entry) return;
  const yproto::AwarenessTable::Owned owned{.session = guest.session, .entry = *entry};
  shards_[ShardOf(guest.doc)]->Post([this, doc = guest.doc, owned] {
    if (Room* room = FindRoom(doc)) return room->ShowGuest(owned);
    for (const std::string& piece : EncodeGossip({.doc = doc, .entries = {owned}})) {
      calls_.node().SendGossip(piece);
    }
  });
}

void Rooms::Tick(std::size_t shard) {
  if (is_stopped_.load()) return;
  const absl::Time now = rpc::SteadyNow();
  if (shard == 0 && has_lost_.exchange(false)) {
    for (const DocId doc : directory_->Documents()) With(doc, [](Room& room) { room.Jumped(); });
  }
  RoomMap& rooms = rooms_[shard];
  for (auto it = rooms.begin(); it != rooms.end();) {
    it->second->Tick(now);
    it = it->second->IsIdle(now) ? rooms.erase(it) : std::next(it);
  }
  shards_[shard]->PostAfter(kTickEvery, [this, shard] { Tick(shard); });
}

}  // namespace coterie::gateway
