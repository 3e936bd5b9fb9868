// Members: who they are, what they send, what they are answered.

#include "gateway/room.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "base/check.h"
#include "crdt/split.h"
#include "crdt/update_view.h"
#include "gateway/limits.h"
#include "rpc/steady_time.h"
#include "state/command.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {
namespace {

constexpr absl::Duration kReadTimeout = absl::Seconds(10);
// Between two messages that tell a y-websocket client that it may not write.
constexpr absl::Duration kDeniedEvery = absl::Seconds(2);
constexpr std::string_view kEmptyUpdate("\0\0", 2);
// Differences that the apply thread computes for one room at once.
constexpr std::size_t kAnswersReadMax = 4;

}  // namespace

Room::Room(const Options& options)
    : options_(options),
      joint_(std::make_shared<JointProposals>(JointProposals::Options{.node = options.node,
                                                                      .shard = options.shard,
                                                                      .counters = options.counters,
                                                                      .lag = options.lag,
                                                                      .doc = options.doc})),
      emptied_at_(rpc::SteadyNow()) {
  options_.counters.rooms.Add(1);
}

Room::~Room() {
  options_.counters.rooms.Add(-1);
  options_.counters.members.Add(-static_cast<std::int64_t>(members_.size()));
}

Room::Member* Room::Find(std::uint64_t id) {
  CHECK(options_.shard.IsCurrent());
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

void Room::Join(MemberOptions joining) {
  CHECK(options_.shard.IsCurrent());
  const std::uint64_t id = joining.id;
  if (members_.size() >= kMembersPerRoomMax) {
    joining.socket->shard().Post([socket = joining.socket] {
      socket->Close(CloseCode::kTryAgain, "too many have this document open on this node");
    });
    return;
  }
  Member& member = members_[id];
  member.options = std::move(joining);
  member.writer = std::make_shared<RoomWriter>(
      RoomWriter::Options{.node = options_.node,
                          .shard = options_.shard,
                          .counters = options_.counters,
                          .joint = joint_,
                          .doc = options_.doc,
                          .caller = member.options.caller,
                          .rates = options_.rates,
                          .client = member.options.client},
      [weak = weak_from_this(), id](const RoomWriter::Settled& settled) {
        if (const auto self = weak.lock()) self->OnSettled(id, settled);
      });
  are_targets_stale_ = true;
  options_.counters.members.Add(1);
  const SessionId session = member.options.caller.session;
  options_.node.StreamOpened(session);
  const auto told = roles_.find(member.options.caller.user);
  if (told != roles_.end() && told->second.first > member.options.revision) {
    member.options.role = told->second.second;
    if (member.options.role == state::DocumentRole::kNone) {
      return Expel(id, CloseCode::kForbidden, "you may not see this document any more");
    }
  }
  options_.node.SetActivity(
      {.session = session, .activity = node::Activity::kViewing, .doc = options_.doc});
  if (member.options.protocol == Protocol::kHocuspocus) {
    member.is_writable = MayWrite(member);
    SendTo(member, Blob(yproto::EncodeAuthenticated(
                       member.is_writable ? yproto::Scope::kReadWrite : yproto::Scope::kReadOnly)));
  }
  OnQueryAwareness(id);
  if (members_.size() == 1) SendGossip({.kind = RoomGossip::Kind::kQuestion, .doc = options_.doc});
  if (!content_.is_loaded()) return Load();
  if (lock_ || !MayWrite(member)) TellRights(member);
}

void Room::Leave(std::uint64_t id) {
  if (Find(id) != nullptr) Forget(id);
}

void Room::Forget(std::uint64_t id) {
  const auto found = members_.find(id);
  CHECK(found != members_.end());
  found->second.writer->Abandon();
  options_.node.StreamClosed(found->second.options.caller.session);
  const yproto::AwarenessOwner owner{.member = id,
                                     .session = found->second.options.caller.session,
                                     .user = found->second.options.caller.user};
  members_.erase(found);
  // Not with the next message only: who has gone must not keep a place, and there may be none.
  targets_.clear();
  are_targets_stale_ = true;
  options_.counters.members.Add(-1);
  if (members_.empty()) emptied_at_ = rpc::SteadyNow();
  Spread(owner, awareness_.RemoveMember(
                    id, static_cast<std::uint64_t>(absl::ToUnixMillis(rpc::SteadyNow()))));
}

void Room::OnSync(std::uint64_t id, yproto::SyncStep step, std::string payload,
                  const Credit& credit) {
  Member* member = Find(id);
  if (member == nullptr) return;
  if (step == yproto::SyncStep::kAsk) return Ask(*member, payload);
  Update(*member, std::move(payload), credit);
}

void Room::Update(Member& member, std::string payload, const Credit& credit) {
  options_.counters.updates_received.Add();
  const std::size_t bytes = payload.size();
  crdt::UpdateView view;
  const crdt::Malformed malformed = crdt::UpdateView::Open(payload, view);
  if (malformed) return Fail(member, "the update is malformed: " + std::string(malformed.reason));
  const bool is_known = payload == kEmptyUpdate || (content_.is_loaded() && content_.Covers(view));
  if (is_known) return Acknowledge(member, 1, true);  // It is durable, whoever brought it.
  if (!MayWrite(member)) return KeepAsDraft(member, std::move(payload), credit);
  std::vector<std::string> parts;
  if (bytes > state::kUpdateBytesMax) {
    crdt::SplitResult split = crdt::SplitUpdate(payload, state::kUpdateBytesMax);
    if (split.refused) return Refuse(member, 1, std::string(split.refused.reason));
    parts = std::move(split.parts);
  } else {
    parts.push_back(std::move(payload));
  }
  NoteWriting(member);
  member.writer->Add(RoomWriter::As::kChange, std::move(parts), credit);
}

void Room::NoteWriting(Member& member) {
  if (std::exchange(member.has_written, true)) return;
  options_.node.SetActivity({.session = member.options.caller.session,
                             .activity = node::Activity::kEditing,
                             .doc = options_.doc});
}

// Behind the change itself.
void Room::OnSettled(std::uint64_t id, const RoomWriter::Settled& settled) {
  if (unpublished_.empty()) return TellSettled(id, settled);
  unacknowledged_.emplace_back(id, settled);
}

void Room::TellSettled(std::uint64_t id, const RoomWriter::Settled& settled) {
  Member* member = Find(id);
  if (member == nullptr) return;
  if (settled.is_node_unfit) {
    return Expel(id, CloseCode::kRestarting, "this node cannot write any more; use another one");
  }
  using enum state::Code;
  switch (settled.outcome.code) {
    case kOk:
      if (settled.as == RoomWriter::As::kDraft) return TellDraft(*member, settled);
      return Acknowledge(*member, settled.updates, true);
    case kUnauthenticated:
      return Expel(id, CloseCode::kUnauthenticated, "the session is over; log in again");
    case kNotFound:
      return Expel(id, CloseCode::kForbidden,
                   "there is no such document, or none that you may see");
    case kInvalidArgument:
      return Fail(*member, settled.outcome.message);
    default:
      Refuse(*member, settled.updates, settled.outcome.message);
      if (settled.as == RoomWriter::As::kDraft) MaybeAskAgain(*member);
  }
}

void Room::Acknowledge(const Member& member, std::size_t updates, bool is_saved) const {
  if (member.options.protocol != Protocol::kHocuspocus) return;
  static const Blob saved(yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved));
  static const Blob rejected(yproto::EncodeSyncStatus(yproto::SyncStatus::kRejected));
  for (std::size_t i = 0; i < updates; ++i) SendTo(member, is_saved ? saved : rejected);
}

