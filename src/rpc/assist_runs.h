#pragma once

// The tasks of AssistService for whatever face: found by the method's name, let in by the gate, run
// on one of a few threads that may block, with a bounded queue of events between the task and who
// asked. Any thread.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "coterie/v1/assist.pb.h"
#include "rpc/assist_service.h"
#include "rpc/gate.h"
#include "rpc/turn_threads.h"
#include "runtime/inbox.h"

namespace coterie::rpc {

// Tasks on one node: most of the time each waits for the model.
inline constexpr TurnThreads::Options kAssistThreads{
    .threads = 16, .running_per_user_max = 4, .waiting_per_user_max = 8, .waiting_max = 64};

// One task under way, and what it has to say. The face takes; the task puts.
class AssistRun final : public AssistSink {
 public:
  static constexpr std::size_t kQueuedMax = 256;

  struct Listener {
    // Take() may have something. On any thread, and may call it.
    std::function<void()> changed;
    // Nothing was taken for too long: the task has ended, and nothing is to be taken any more. On
    // the task's thread; may be empty.
    std::function<void(const absl::Status& why)> cut_off;
  };
  AssistRun(Listener listener, absl::Duration stalled_max)
      : listener_(std::move(listener)), stalled_max_(stalled_max) {}

  struct Taken {
    std::optional<v1::AssistEvent> event;
    std::optional<absl::Status> end;  // After the last event.
  };
  Taken Take();
  // Who asked has gone: what the task is waiting for ends, and what it says is dropped.
  void Cancel();

  // After this nobody waits for room any more.
  void SetDeadline(absl::Time deadline);
  void Put(const v1::AssistEvent& event) override;
  void Tell(const v1::AssistEvent& waiting) override;
  void End(const absl::Status& status);
  Cancellation& cancellation() { return cancellation_; }

 private:
  // True: it was put, or nobody wants it. False: nothing was taken for too long.
  bool PutInTime(const v1::AssistEvent& event);
  absl::Status Stalled() const;

  const Listener listener_;
  const absl::Duration stalled_max_;
  Cancellation cancellation_;
  absl::Mutex mutex_;
  std::deque<v1::AssistEvent> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::AssistEvent> waiting_ ABSL_GUARDED_BY(mutex_);  // Behind the queue.
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  absl::Time deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // By SteadyNow().
  bool is_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // Says that there is room again: absl's mutex waits by the wall clock, this does not.
  struct Room {};
  runtime::Inbox<Room> room_{1};
};

class AssistRuns {
 public:
  using MessagePtr = std::shared_ptr<google::protobuf::Message>;
  struct Method {
    const Policy* policy = nullptr;
    std::function<MessagePtr()> make_request;
    std::function<absl::Status(AssistTask&, const google::protobuf::Message&)> run;
  };

  // All outlive it. Who takes nothing of an answer for `stalled_max` is cut off.
  AssistRuns(Gate& gate, AssistService& service, TurnThreads& threads, absl::Duration stalled_max);

  // For a request that is about to be started.
  std::shared_ptr<AssistRun> NewRun(AssistRun::Listener listener) const {
    return std::make_shared<AssistRun>(std::move(listener), stalled_max_);
  }

  // By its full name, for example "coterie.v1.AssistService.Ask". Null if it is no such stream.
  const Method* Find(std::string_view name) const;
  const std::map<std::string_view, Method>& methods() const { return methods_; }

  // What the gate says to a request of this many bytes, before it is parsed.
  absl::Status Enter(const Method& method, std::size_t bytes);

  struct Request {
    std::string authorization;
    absl::Time deadline;
    MessagePtr message;
  };
  // Checks who asks, then runs the task; however that goes, the run is ended.
  void Start(const Method& method, Request request, const std::shared_ptr<AssistRun>& run);
  // See AssistService.
  void OnGuest(GuestListener listener) { service_.OnGuest(std::move(listener)); }
  // The server is ending: cancels what runs, and what would begin.
  void CancelAll();

 private:
  template <class Message>
  void Bind(const AssistService& service);
  bool Register(const std::shared_ptr<AssistRun>& run);
  void Begin(const Method& method, Call call, MessagePtr message,
             const std::shared_ptr<AssistRun>& run);

  Gate& gate_;
  AssistService& service_;
  TurnThreads& threads_;
  const absl::Duration stalled_max_;
  std::map<std::string_view, Method> methods_;  // The names are the policies'.
  absl::Mutex mutex_;
  std::set<std::shared_ptr<AssistRun>> running_ ABSL_GUARDED_BY(mutex_);
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace coterie::rpc
