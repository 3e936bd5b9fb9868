#include "rpc/event_hub.h"

#include <absl/time/clock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/overload.h"
#include "coterie/v1/events.pb.h"
#include "rpc/authenticate.h"
#include "rpc/node_calls.h"
#include "rpc/status_map.h"
#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(250);
constexpr absl::Duration kMarkEvery = absl::Seconds(1);
constexpr absl::Duration kStalledMax = absl::Seconds(30);
constexpr absl::Duration kReadTimeout = absl::Seconds(10);
constexpr std::size_t kPageBatchesMax = 256;
constexpr std::size_t kPageBytesMax = 256 << 10;

std::size_t SizeOf(const state::EventBatch& batch) {
  std::size_t bytes = 64;
  for (const state::Event& event : batch.events) {
    bytes += 64;
    const auto* changed = std::get_if<state::DocumentChanged>(&event.body);
    if (changed == nullptr) continue;
    bytes += changed->update.size();
    for (const state::TextChange& change : changed->changes) {
      bytes += 32 + change.deleted.size() + change.inserted.size();
    }
  }
  return bytes;
}

bool MaySee(const state::Machine& state, const std::string& user, const state::Event& event) {
  const DocId doc = state::DocumentOf(event);
  if (doc.IsNone()) return true;
  const state::DocumentRole role = state.RoleOf(user, doc);
  const std::string* draft_user = state::DraftUserOf(event);
  if (draft_user != nullptr && *draft_user != user) return role == state::DocumentRole::kOwner;
  return role != state::DocumentRole::kNone;
}

bool IsWanted(const EventFeed& feed, const state::Event& event) {
  return feed.documents.empty() || feed.documents.contains(state::DocumentOf(event));
}

// Of the events of `batch` those that `wants(index)`. Empty if there are none.
template <class Wants>
Blob Encode(const state::EventBatch& batch, Texts texts, Wants wants) {
  v1::SubscribeResponse response;
  for (std::size_t i = 0; i < batch.events.size(); ++i) {
    // No viewer: a fencing token is nothing for a broadcast.
    if (wants(i)) *response.add_events() = ToProto(batch.events[i], texts, SessionId());
  }
  if (response.events().empty()) return Blob();
  response.set_revision(batch.revision.value());
  response.set_time_ms(batch.time_ms);
  return Blob(response.SerializeAsString());
}

Blob EncodeMark(Revision revision) {
  v1::SubscribeResponse response;
  response.set_revision(revision.value());
  return Blob(response.SerializeAsString());
}

absl::Status TooOld(Revision after, const state::Machine& state) {
  const Revision oldest = state.oldest_event_revision();
  const Revision current = state.applied().index;
  return WithDetail(
      absl::OutOfRangeError("Events after revision " + std::to_string(after.value()) +
                            (after > current ? " are in the future: the cluster stands at "
                                             : " are no longer kept: the oldest kept is ") +
                            std::to_string(after > current ? current.value() : oldest.value()) +
                            ". Read the state anew, then subscribe from that answer's revision."),
      {.reason = "OUT_OF_RANGE",
       .metadata = {{"oldest_revision", std::to_string(oldest.value())},
                    {"current_revision", std::to_string(current.value())}}});
}

}  // namespace

// What most subscribers share of one batch, encoded when the first needs it.
struct EventHub::Encoded {
  std::array<std::optional<Blob>, 3> blobs;  // By Texts.

  const Blob& Get(const state::EventBatch& batch, Texts texts) {
    std::optional<Blob>& blob = blobs[static_cast<std::size_t>(texts)];
    if (!blob) blob = Encode(batch, texts, [](std::size_t) { return true; });
    return *blob;
  }
};

EventHub::EventHub(node::Node& node) : node_(node), inbox_(kLiveBatchesMax) {}

void EventHub::Start() {
  thread_ = std::jthread([this] { Run(); });
  listener_ = node_.Subscribe([this](const state::EventBatch& batch, const state::Machine& state) {
    Listen(batch, state);
  });
}

void EventHub::EndAll(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    is_ended_ = true;
  }
  inbox_.Push(EndedAll{why});
}

void EventHub::Stop() {
  if (!thread_.joinable()) return;
  node_.Unsubscribe(listener_);
  inbox_.Close();
  thread_.join();
}

absl::Status EventHub::Add(const Feed& feed) {
  const Caller& caller = feed->options().caller;
  {
    absl::MutexLock lock(&mutex_);
    if (is_ended_) {
      return Error(absl::StatusCode::kUnavailable, "STOPPING",
                   "This node is stopping; ask another one.");
    }
    if (size_.load() >= kFeedsMax) {
      return Overloaded("This node has 10000 subscriptions, its most; ask another node.",
                        absl::Seconds(1));
    }
    const auto of_user = user_feeds_.find(caller.user);
    if (of_user != user_feeds_.end() && of_user->second >= kFeedsPerUserMax) {
      return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
                   "You have 1000 subscriptions on this node, the most; close some.");
    }
    std::size_t& of_session = session_feeds_[caller.session];
    if (of_session >= kFeedsPerSessionMax) {
      return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
                   "This session has 64 subscriptions on this node, the most; close some.");
    }
    ++of_session;
    size_.fetch_add(1);
    if (++user_feeds_[caller.user] == 1) users_ = nullptr;
  }
  feed->CountIn(queued_);
  inbox_.Push(Added{feed});
  return absl::OkStatus();
}

