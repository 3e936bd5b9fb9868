#include "rpc/cluster_watch.h"

#include <absl/time/clock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/overload.h"
#include "coterie/v1/cluster.grpc.pb.h"
#include "node/journal.h"
#include "rpc/authenticate.h"
#include "rpc/status_map.h"
#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(200);
constexpr absl::Duration kShowEvery = absl::Seconds(1);  // At least.
constexpr absl::Duration kCheckEvery = absl::Milliseconds(250);
constexpr absl::Duration kDialEvery = absl::Milliseconds(400);
// A node says something every second.
constexpr absl::Duration kSilentMax = absl::Seconds(3);
// Who asks once asks again: the next edit.
constexpr absl::Duration kAskedFor = absl::Seconds(10);
constexpr absl::Duration kAsleep = absl::Hours(1);
constexpr std::size_t kInputsMax = 8'192;

std::size_t At(WatchScope scope) { return static_cast<std::size_t>(scope); }

// What is the same as long as nothing changes.
std::string PictureOf(v1::WatchClusterResponse response) {
  response.clear_happenings();
  for (v1::WatchedNode& node : *response.mutable_nodes()) {
    node.clear_age_ms();
    node.mutable_status()->clear_uptime_ms();
  }
  return response.SerializeAsString();
}

absl::Status TooMany(const std::string& who) {
  return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
               who + " streams of the cluster's state on this node, the most; close some.");
}

}  // namespace

// The stream of one other node. Kept alive by itself until gRPC has done with it.
class ClusterWatch::Upstream final : public grpc::ClientReadReactor<v1::WatchClusterResponse>,
                                     public std::enable_shared_from_this<Upstream> {
 public:
  Upstream(ClusterWatch& watch, NodeId node) : watch_(watch), node_(node) {}

  void Start(const std::shared_ptr<grpc::Channel>& channel, const std::string& authorization) {
    self_ = shared_from_this();
    running_->fetch_add(1);
    request_.set_local_only(true);
    context_.AddMetadata("authorization", authorization);
    stub_ = v1::ClusterService::NewStub(channel);
    stub_->async()->WatchCluster(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    Input input(Heard{.node = node_, .upstream = shared_from_this(), .word = std::move(response_)});
    response_.Clear();
    // What is dropped is told anew by the next stream.
    if (!watch_.inbox_.TryPush(std::move(input))) Cancel();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    const bool is_refused = status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
                            status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    watch_.inbox_.Push(Ended{.node = node_,
                             .upstream = shared_from_this(),
                             .is_refused = is_refused,
                             .is_old = status.error_code() == grpc::StatusCode::UNIMPLEMENTED});
    const std::shared_ptr<std::atomic<std::size_t>> running = running_;
    const std::shared_ptr<Upstream> self = std::move(self_);
    running->fetch_sub(1);
    running->notify_all();
  }

  ClusterWatch& watch_;
  const NodeId node_;
  const std::shared_ptr<std::atomic<std::size_t>> running_ = watch_.upstreams_;
  grpc::ClientContext context_;
  v1::WatchClusterRequest request_;
  v1::WatchClusterResponse response_;
  std::unique_ptr<v1::ClusterService::Stub> stub_;
  std::shared_ptr<Upstream> self_;
};

ClusterWatch::ClusterWatch(node::Node& node, const CallTimes& calls, NodeChannels& channels,
                           std::function<std::size_t()> subscriptions)
    : node_(node),
      channels_(channels),
      subscriptions_(std::move(subscriptions)),
      started_ms_(static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now()))),
      inbox_(kInputsMax),
      upstreams_(std::make_shared<std::atomic<std::size_t>>(0)),
      view_(node.status().id),
      pace_(calls, node.counters()) {}

void ClusterWatch::Start() {
  node_.journal().OnHappening([this] {
    // Full: it will look anyway.
    if (is_awake_.load()) static_cast<void>(inbox_.TryPush(Input(Happened{})));
  });
  thread_ = std::jthread([this] { Run(); });
}

void ClusterWatch::EndAll(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex_);
    is_ended_ = true;
  }
  inbox_.Push(EndedAll{why});
}

void ClusterWatch::Stop() {
  if (!thread_.joinable()) return;
  node_.journal().OnHappening(nullptr);
  inbox_.Close();
  thread_.join();
  Rest();
  std::deque<Input> left;
  inbox_.TakeAll(left);
  for (Input& input : left) {
    if (auto* question = std::get_if<Question>(&input)) Handle(*question);
  }
  AnswerQuestions(absl::InfiniteFuture());
  for (std::size_t open = *upstreams_; open > 0; open = *upstreams_) upstreams_->wait(open);
}

