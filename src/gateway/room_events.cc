// What comes out of the log, and who may write by it.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include "base/check.h"
#include "gateway/room.h"
#include "rpc/steady_time.h"
#include "yproto/awareness_state.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {
namespace {

constexpr absl::Duration kLoadTimeout = absl::Seconds(10);

}  // namespace

Room::Roles RolesIn(const RoomDirectory& directory, DocId doc, const state::Machine& state) {
  Room::Roles roles;
  for (std::string& user : directory.UsersOf(doc)) {
    const state::DocumentRole role = state.RoleOf(user, doc);
    roles.emplace_back(std::move(user), role);
  }
  return roles;
}

// The answer is posted by the apply thread, as all events are: what was posted before it is in it,
// what is posted after it is not.
void Room::Load() {
  if (std::exchange(is_loading_, true)) return;
  auto loaded = std::make_shared<Loaded>();
  options_.node.Read(
      node::Consistency::kStale, absl::Now() + kLoadTimeout,
      [loaded, doc = options_.doc, directory = options_.directory](const state::Machine& state) {
        const std::optional<state::DocumentView> document = state.FindDocument(doc);
        if (!document) return;
        std::optional<std::string> update = state.UpdateAt(doc, Revision(), {});
        if (!update) return;
        loaded->is_there = true;
        loaded->update = Blob(*std::move(update));
        loaded->revision = document->revision;
        loaded->name = document->name;
        loaded->lock = document->lock;
        loaded->applied = state.applied().index;
        loaded->roles = RolesIn(*directory, doc, state);
      },
      [weak = weak_from_this(), loaded,
       shard = &options_.shard](const absl::StatusOr<Revision>& /*read*/) {
        shard->Post([weak, loaded] {
          if (const auto self = weak.lock()) self->OnLoaded(*loaded);
        });
      });
}

void Room::OnLoaded(const Loaded& loaded) {
  is_loading_ = false;
  if (!loaded.is_there || !content_.Load(loaded.revision, loaded.update.view())) {
    return CloseAll(CloseCode::kTryAgain, "the document cannot be read here; try again");
  }
  const auto token_of = [](const std::optional<state::LockView>& lock) {
    return lock ? lock->token : FencingToken();
  };
  SetRoles(loaded.applied, loaded.roles);
  if (token_of(lock_) != token_of(loaded.lock)) SetLock(loaded.lock);
  if (std::exchange(has_jumped_, false)) {
    if (name_ != loaded.name) Renamed(loaded.name);
    Publish(Blob(yproto::EncodeSync(yproto::SyncStep::kUpdate, loaded.update.view())));
  }
  name_ = loaded.name;
  AnswerWaiting(rpc::SteadyNow());
}

void Room::Handle(const Changed& changed) {
  CHECK(options_.shard.IsCurrent());
  if (!content_.is_loaded() || changed.revision <= content_.revision()) return;
  if (changed.previous != content_.revision()) return Jumped();
  // What waits for updates that are not there yet is no news for anybody.
  if (changed.update.empty()) return content_.Advance(changed.revision);
  content_.Learn(changed.revision, changed.update.view());
  unpublished_.push_back(changed.update);
  unpublished_bytes_ += changed.update.size_bytes();
  SchedulePublish(changed.heard_at);
}

void Room::Jumped() {
  has_jumped_ = true;
  Load();  // One that is on its way has all that was applied before this was posted, too.
}

// Who shows them lists them anew.
void Room::SuggestionsChanged(Revision revision) {
  Notify(absl::StrCat("{\"suggestions\":\"", revision.value(), "\"}"));
}

// Its members keep it under the name that they opened it by, until they open it again.
void Room::Renamed(const std::string& name) {
  name_ = name;
  Notify(absl::StrCat("{\"name\":", yproto::QuoteJson(name), "}"));
}

// Stock editors pass such a message on to who asks for it.
void Room::Notify(const std::string& json) {
  const Blob notice(yproto::EncodeStateless(json));
  for (const auto& [id, member] : members_) {
    if (member.options.protocol == Protocol::kHocuspocus) SendTo(member, notice);
  }
}

void Room::Deleted() { CloseAll(CloseCode::kGone, "the document was deleted"); }

void Room::SetLock(const std::optional<state::LockView>& lock) {
  PublishChanges();  // They were before it.
  lock_ = lock;
  ++status_clock_;
  for (auto& [id, member] : members_) TellRights(member);
}

void Room::SetRoles(Revision revision, const Roles& roles) {
  PublishChanges();
  std::vector<std::uint64_t> expelled;
  for (const auto& [user, role] : roles) roles_[user] = {revision, role};
  for (auto& [id, member] : members_) {
    const auto told = roles_.find(member.options.caller.user);
    if (told == roles_.end() || told->second.first < member.options.revision) continue;
    member.options.revision = told->second.first;
    member.options.role = told->second.second;
    if (member.options.role == state::DocumentRole::kNone) expelled.push_back(id);
  }
  for (const std::uint64_t id : expelled) {
    Expel(id, CloseCode::kForbidden, "you may not see this document any more");
  }
  RefreshRights();
}

bool Room::MayWrite(const Member& member) const {
  if (member.options.role < state::DocumentRole::kEditor) return false;
  return !lock_ || lock_->session == member.options.caller.session;
}

std::string Room::WhyReadOnly(const Member& member) const {
  if (member.options.role < state::DocumentRole::kEditor) return "you may only read this document";
  return "the document is locked by " + (lock_ ? lock_->holder : std::string("somebody"));
}

std::string Room::LockJson() const {
  if (!lock_) return "null";
  return "{\"holder\":" + yproto::QuoteJson(lock_->holder) +
         ",\"until\":" + std::to_string(lock_->expires_at_ms) + "}";
}

void Room::RefreshRights() {
  ++status_clock_;
  for (auto& [id, member] : members_) {
    if (MayWrite(member) != member.is_writable) TellRights(member);
  }
}

Blob Room::StatusFor(const Member& member) const {
  const bool is_plain = MayWrite(member) && !lock_;
  const std::string state =
      is_plain ? "null"
               : "{\"coterie\":{\"readOnly\":" + std::string(MayWrite(member) ? "false" : "true") +
                     ",\"lock\":" + LockJson() + "}}";
  return Blob(yproto::EncodeAwareness(yproto::EncodeAwarenessUpdate(
      {{.client = crdt::Client(kStatusClient), .clock = status_clock_, .state = state}})));
}

// Whether it may write now, in the terms of its protocol; and if it has what we refused, we ask for
// it again.
void Room::TellRights(Member& member) {
  const bool was_writable = std::exchange(member.is_writable, MayWrite(member));
  if (member.options.protocol == Protocol::kYWebsocket) {
    SendTo(member, StatusFor(member));
  } else {
    if (was_writable != member.is_writable) {
      SendTo(member,
             Blob(yproto::EncodeAuthenticated(member.is_writable ? yproto::Scope::kReadWrite
                                                                 : yproto::Scope::kReadOnly)));
    }
    SendTo(member, Blob(yproto::EncodeStateless("{\"lock\":" + LockJson() + "}")));
  }
  MaybeAskAgain(member);
}

}  // namespace coterie::gateway
