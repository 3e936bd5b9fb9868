#pragma once

// What all calls and streams of one client share: the address book, a connection per node, the
// session's token. And Tour, one caller's way through the nodes until one of them answers. Knows no
// method of the API. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "client/address_book.h"
#include "client/backoff.h"
#include "client/connection.h"

namespace coterie::client {

struct NodesOptions {
  std::vector<std::string> addresses;  // "host:port"; any members of the cluster, at least one.
  Credentials credentials;
  // A node that is not connected by then is left for a later round.
  absl::Duration connect_timeout = absl::Milliseconds(150);
  // A call fails before its deadline when no node at all could be connected for this long.
  absl::Duration unreachable_timeout = absl::InfiniteDuration();
  std::uint64_t seed = 1;  // Of the jitter.
};

class Nodes {
 public:
  explicit Nodes(NodesOptions options);

  // The best node not among `tried`; null when there is none left. Does not wait.
  std::shared_ptr<Connection> Pick(const std::vector<std::string>& tried);
  void Succeeded(const std::string& address);
  void Failed(const std::string& address);
  void LeaderIs(const std::string& address);
  void Learn(const std::vector<std::string>& members, const std::string& leader);
  bool IsSuspect(const std::string& address) const;
  std::vector<std::string> addresses() const;
  std::string leader() const;

  std::string token() const;
  void SetToken(std::string token);

  // Waits until `time`; false at once when closed.
  bool PauseUntil(absl::Time time);
  // Ends every pause; no tour goes on.
  void Close();
  bool IsClosed() const;

  // From the one generator of this client.
  std::uint64_t Random();
  const NodesOptions& options() const { return options_; }

 private:
  const NodesOptions options_;
  mutable absl::Mutex mutex_;
  AddressBook book_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
  Prng prng_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Each node once per round, the best first, with a jittered pause between rounds. One owner.
class Tour {
 public:
  // `nodes` outlives the tour.
  Tour(Nodes& nodes, absl::Time deadline);
  void SetDeadline(absl::Time deadline) { deadline_ = deadline; }

  // The next node, connected. Null when the deadline has passed, the client is closed, or nothing
  // could be connected for too long: Failure() then says what happened.
  std::shared_ptr<Connection> Next();
  // The node last returned answered `error`. True when another node or a later attempt may do
  // better: the tour then goes on in the right direction. False when the error is the cluster's
  // answer.
  bool Absorb(const absl::Status& error);

  // For streams: the node that failed is `address`, from an earlier tour.
  void ComesFrom(const std::string& address) { current_ = address; }
  // True when no node could be connected for Options::unreachable_timeout.
  bool IsUnreachable() const;

  // Why no node did it. kDeadlineExceeded if one was asked and its outcome may be unknown; what a
  // node said, kResourceExhausted, if one had no room for it until the end; kUnavailable if none
  // could be reached or none was ready; kCancelled when closed.
  absl::Status Failure() const;

 private:
  void Redirect(const std::string& leader);
  bool IsHopeless() const;
  bool Pause();

  Nodes& nodes_;
  absl::Time deadline_;
  Prng prng_;
  Backoff backoff_;
  std::vector<std::string> tried_;  // In this round.
  std::string current_;
  absl::Duration pause_at_least_ = absl::ZeroDuration();
  absl::Time unreachable_since_;
  bool is_outcome_unknown_ = false;
  int unauthenticated_answers_ = 0;
  std::map<std::string, absl::Status> last_errors_;  // By address.
  std::optional<absl::Status> refusal_;              // The last one that was to be waited out.
};

}  // namespace coterie::client