absl::Status ClusterWatch::Add(const Feed& feed) {
  const Caller& caller = feed->options().caller;
  {
    absl::MutexLock lock(&mutex_);
    if (is_ended_) {
      return Error(absl::StatusCode::kUnavailable, "STOPPING",
                   "This node is stopping; ask another one.");
    }
    Places& places = places_.at(At(feed->options().scope));
    if (places.all >= kFeedsMax) return TooMany("All together have 1000");
    if (places.of_user[caller.user] >= kFeedsPerUserMax) return TooMany("You have 64");
    std::size_t& of_session = places.of_session[caller.session];
    if (of_session >= kFeedsPerSessionMax) return TooMany("This session has 16");
    ++of_session;
    ++places.all;
    ++places.of_user[caller.user];
  }
  inbox_.Push(Added{feed});
  return absl::OkStatus();
}

void ClusterWatch::Remove(const Feed& feed) {
  const Caller& caller = feed->options().caller;
  {
    absl::MutexLock lock(&mutex_);
    Places& places = places_.at(At(feed->options().scope));
    CHECK(places.all > 0);
    --places.all;
    if (--places.of_user[caller.user] == 0) places.of_user.erase(caller.user);
    if (--places.of_session[caller.session] == 0) places.of_session.erase(caller.session);
  }
  inbox_.Push(Removed{feed});
}

void ClusterWatch::Ask(Question question) {
  Input input(std::move(question));
  if (inbox_.TryPush(std::move(input))) return;
  std::get<Question>(input).done({.voters = node_.status().configuration.voters, .holders = {}});
}

void ClusterWatch::SetEditorCounters(std::optional<EditorCounters> counters) {
  absl::MutexLock lock(&editors_mutex_);
  // References: there is no assignment.
  editors_.reset();
  if (counters) editors_.emplace(*counters);
}

// --- The watch's thread ---

void ClusterWatch::Run() {
  std::deque<Input> inputs;
  absl::Time look = absl::InfiniteFuture();
  while (!inbox_.IsClosed()) {
    const absl::Duration wait = std::min(look - SteadyNow(), kAsleep);
    inbox_.WaitAndTakeAll(inputs, std::max(wait, absl::ZeroDuration()));
    for (Input& input : inputs) {
      std::visit([this](auto& value) { Handle(value); }, input);
    }
    inputs.clear();
    const absl::Time now = SteadyNow();
    if (!IsWanted(now)) {
      if (is_awake_.exchange(false)) Rest();
      look = absl::InfiniteFuture();
      continue;
    }
    if (!is_awake_.exchange(true)) look = now;
    if (!std::exchange(is_urgent_, false) && now < look) continue;
    Refresh(now);
    look = now + kLookEvery;
  }
}

bool ClusterWatch::IsWanted(absl::Time now) const {
  return !feeds_.empty() || !questions_.empty() || now < asked_until_;
}

void ClusterWatch::Handle(const Added& added) {
  feeds_.emplace(added.feed.get(), added.feed);
  is_urgent_ = true;
}

void ClusterWatch::Handle(const Removed& removed) { feeds_.erase(removed.feed.get()); }

void ClusterWatch::Handle(Question& question) {
  const absl::Time now = SteadyNow();
  asked_in_name_of_ = question.authorization;
  asked_until_ = now + kAskedFor;
  if (questions_.size() >= kQuestionsMax) question.patience = absl::ZeroDuration();
  const absl::Time deadline = now + question.patience;
  questions_.push_back({.question = std::move(question), .deadline = deadline});
  is_urgent_ = true;
}

void ClusterWatch::Handle(const Heard& heard) {
  const auto remote = remotes_.find(heard.node);
  if (remote == remotes_.end() || remote->second.upstream != heard.upstream) return;
  remote->second.heard = SteadyNow();
  view_.Hear(heard.node, heard.word, remote->second.heard);
  if (heard.word.happenings_size() > 0 || !questions_.empty()) is_urgent_ = true;
}

void ClusterWatch::Handle(const Ended& ended) {
  const auto remote = remotes_.find(ended.node);
  if (remote == remotes_.end() || remote->second.upstream != ended.upstream) return;
  remote->second.upstream = nullptr;
  if (ended.is_refused) ++refused_;
  view_.Lose(ended.node);
  if (ended.is_old) view_.HearNothing(ended.node, SteadyNow());
  is_urgent_ = true;
}

void ClusterWatch::Handle(const Happened& /*happened*/) { is_urgent_ = true; }

void ClusterWatch::Handle(const EndedAll& ended) {
  for (const auto& [key, feed] : feeds_) feed->End(ended.why);
}

void ClusterWatch::Refresh(absl::Time now) {
  LookAtOwn(now);
  TendRemotes(now);
  AnswerQuestions(now);
  Show(WatchScope::kNode, now);
  Show(WatchScope::kCluster, now);
  if (now - checked_ >= kCheckEvery) EndStale(now);
}

