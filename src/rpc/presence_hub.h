#pragma once

// Who is here and what they do, for all attached streams of this node: gathers it when something
// changed, at most so often, and hands every stream the list as its user may see it. Newest wins:
// what a slow client has not taken is replaced. The gathering runs on a thread of the hub's own.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "coterie/v1/presence.pb.h"
#include "node/node.h"
#include "rpc/call.h"
#include "state/machine.h"

namespace coterie::rpc {

v1::Activity ToProto(node::Activity activity);
node::Activity FromProto(v1::Activity activity);

// Who is present as of `state`, and what they do. Made on the apply thread, read anywhere.
class PresentList {
 public:
  PresentList(const state::Machine& state, const std::vector<node::Presence>& activities,
              const std::set<std::string>& viewers);
  // As one of `viewers` may see it.
  std::vector<v1::Presence> Describe(const std::string& viewer) const;

 private:
  struct Row {
    v1::Presence presence;
    DocId doc;
  };
  std::vector<Row> rows_;
  std::set<std::pair<std::string, DocId>> visible_;
};

// One attached stream, as the hub sees it. Its verbs run on the hub's thread.
class AttachedStream {
 public:
  virtual ~AttachedStream() = default;
  virtual const Caller& caller() const = 0;
  virtual void Show(const std::vector<v1::Presence>& present) = 0;
  // The session has left although this stream is open: join again.
  virtual void JoinAgain() = 0;
  virtual void End(const absl::Status& why) = 0;
};

class PresenceHub {
 public:
  static constexpr std::size_t kStreamsMax = 10'000;
  static constexpr std::size_t kStreamsPerUserMax = 1'000;
  static constexpr std::size_t kStreamsPerSessionMax = 16;

  explicit PresenceHub(node::Node& node) : node_(node) {}
  // Requires Stop().
  ~PresenceHub() = default;
  PresenceHub(const PresenceHub&) = delete;
  PresenceHub& operator=(const PresenceHub&) = delete;

  void Start();
  void EndAll(const absl::Status& why);
  // Joins the thread. The node must still be there.
  void Stop();

  // kResourceExhausted: too many, of the node, the user or the session.
  absl::Status Add(const std::shared_ptr<AttachedStream>& stream);
  void Remove(const std::shared_ptr<AttachedStream>& stream);
  // Shows `stream` the list, whether it changed or not.
  void Answer(const std::shared_ptr<AttachedStream>& stream);

 private:
  using Stream = std::shared_ptr<AttachedStream>;
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_stopping_ || is_changed_ || !asking_.empty() || !left_.empty();
  }
  void Listen(const state::EventBatch& batch, const state::Machine& state);
  void Run();
  // How long the list took the apply thread.
  absl::Duration ShowAll(const std::vector<Stream>& streams);
  void EndDead(const std::vector<Stream>& streams);

  node::Node& node_;
  std::uint64_t events_listener_ = 0;
  std::uint64_t activity_listener_ = 0;
  std::jthread thread_;

  absl::Mutex mutex_;
  std::set<Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<SessionId, std::size_t> of_session_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> of_user_ ABSL_GUARDED_BY(mutex_);
  std::set<Stream> asking_ ABSL_GUARDED_BY(mutex_);
  std::set<SessionId> left_ ABSL_GUARDED_BY(mutex_);
  bool is_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace coterie::rpc
