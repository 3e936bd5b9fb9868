#include "rpc/presence_hub.h"

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "rpc/authenticate.h"
#include "rpc/status_map.h"
#include "rpc/thread_time.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(250);
constexpr absl::Duration kReadTimeout = absl::Seconds(5);
// Between two lists; more when many are to be shown them.
constexpr absl::Duration kPause = absl::Milliseconds(20);
constexpr absl::Duration kPausePerStream = absl::Microseconds(500);
// And so many times as long as the list took the apply thread.
constexpr double kPauseShare = 20;

}  // namespace

v1::Activity ToProto(node::Activity activity) {
  using enum node::Activity;
  switch (activity) {
    case kIdle:
      return v1::ACTIVITY_IDLE;
    case kViewing:
      return v1::ACTIVITY_VIEWING;
    case kEditing:
      return v1::ACTIVITY_EDITING;
  }
  return v1::ACTIVITY_UNSPECIFIED;
}

node::Activity FromProto(v1::Activity activity) {
  if (activity == v1::ACTIVITY_VIEWING) return node::Activity::kViewing;
  if (activity == v1::ACTIVITY_EDITING) return node::Activity::kEditing;
  return node::Activity::kIdle;
}

PresentList::PresentList(const state::Machine& state, const std::vector<node::Presence>& activities,
                         const std::set<std::string>& viewers) {
  std::map<SessionId, const node::Presence*> doing;
  for (const node::Presence& presence : activities) doing[presence.session] = &presence;
  std::map<DocId, std::string> names;
  for (const state::SessionView& session : state.Sessions()) {
    if (session.attached.IsNone()) continue;
    Row row;
    row.presence.set_session_id(session.id.value());
    row.presence.set_user(session.user);
    row.presence.set_joined_revision(session.attached.value());
    row.presence.set_activity(v1::ACTIVITY_IDLE);
    const auto found = doing.find(session.id);
    if (found != doing.end()) {
      row.presence.set_activity(ToProto(found->second->activity));
      row.doc = found->second->doc;
    }
    if (!row.doc.IsNone() && !names.contains(row.doc)) {
      const std::optional<state::DocumentView> document = state.FindDocument(row.doc);
      names[row.doc] = document ? document->name : std::string();
    }
    if (!row.doc.IsNone()) row.presence.set_document_name(names[row.doc]);
    rows_.push_back(std::move(row));
  }
  for (const auto& [doc, name] : names) {
    for (const std::string& viewer : viewers) {
      if (state.RoleOf(viewer, doc) != state::DocumentRole::kNone) visible_.emplace(viewer, doc);
    }
  }
}

std::vector<v1::Presence> PresentList::Describe(const std::string& viewer) const {
  std::vector<v1::Presence> present;
  present.reserve(rows_.size());
  for (const Row& row : rows_) {
    v1::Presence& presence = present.emplace_back(row.presence);
    if (visible_.contains({viewer, row.doc})) {
      presence.set_document_id(row.doc.value());
    } else {
      presence.clear_document_name();
    }
  }
  return present;
}

void PresenceHub::Start() {
  thread_ = std::jthread([this] { Run(); });
  events_listener_ = node_.Subscribe([this](const state::EventBatch& batch,
                                            const state::Machine& state) { Listen(batch, state); });
  activity_listener_ = node_.OnActivity([this] {
    absl::MutexLock lock(&mutex_);
    is_changed_ = true;
  });
}

void PresenceHub::EndAll(const absl::Status& why) {
  std::set<Stream> streams;
  {
    absl::MutexLock lock(&mutex_);
    is_ended_ = true;
    streams = streams_;
  }
  for (const Stream& stream : streams) stream->End(why);
}

void PresenceHub::Stop() {
  if (!thread_.joinable()) return;
  node_.Unsubscribe(events_listener_);
  node_.ForgetOnActivity(activity_listener_);
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  thread_.join();
}