void ClusterWatch::LookAtOwn(absl::Time now) {
  {
    absl::MutexLock lock(&editors_mutex_);
    pace_.Sample(now, editors_ ? &*editors_ : nullptr);
  }
  node::Status status = node_.status();
  status.subscriptions = subscriptions_();  // The node only knows the listener that serves all.
  const node::Journal& journal = node_.journal();
  v1::WatchedNode own =
      DescribeOwn(status, journal.traffic(), absl::Microseconds(journal.office_age_us()));
  if (pace_.last()) *own.mutable_pace() = *pace_.last();
  view_.SetOwn(status, std::move(own));
  for (const node::Happening& happening : journal.After(noted_)) {
    noted_ = happening.number;
    view_.Add(ToProto(happening, status.id, started_ms_));
  }
}

// Other nodes are asked for those who watch the cluster, and for questions; not for other nodes.
void ClusterWatch::TendRemotes(absl::Time now) {
  const node::Status status = node_.status();
  const bool is_wanted =
      now < asked_until_ || std::any_of(feeds_.begin(), feeds_.end(), [](const auto& each) {
        return each.second->options().scope == WatchScope::kCluster;
      });
  if (!is_wanted) {
    for (auto& [id, remote] : remotes_) {
      if (remote.upstream != nullptr) remote.upstream->Cancel();
    }
    remotes_.clear();
    return view_.ForgetOthers();
  }
  std::erase_if(remotes_, [&](auto& each) {
    if (status.configuration.IsMember(each.first)) return false;
    if (each.second.upstream != nullptr) each.second.upstream->Cancel();
    return true;
  });
  for (const raft::Member& member : status.configuration.members) {
    if (member.id == status.id || member.client_address.empty()) continue;
    Remote& remote = remotes_[member.id];
    if (remote.upstream == nullptr && now >= remote.dial_at) Dial(member, remote, now);
    if (remote.upstream != nullptr && now - remote.heard > kSilentMax) {
      remote.upstream->Cancel();
      remote.heard = now;  // Not again before it has ended.
    }
  }
}

void ClusterWatch::Dial(const raft::Member& member, Remote& remote, absl::Time now) {
  const std::string authorization = Authorization();
  if (authorization.empty()) return;
  remote = {.upstream = std::make_shared<Upstream>(*this, member.id),
            .dial_at = now + kDialEvery,
            .heard = now};
  remote.upstream->Start(channels_.To(member.client_address), authorization);
}

std::string ClusterWatch::Authorization() const {
  std::vector<const std::string*> names;
  if (!asked_in_name_of_.empty()) names.push_back(&asked_in_name_of_);
  for (const auto& [key, feed] : feeds_) {
    if (feed->options().scope == WatchScope::kCluster) {
      names.push_back(&feed->options().authorization);
    }
  }
  return names.empty() ? std::string() : *names[refused_ % names.size()];
}

void ClusterWatch::AnswerQuestions(absl::Time now) {
  const auto is_settled = [&](const OpenQuestion& open) {
    Durability durability{.voters = view_.Voters(), .holders = view_.Holders(open.question.index)};
    if (durability.holders.size() < durability.voters.size() && now < open.deadline) return false;
    open.question.done(durability);
    return true;
  };
  std::erase_if(questions_, is_settled);
}

void ClusterWatch::Show(WatchScope scope, absl::Time now) {
  std::vector<WatchFeed*> watchers;
  for (const auto& [key, feed] : feeds_) {
    if (feed->options().scope == scope) watchers.push_back(key);
  }
  if (watchers.empty()) return;
  Shown& shown = shown_.at(At(scope));
  v1::WatchClusterResponse news = view_.Compose(scope, shown.seen, now);
  std::string picture = PictureOf(news);
  const bool is_due =
      news.happenings_size() > 0 || picture != shown.picture || now - shown.at >= kShowEvery;
  const auto encode = [](v1::WatchClusterResponse& response) {
    response.set_time_ms(static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now())));
    return Blob(response.SerializeAsString());
  };
  std::optional<Blob> encoded;
  std::optional<Blob> everything;
  for (WatchFeed* feed : watchers) {
    if (feed->wants_all()) {
      if (!everything) {
        v1::WatchClusterResponse all = view_.Compose(scope, 0, now);
        everything = encode(all);
      }
      feed->Offer(*everything);
    } else if (is_due) {
      if (!encoded) encoded = encode(news);
      feed->Offer(*encoded);
    }
  }
  if (is_due) shown = {.seen = view_.happened(), .picture = std::move(picture), .at = now};
}

void ClusterWatch::EndStale(absl::Time now) {
  checked_ = now;
  for (const auto& [key, feed] : feeds_) {
    if (!node_.sessions().Find(feed->options().caller.session)) feed->End(NoSession());
  }
}

// Nobody watches any more.
void ClusterWatch::Rest() {
  for (auto& [id, remote] : remotes_) {
    if (remote.upstream != nullptr) remote.upstream->Cancel();
  }
  remotes_.clear();
  asked_in_name_of_.clear();
  view_.ForgetOthers();
  pace_.Forget();
}

}  // namespace coterie::rpc