void Room::Refuse(Member& member, std::size_t updates, const std::string& reason) {
  options_.counters.updates_refused.Add(updates);
  member.has_refused = true;
  Acknowledge(member, updates, false);
  const absl::Time now = rpc::SteadyNow();
  if (member.options.protocol != Protocol::kYWebsocket || now < member.denied_at + kDeniedEvery) {
    return;
  }
  member.denied_at = now;
  SendTo(member, Blob(yproto::EncodePermissionDenied(reason)));
}

void Room::Fail(Member& member, const std::string& reason) {
  Expel(member.options.id, CloseCode::kMalformed, reason);
}

void Room::Ask(Member& member, std::string_view payload) {
  crdt::Lib0Reader reader(payload);
  crdt::StateVector known = crdt::StateVector::Decode(reader);
  if (!reader.ok() || !reader.AtEnd()) return Fail(member, "the state vector is malformed");
  member.waits_with = std::move(known);
  if (!content_.is_loaded() || content_.is_worn()) return Load();
  AnswerIfDue(member, rpc::SteadyNow());
}

void Room::AnswerIfDue(Member& member, absl::Time now) {
  if (!member.waits_with || now < member.answered_at + kAnswerEvery) return;
  const bool is_read = !member.waits_with->empty() && content_.is_too_large_to_scan();
  if (is_read && answers_being_read_ >= kAnswersReadMax) return;
  member.answered_at = now;
  const crdt::StateVector known = *std::exchange(member.waits_with, std::nullopt);
  Answer(member, known);
}