void EventHub::Remove(const Feed& feed) {
  const Caller& caller = feed->options().caller;
  {
    absl::MutexLock lock(&mutex_);
    size_.fetch_sub(1);
    if (--session_feeds_[caller.session] == 0) session_feeds_.erase(caller.session);
    // Whoever has gone stays in users_ until somebody comes: harmless.
    if (--user_feeds_[caller.user] == 0) user_feeds_.erase(caller.user);
  }
  inbox_.Push(Removed{feed});
}

void EventHub::Drained(const Feed& feed) { inbox_.Push(Empty{feed}); }

EventHub::Users EventHub::CurrentUsers() {
  absl::MutexLock lock(&mutex_);
  if (users_ == nullptr) {
    auto users = std::make_shared<std::map<std::string, std::size_t>>();
    for (const auto& [user, feeds] : user_feeds_) users->emplace(user, users->size());
    users_ = std::move(users);
  }
  return users_;
}

void EventHub::Listen(const state::EventBatch& batch, const state::Machine& state) {
  const Revision previous(published_.exchange(batch.revision.value()));
  const std::size_t bytes = SizeOf(batch);
  if (size_.load() == 0 || live_bytes_.load() + bytes > kLiveBytesMax) return;
  Live live{.batch = batch, .previous = previous, .users = CurrentUsers(), .bytes = bytes};
  live.visible.resize(live.users->size());
  for (const auto& [user, number] : *live.users) {
    for (const state::Event& event : batch.events) {
      live.visible[number].push_back(MaySee(state, user, event));
    }
  }
  live_bytes_.fetch_add(bytes);
  Input input(std::move(live));
  if (!inbox_.TryPush(std::move(input))) live_bytes_.fetch_sub(bytes);  // The next one tells.
}

void EventHub::Run() {
  std::deque<Input> inputs;
  absl::Time tick = SteadyNow() + kTick;
  while (!inbox_.IsClosed()) {
    inbox_.WaitAndTakeAll(inputs, std::max(tick - SteadyNow(), absl::ZeroDuration()));
    for (Input& input : inputs) {
      std::visit([this](auto& value) { Handle(value); }, input);
    }
    inputs.clear();
    StartReading();
    if (SteadyNow() < tick) continue;
    Tick();
    tick = SteadyNow() + kTick;
  }
}

void EventHub::Handle(Live& live) {
  live_bytes_.fetch_sub(live.bytes);
  handled_ = std::max(handled_, live.batch.revision);
  Encoded encoded;
  for (const auto& [key, feed] : feeds_) {
    if (feed->mode != EventFeed::Mode::kLive || live.batch.revision <= feed->position) continue;
    // Dropped batches, or a state that jumped: what lies between is read.
    if (live.batch.events.empty() || feed->position < live.previous) {
      feed->FallBehind();
    } else {
      Offer(*feed, live, encoded);
    }
  }
}

void EventHub::Offer(EventFeed& feed, const Live& live, Encoded& encoded) {
  const auto number = live.users->find(feed.options().caller.user);
  if (number == live.users->end()) return feed.FallBehind();
  const std::vector<bool>& visible = live.visible[number->second];
  const bool sees_all =
      feed.documents.empty() && std::find(visible.begin(), visible.end(), false) == visible.end();
  const Texts texts = feed.options().texts;
  const Blob message =
      sees_all ? encoded.Get(live.batch, texts) : Encode(live.batch, texts, [&](std::size_t i) {
        return visible[i] && IsWanted(feed, live.batch.events[i]);
      });
  if (!message.empty() && !feed.TryPush(live.batch.revision, message)) return feed.FallBehind();
  feed.position = live.batch.revision;
}

void EventHub::Handle(const Added& added) {
  added.feed->position = added.feed->options().after;
  feeds_.emplace(added.feed.get(), added.feed);
  waiting_.push_back(added.feed);
}

void EventHub::Handle(const Removed& removed) { feeds_.erase(removed.feed.get()); }

void EventHub::Handle(const Empty& empty) {
  if (feeds_.contains(empty.feed.get())) waiting_.push_back(empty.feed);
}

void EventHub::Handle(const EndedAll& ended) {
  for (const auto& [key, feed] : feeds_) feed->End(ended.why);
}

