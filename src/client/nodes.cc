#include "client/nodes.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "client/error_detail.h"

namespace coterie::client {
namespace {

constexpr Backoff::Options kRoundBackoff{.first = absl::Milliseconds(10),
                                         .max = absl::Milliseconds(200)};
constexpr absl::Duration kPauseMax = absl::Seconds(5);
constexpr int kRedirectsPerRoundMax = 4;
constexpr int kUnauthenticatedAnswersMax = 3;

// Errors that say something about the node or the way to it, and nothing about what was asked.
bool IsOfThisNodeOnly(const absl::Status& error, const ErrorDetail& detail) {
  if (absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error) || absl::IsCancelled(error)) {
    return true;
  }
  if (detail.reason == "NOT_LEADER" || detail.reason == "FENCED" || detail.reason == "NOT_MEMBER") {
    return true;
  }
  // How gRPC 1.51 reports a server that went away in the middle of a call.
  const bool is_transport = absl::IsInternal(error) || absl::IsUnknown(error);
  return is_transport && (absl::StrContains(error.message(), "RST_STREAM") ||
                          absl::StrContains(error.message(), "Stream removed"));
}

std::string LeaderHint(const ErrorDetail& detail) {
  const std::string address = detail.Get("leader_address");
  return address.empty() ? detail.Get("leader") : address;
}

}  // namespace

Nodes::Nodes(NodesOptions options)
    : options_(std::move(options)), book_(options_.addresses), prng_(options_.seed) {}

std::shared_ptr<Connection> Nodes::Pick(const std::vector<std::string>& tried) {
  absl::MutexLock lock(&mutex_);
  const std::optional<std::string> address = book_.Pick(tried, absl::Now());
  if (!address) return nullptr;
  std::shared_ptr<Connection>& connection = connections_[*address];
  if (connection == nullptr) {
    connection = std::make_shared<Connection>(*address, options_.credentials);
  }
  return connection;
}

void Nodes::Succeeded(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  book_.Succeeded(address);
}

void Nodes::Failed(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  book_.Failed(address, absl::Now());
}

void Nodes::LeaderIs(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  book_.LeaderIs(address);
}

void Nodes::Learn(const std::vector<std::string>& members, const std::string& leader) {
  absl::MutexLock lock(&mutex_);
  book_.Learn(members, leader);
  const std::vector<std::string> known = book_.addresses();
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool is_known = std::find(known.begin(), known.end(), it->first) != known.end();
    it = is_known ? std::next(it) : connections_.erase(it);
  }
}

bool Nodes::IsSuspect(const std::string& address) const {
  absl::MutexLock lock(&mutex_);
  return book_.IsSuspect(address, absl::Now());
}

std::vector<std::string> Nodes::addresses() const {
  absl::MutexLock lock(&mutex_);
  return book_.addresses();
}

std::string Nodes::leader() const {
  absl::MutexLock lock(&mutex_);
  return book_.leader();
}

std::string Nodes::token() const {
  absl::MutexLock lock(&mutex_);
  return token_;
}

void Nodes::SetToken(std::string token) {
  absl::MutexLock lock(&mutex_);
  token_ = std::move(token);
}

bool Nodes::PauseUntil(absl::Time time) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithDeadline(absl::Condition(&closed_), time);
}

void Nodes::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

bool Nodes::IsClosed() const {
  absl::MutexLock lock(&mutex_);
  return closed_;
}

std::uint64_t Nodes::Random() {
  absl::MutexLock lock(&mutex_);
  return prng_.Next();
}

Tour::Tour(Nodes& nodes, absl::Time deadline)
    : nodes_(nodes),
      deadline_(deadline),
      prng_(nodes.Random()),
      backoff_(kRoundBackoff, prng_),
      unreachable_since_(absl::Now()) {}

bool Tour::IsUnreachable() const {
  return absl::Now() - unreachable_since_ >= nodes_.options().unreachable_timeout;
}

bool Tour::IsHopeless() const {
  return nodes_.IsClosed() || absl::Now() >= deadline_ || IsUnreachable();
}

