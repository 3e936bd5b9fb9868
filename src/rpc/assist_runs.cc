#include "rpc/assist_runs.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rpc/steady_time.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {
namespace {

constexpr absl::Duration kComeAgain = absl::Seconds(5);

v1::AssistEvent QueuedAt(std::size_t place) {
  v1::AssistEvent event;
  event.mutable_queued()->set_place(static_cast<std::uint32_t>(place));
  return event;
}

}  // namespace

AssistRun::Taken AssistRun::Take() {
  absl::MutexLock lock(&mutex_);
  Taken taken;
  if (queue_.size() == kQueuedMax) static_cast<void>(room_.TryPush({}));
  if (!queue_.empty()) {
    taken.event = std::move(queue_.front());
    queue_.pop_front();
  } else if (waiting_) {
    taken.event = std::exchange(waiting_, std::nullopt);
  } else {
    taken.end = end_;
  }
  return taken;
}

void AssistRun::Cancel() {
  {
    absl::MutexLock lock(&mutex_);
    is_cancelled_ = true;
    queue_.clear();
    waiting_.reset();
  }
  static_cast<void>(room_.TryPush({}));  // Full: it has been said already.
  cancellation_.Cancel();
}

void AssistRun::SetDeadline(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  deadline_ = SteadyNow() + (deadline - absl::Now());
}

absl::Status AssistRun::Stalled() const {
  return Error(
      absl::StatusCode::kAborted, "STALLED",
      absl::StrCat("The caller took nothing of the answer for ", absl::FormatDuration(stalled_max_),
                   " or until its deadline, and the task was ended. Ask again, and read."));
}

bool AssistRun::PutInTime(const v1::AssistEvent& event) {
  const absl::Time begun = SteadyNow();
  std::deque<Room> room;
  while (true) {
    absl::Duration patience;
    {
      absl::MutexLock lock(&mutex_);
      if (is_cancelled_) return true;
      if (queue_.size() < kQueuedMax) {
        CHECK(!end_.has_value());
        waiting_.reset();
        queue_.push_back(event);
        return true;
      }
      patience = std::min(deadline_, begun + stalled_max_) - SteadyNow();
    }
    if (patience <= absl::ZeroDuration()) return false;
    room_.WaitAndTakeAll(room, patience);
    room.clear();
  }
}

void AssistRun::Put(const v1::AssistEvent& event) {
  if (PutInTime(event)) return listener_.changed();
  Cancel();
  if (listener_.cut_off) listener_.cut_off(Stalled());
}

void AssistRun::Tell(const v1::AssistEvent& waiting) {
  {
    absl::MutexLock lock(&mutex_);
    if (is_cancelled_ || end_) return;
    waiting_ = waiting;
  }
  listener_.changed();
}

void AssistRun::End(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    waiting_.reset();
    CHECK(!end_.has_value());
    end_ = status;
  }
  listener_.changed();
}

template <class Message>
void AssistRuns::Bind(const AssistService& service) {
  const Policy* policy = FindPolicy(MethodOf(*Message::descriptor()).full_name());
  CHECK(policy != nullptr);
  Method method{.policy = policy, .make_request = [] { return std::make_shared<Message>(); }};
  method.run = [&service](AssistTask& task, const google::protobuf::Message& message) {
    return service.Run(task, static_cast<const Message&>(message));
  };
  methods_.emplace(policy->method, std::move(method));
}

AssistRuns::AssistRuns(Gate& gate, AssistService& service, TurnThreads& threads,
                       absl::Duration stalled_max)
    : gate_(gate), service_(service), threads_(threads), stalled_max_(stalled_max) {
  Bind<v1::AskRequest>(service);
  Bind<v1::SummarizeRequest>(service);
  Bind<v1::GrammarRequest>(service);
  Bind<v1::EnhanceRequest>(service);
  Bind<v1::ContinueRequest>(service);
}

const AssistRuns::Method* AssistRuns::Find(std::string_view name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

absl::Status AssistRuns::Enter(const Method& method, std::size_t bytes) {
  absl::Status status = gate_.Enter(*method.policy, bytes);
  if (status.ok()) gate_.Leave(bytes);  // A stream is counted by its thread, not by its request.
  return status;
}

void AssistRuns::Start(const Method& method, Request request,
                       const std::shared_ptr<AssistRun>& run) {
  run->SetDeadline(request.deadline);
  gate_.authenticator().Admit(*method.policy, request.authorization, request.deadline,
                              [this, &method, request, run](absl::StatusOr<Caller> caller) {
                                if (!caller.ok()) return run->End(caller.status());
                                Begin(method,
                                      {.caller = *std::move(caller),
                                       .deadline = request.deadline,
                                       .authorization = request.authorization},
                                      request.message, run);
                              });
}

void AssistRuns::CancelAll() {
  absl::MutexLock lock(&mutex_);
  is_ending_ = true;
  for (const std::shared_ptr<AssistRun>& run : running_) run->Cancel();
}

bool AssistRuns::Register(const std::shared_ptr<AssistRun>& run) {
  absl::MutexLock lock(&mutex_);
  if (!is_ending_) running_.insert(run);
  return !is_ending_;
}

void AssistRuns::Begin(const Method& method, Call call, MessagePtr message,
                       const std::shared_ptr<AssistRun>& run) {
  const std::string user = call.caller.user;
  const TurnThreads::Taken taken = threads_.TryRun(
      {.user = user,
       .is_abandoned = [run] { return run->cancellation().IsCancelled(); },
       .on_place = [run](std::size_t place) { run->Tell(QueuedAt(place)); },
       .run =
           [this, &method, call = std::move(call), message = std::move(message), run] {
             AssistTask task{
                 .call = call, .cancellation = run->cancellation(), .sink = *run, .gate = gate_};
             const bool runs = Register(run) && !run->cancellation().IsCancelled();
             run->End(runs ? method.run(task, *message)
                           : absl::CancelledError("nobody waits for it"));
             absl::MutexLock lock(&mutex_);
             running_.erase(run);
           }});
  switch (taken) {
    case TurnThreads::Taken::kYes:
      return;
    case TurnThreads::Taken::kUserHasEnough:
      return run->End(
          Overloaded(absl::StrCat("As many questions of yours as one user may have on this node, ",
                                  kAssistThreads.running_per_user_max, " under way and ",
                                  kAssistThreads.waiting_per_user_max,
                                  " waiting, are here already; wait for an answer, or stop one."),
                     kComeAgain));
    case TurnThreads::Taken::kFull:
      return run->End(Overloaded(
          "This node is busy with as many questions to the model as it takes; try again.",
          kComeAgain));
  }
}

}  // namespace coterie::rpc