void EventHub::StartReading() {
  while (reading_ < kReadingMax && !waiting_.empty()) {
    const Feed feed = waiting_.front().lock();
    waiting_.pop_front();
    if (feed == nullptr || !feeds_.contains(feed.get())) continue;
    if (feed->mode != EventFeed::Mode::kBehind) continue;
    ++reading_;
    feed->mode = EventFeed::Mode::kReading;
    Read(feed);
  }
}

// The first page is read linearizably: so late that what the client has seen elsewhere is here,
// too.
void EventHub::Read(const Feed& feed) {
  auto page = std::make_shared<Page>();
  page->feed = feed;
  page->documents = feed->documents;
  const bool is_first = !feed->is_started;
  const auto query = [this, page, is_first, after = feed->position](const state::Machine& state) {
    const EventFeed::Options& options = page->feed->options();
    const Revision current = state.applied().index;
    const Revision begin = is_first && options.from_now ? current : after;
    if (is_first) {
      for (const v1::DocumentRef& ref : options.documents) {
        // One that was deleted has events still; whether they may be seen is asked for each.
        if (ref.ref_case() == v1::DocumentRef::kId) {
          page->documents.insert(DocId(ref.id()));
          continue;
        }
        const absl::StatusOr<DocId> id = FindVisible(state, options.caller, ref);
        page->status.Update(id.status());
        if (id.ok()) page->documents.insert(*id);
      }
    }
    const bool is_too_old = begin.Next() < state.oldest_event_revision();
    // After 0 = everything that is kept.
    const bool asks_all = is_first && begin.IsNone();
    if ((is_too_old && !asks_all) || (is_first && begin > current)) {
      page->status.Update(TooOld(begin, state));
    }
    if (page->status.ok()) {
      const Revision from =
          asks_all && is_too_old ? state.oldest_event_revision().Previous() : begin;
      page->batches = state.EventsAfter(from, kPageBatchesMax, kPageBytesMax);
      page->up_to =
          page->batches.empty() ? std::max(current, begin) : page->batches.back().revision;
      page->is_last = page->batches.empty() || state.EventsAfter(page->up_to, 1, 1).empty();
      if (page->is_last) page->up_to = std::max(current, begin);
      for (state::EventBatch& batch : page->batches) {
        std::erase_if(batch.events, [&](const state::Event& event) {
          return !MaySee(state, options.caller.user, event);
        });
      }
    }
    inbox_.Push(Input(std::move(*page)));
  };
  node_.Read(is_first ? node::Consistency::kLinearizable : node::Consistency::kStale,
             absl::Now() + kReadTimeout, query, [this, page](const absl::StatusOr<Revision>& read) {
               if (read.ok()) return;
               page->status = FromNode(read.status(), Effect::kNone, node_.status());
               inbox_.Push(Input(std::move(*page)));
             });
}

void EventHub::Handle(Page& page) {
  --reading_;
  EventFeed& feed = *page.feed;
  if (!page.status.ok()) return feed.End(page.status);
  feed.is_started = true;
  feed.documents = std::move(page.documents);
  bool is_full = false;
  for (const state::EventBatch& batch : page.batches) {
    const Blob message = Encode(batch, feed.options().texts,
                                [&](std::size_t i) { return IsWanted(feed, batch.events[i]); });
    is_full = !message.empty() && !feed.TryPush(batch.revision, message);
    if (is_full) break;
    feed.position = batch.revision;
  }
  if (is_full || !page.is_last) {
    if (!is_full) feed.position = page.up_to;
    return feed.FallBehind();
  }
  feed.position = page.up_to;
  feed.mode = EventFeed::Mode::kLive;
  // A mark says that the subscriber has everything, and where it stands.
  if (feed.last_pushed() < feed.position &&
      feed.TryPush(feed.position, EncodeMark(feed.position))) {
    feed.marked_at = SteadyNow();
  }
}

// Batches that were dropped with none behind them to tell.
void EventHub::CatchUp() {
  const Revision published(published_.load());
  if (published <= handled_ || inbox_.size() > 0) return;
  handled_ = published;
  for (const auto& [key, feed] : feeds_) {
    if (feed->mode == EventFeed::Mode::kLive && feed->position < published) feed->FallBehind();
  }
}

void EventHub::Tick() {
  CatchUp();
  const absl::Time now = SteadyNow();
  for (const auto& [key, feed] : feeds_) {
    // Also of one whose session has ended and who does not take that.
    if (feed->IsStalled(now - kStalledMax)) {
      feed->CutOff(
          Overloaded("The subscriber has not read for 30 s and is cut off; resume after the "
                     "last revision that it got.",
                     absl::ZeroDuration()));
    } else if (!node_.sessions().Find(feed->options().caller.session)) {
      feed->End(NoSession());
    } else if (feed->mode == EventFeed::Mode::kLive && feed->last_pushed() < feed->position &&
               now - feed->marked_at >= kMarkEvery && feed->IsEmpty() &&
               feed->TryPush(feed->position, EncodeMark(feed->position))) {
      feed->marked_at = now;
    }
  }
}

}  // namespace coterie::rpc