bool Tour::Pause() {
  tried_.clear();
  const absl::Duration pause = std::max(
      backoff_.Next(), std::min(std::exchange(pause_at_least_, absl::ZeroDuration()), kPauseMax));
  return nodes_.PauseUntil(std::min(absl::Now() + pause, deadline_));
}

std::shared_ptr<Connection> Tour::Next() {
  while (!IsHopeless()) {
    std::shared_ptr<Connection> connection = nodes_.Pick(tried_);
    if (connection == nullptr) {
      if (!Pause()) return nullptr;
      continue;
    }
    current_ = connection->address();
    tried_.push_back(current_);
    const absl::Time wait_until =
        std::min(absl::Now() + nodes_.options().connect_timeout, deadline_);
    if (connection->WaitUntilReady(wait_until)) {
      unreachable_since_ = absl::InfiniteFuture();
      return connection;
    }
    nodes_.Failed(current_);
    unreachable_since_ = std::min(unreachable_since_, absl::Now());
    // Asked for once, so that going from node to node stays as quick as it is.
    const std::string why = last_errors_.contains(current_) ? "" : connection->WhyNotReady();
    if (!why.empty() || !last_errors_.contains(current_)) {
      last_errors_.insert_or_assign(
          current_, absl::UnavailableError(why.empty() ? "cannot connect"
                                                       : absl::StrCat("cannot connect: ", why)));
    }
  }
  return nullptr;
}

bool Tour::Absorb(const absl::Status& error) {
  CHECK(!error.ok());
  const ErrorDetail detail = DetailOf(error);
  // A follower may not know yet of the login that another node has just acknowledged.
  const bool may_know_later =
      absl::IsUnauthenticated(error) && unauthenticated_answers_ < kUnauthenticatedAnswersMax;
  if (absl::IsUnauthenticated(error)) ++unauthenticated_answers_;
  const bool is_shedding = absl::IsResourceExhausted(error) && detail.retry_after.has_value();
  if (!IsOfThisNodeOnly(error, detail) && !is_shedding && !may_know_later) return false;

  last_errors_.insert_or_assign(current_, error);
  if (is_shedding || may_know_later) {
    pause_at_least_ = detail.retry_after.value_or(absl::ZeroDuration());
    if (is_shedding) {
      tried_ = nodes_.addresses();
      refusal_ = error;
    }
    return true;
  }
  // Without a reason it comes from the transport: the node may have done it before it died.
  const bool is_unknown = detail.reason.empty() || detail.reason == "OUTCOME_UNKNOWN";
  is_outcome_unknown_ = is_outcome_unknown_ || is_unknown;
  const std::string leader = LeaderHint(detail);
  if (leader.empty()) {
    nodes_.Failed(current_);
  } else {
    Redirect(leader);
  }
  return true;
}

void Tour::Redirect(const std::string& leader) {
  nodes_.LeaderIs(leader);
  // Ask the leader next even if it was asked in this round; but a pair of nodes that send us to
  // each other must not keep us from pausing.
  const auto visits = std::count(tried_.begin(), tried_.end(), current_);
  if (leader == current_ || visits > kRedirectsPerRoundMax) return;
  if (nodes_.IsSuspect(leader)) return;  // Dead, and this node has not noticed yet.
  const auto seen = std::find(tried_.begin(), tried_.end(), leader);
  if (seen != tried_.end()) *seen = current_;
}

absl::Status Tour::Failure() const {
  if (nodes_.IsClosed()) return absl::CancelledError("the client was closed");
  std::string nodes;
  for (const auto& [address, error] : last_errors_) {
    absl::StrAppend(&nodes, nodes.empty() ? "" : "; ", address, ": ", error.message());
  }
  const std::string text = absl::StrCat(
      "no node of the cluster answered in time",
      nodes.empty() ? std::string(": none was asked") : absl::StrCat(" (", nodes, ")"));
  if (!is_outcome_unknown_ && refusal_) return *refusal_;
  if (is_outcome_unknown_) {
    return absl::DeadlineExceededError(absl::StrCat(text, "; whether it took effect is unknown"));
  }
  return absl::UnavailableError(text);
}

}  // namespace coterie::client
