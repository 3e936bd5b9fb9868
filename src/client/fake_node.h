#pragma once

// For tests of the client: nodes of gRPC without a cluster behind them, which fail as they are told
// to. FakeCluster is the truth that they share (one text, its effects and events); FakeNode one
// listening server. Not a model of Coterie: it knows only the calls that the tests make.

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <grpcpp/server.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coterie/v1/auth.grpc.pb.h"
#include "coterie/v1/backup.grpc.pb.h"
#include "coterie/v1/cluster.grpc.pb.h"
#include "coterie/v1/documents.grpc.pb.h"
#include "coterie/v1/events.grpc.pb.h"
#include "coterie/v1/presence.grpc.pb.h"

namespace coterie::client {

class FakeNode;

struct FakeCluster {
  absl::Mutex mutex;
  std::string text ABSL_GUARDED_BY(mutex);
  std::uint64_t revision ABSL_GUARDED_BY(mutex) = 0;
  // By (client, sequence): the revision of the one effect.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> effects ABSL_GUARDED_BY(mutex);
  std::uint64_t acked_below ABSL_GUARDED_BY(mutex) = 0;
  std::vector<v1::SubscribeResponse> events ABSL_GUARDED_BY(mutex);
  std::uint64_t oldest_event ABSL_GUARDED_BY(mutex) = 0;
  std::vector<v1::NodeStatus> members ABSL_GUARDED_BY(mutex);
  std::uint64_t leader_id ABSL_GUARDED_BY(mutex) = 0;
  int attached ABSL_GUARDED_BY(mutex) = 0;
  // What a backup consists of, a message each.
  std::vector<std::string> backup ABSL_GUARDED_BY(mutex);
  int left_cleanly ABSL_GUARDED_BY(mutex) = 0;
  // So many pages of documents say that another one follows, after the same token.
  int endless_pages ABSL_GUARDED_BY(mutex) = 0;

  // Adds an event; returns its revision.
  std::uint64_t Publish(const std::string& user);
};

// So late is an answer of a node that is slow.
inline constexpr absl::Duration kSlow = absl::Milliseconds(4'500);

// What a node does with the next unary call instead of answering it.
struct Failure {
  enum class Kind { kUnavailable, kNotLeader, kHang, kSlow, kDropReply, kExhausted, kLocked };
  Kind kind;
  std::string leader_address;  // kNotLeader.
};

class FakeNode {
 public:
  // Listens at `address`, or wherever there is a free port.
  explicit FakeNode(FakeCluster& cluster, const std::string& address = "127.0.0.1:0");
  ~FakeNode();

  const std::string& address() const { return address_; }
  // Queues failures: one per document call.
  void Fail(Failure failure, int times = 1);
  // Answers nothing any more, as a process that got SIGSTOP.
  void Freeze();
  // Stops listening and breaks every call, as kill -9 does.
  void Kill();
  // Document calls that arrived here.
  int calls() const;
  // Of the last call that had one; "" = none had.
  std::string last_token() const;

 private:
  class Service;
  friend class Service;
  // The scripted fate of one call: OK = answer it.
  grpc::Status Enter(grpc::ServerContext* context, bool* drop_reply);
  void RememberToken(const grpc::ServerContext& context);
  bool IsStopped(grpc::ServerContext* context) const;
  void WaitWhileFrozen(grpc::ServerContext* context) const;

  FakeCluster& cluster_;
  std::string address_;
  mutable absl::Mutex mutex_;
  std::deque<Failure> failures_ ABSL_GUARDED_BY(mutex_);
  bool frozen_ ABSL_GUARDED_BY(mutex_) = false;
  bool killed_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string last_token_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
};

// An address at which nobody listens.
std::string DeadAddress();

}  // namespace coterie::client