void Room::AnswerWaiting(absl::Time now) {
  if (!content_.is_loaded()) return;
  for (auto& [id, member] : members_) AnswerIfDue(member, now);
}

void Room::Answer(Member& member, const crdt::StateVector& known) {
  options_.counters.first_syncs.Add();
  if (!std::exchange(member.has_asked, true)) {
    SendTo(member,
           Blob(yproto::EncodeSync(yproto::SyncStep::kAsk, content_.state_vector().Encode())));
  }
  if (!known.empty() && content_.is_too_large_to_scan()) return AnswerFromState(member, known);
  for (const Blob& frame : content_.AnswerTo(known)) SendTo(member, frame);
}

// The document's own index finds the difference; changes that come meanwhile are sent as they come.
void Room::AnswerFromState(Member& member, const crdt::StateVector& known) {
  auto update = std::make_shared<std::optional<std::string>>();
  ++answers_being_read_;
  options_.node.Read(
      node::Consistency::kStale, absl::Now() + kReadTimeout,
      [update, known, doc = options_.doc](const state::Machine& state) {
        *update = state.UpdateAt(doc, Revision(), known);
      },
      [weak = weak_from_this(), id = member.options.id, update,
       shard = &options_.shard](const absl::StatusOr<Revision>& read) {
        const bool is_ok = read.ok() && update->has_value();
        shard->Post([weak, id, update, is_ok] {
          const auto self = weak.lock();
          if (self == nullptr) return;
          --self->answers_being_read_;
          if (Member* asking = self->Find(id); asking != nullptr && is_ok) {
            self->SendTo(*asking, Blob(yproto::EncodeSync(yproto::SyncStep::kAnswer, **update)));
          } else {
            self->Expel(id, CloseCode::kTryAgain, "the document cannot be read; try again");
          }
          self->AnswerWaiting(rpc::SteadyNow());
        });
      });
}

void Room::SendTo(const Member& member, const Blob& body) const {
  const MemberOptions& to = member.options;
  if (&to.socket->shard() == &options_.shard) return to.socket->Send(to.prefix, body);
  to.socket->shard().Post(
      [socket = to.socket, prefix = to.prefix, body] { socket->Send(prefix, body); });
}

void Room::Publish(const Blob& body) {
  if (std::exchange(are_targets_stale_, false)) {
    std::map<Shard*, std::vector<Target>> targets;
    for (const auto& [id, member] : members_) {
      const MemberOptions& to = member.options;
      targets[&to.socket->shard()].push_back({.socket = to.socket, .prefix = to.prefix});
    }
    targets_.clear();
    for (auto& [shard, list] : targets) {
      targets_[shard] = std::make_shared<const std::vector<Target>>(std::move(list));
    }
  }
  options_.counters.deliveries.Add(members_.size());
  const auto send = [](const std::vector<Target>& list, const Blob& frame) {
    for (const Target& target : list) target.socket->Send(target.prefix, frame);
  };
  // The other threads first: they send while this one does.
  for (const auto& [shard, targets] : targets_) {
    if (shard != &options_.shard) shard->Post([send, list = targets, body] { send(*list, body); });
  }
  const auto own = targets_.find(&options_.shard);
  if (own != targets_.end()) send(*own->second, body);
}

// On Hocuspocus the other documents of the socket go on.
void Room::Expel(std::uint64_t id, CloseCode code, const std::string& reason) {
  Member* member = Find(id);
  if (member == nullptr) return;
  const bool is_for_the_socket = code == CloseCode::kRestarting || code == CloseCode::kTryAgain ||
                                 code == CloseCode::kMalformed;
  if (member->options.protocol == Protocol::kHocuspocus && !is_for_the_socket) {
    SendTo(*member, Blob(yproto::EncodeDenied(reason)));
    SendTo(*member, Blob(yproto::EncodeDetached(reason)));
  } else {
    if (member->options.protocol == Protocol::kYWebsocket) {
      SendTo(*member, Blob(yproto::EncodePermissionDenied(reason)));
    }
    const std::shared_ptr<Socket> socket = member->options.socket;
    socket->shard().Post([socket, code, reason] { socket->Close(code, reason); });
  }
  Forget(id);
}

void Room::CloseAll(CloseCode code, const std::string& reason) {
  PublishChanges();
  while (!members_.empty()) Expel(members_.begin()->first, code, reason);
}

bool Room::IsIdle(absl::Time now) const {
  constexpr absl::Duration kLinger = absl::Seconds(10);
  return members_.empty() && !is_loading_ && now > emptied_at_ + kLinger;
}

}  // namespace coterie::gateway