absl::Status PresenceHub::Add(const Stream& stream) {
  absl::MutexLock lock(&mutex_);
  if (is_ended_) {
    return Error(absl::StatusCode::kUnavailable, "STOPPING",
                 "This node is stopping; attach to another one.");
  }
  if (streams_.size() >= kStreamsMax) {
    return Overloaded("This node has 10000 attached streams, its most; ask another node.",
                      absl::Seconds(1));
  }
  const auto of_user = of_user_.find(stream->caller().user);
  if (of_user != of_user_.end() && of_user->second >= kStreamsPerUserMax) {
    return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
                 "You have 1000 attached streams on this node, the most; close some.");
  }
  std::size_t& of_session = of_session_[stream->caller().session];
  if (of_session >= kStreamsPerSessionMax) {
    return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
                 "This session has 16 attached streams on this node, the most; one is enough.");
  }
  ++of_session;
  ++of_user_[stream->caller().user];
  streams_.insert(stream);
  return absl::OkStatus();
}

void PresenceHub::Remove(const Stream& stream) {
  absl::MutexLock lock(&mutex_);
  if (streams_.erase(stream) == 0) return;
  asking_.erase(stream);
  const SessionId session = stream->caller().session;
  if (--of_session_[session] == 0) of_session_.erase(session);
  const std::string& user = stream->caller().user;
  if (--of_user_[user] == 0) of_user_.erase(user);
}

void PresenceHub::Answer(const Stream& stream) {
  absl::MutexLock lock(&mutex_);
  if (streams_.contains(stream)) asking_.insert(stream);
}

void PresenceHub::Listen(const state::EventBatch& batch, const state::Machine& state) {
  const bool has_jumped = batch.events.empty();
  bool is_changed = has_jumped;
  std::set<SessionId> left;
  if (has_jumped) {
    for (const SessionId session : node_.LeftWithStreams(state)) left.insert(session);
  }
  for (const state::Event& event : batch.events) {
    if (const auto* gone = std::get_if<state::Left>(&event.body)) {
      left.insert(gone->session);
    } else if (!std::holds_alternative<state::Joined>(event.body)) {
      continue;
    }
    is_changed = true;
  }
  if (!is_changed) return;
  absl::MutexLock lock(&mutex_);
  is_changed_ = true;
  left_.merge(left);
}

void PresenceHub::Run() {
  for (;;) {
    std::vector<Stream> shown;
    std::vector<Stream> all;
    std::set<SessionId> left;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &PresenceHub::HasWork), kTick);
      if (is_stopping_) return;
      all.assign(streams_.begin(), streams_.end());
      if (is_changed_) shown = all;
      if (!is_changed_) shown.assign(asking_.begin(), asking_.end());
      is_changed_ = false;
      asking_.clear();
      left.swap(left_);
    }
    EndDead(all);
    std::set<SessionId> again;
    for (const Stream& stream : all) {
      const SessionId session = stream->caller().session;
      if (left.contains(session) && again.insert(session).second) stream->JoinAgain();
    }
    if (shown.empty()) continue;
    const absl::Duration took = ShowAll(shown);
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(
        absl::Condition(&is_stopping_),
        kPause + kPausePerStream * static_cast<double>(shown.size()) + kPauseShare * took);
  }
}

void PresenceHub::EndDead(const std::vector<Stream>& streams) {
  for (const Stream& stream : streams) {
    if (node_.sessions().Find(stream->caller().session)) continue;
    stream->End(NoSession());
  }
}

absl::Duration PresenceHub::ShowAll(const std::vector<Stream>& streams) {
  std::set<std::string> viewers;
  for (const Stream& stream : streams) viewers.insert(stream->caller().user);
  // Shared: the answer comes even when the deadline has passed.
  struct Gathering {
    std::optional<PresentList> list;
    absl::Duration took;
    absl::Notification done;
  };
  const auto gathering = std::make_shared<Gathering>();
  node_.Read(
      node::Consistency::kStale, absl::Now() + kReadTimeout,
      [this, gathering, viewers](const state::Machine& state) {
        const absl::Duration begun = ThreadTime();
        gathering->list.emplace(state, node_.Activities(), viewers);
        gathering->took = ThreadTime() - begun;
      },
      [gathering](const absl::StatusOr<Revision>&) { gathering->done.Notify(); });
  gathering->done.WaitForNotification();  // The node answers every read by its deadline.
  if (!gathering->list) return absl::ZeroDuration();
  std::map<std::string, std::vector<v1::Presence>> lists;
  for (const std::string& viewer : viewers) lists[viewer] = gathering->list->Describe(viewer);
  for (const Stream& stream : streams) stream->Show(lists[stream->caller().user]);
  return gathering->took;
}

}  // namespace coterie::rpc
