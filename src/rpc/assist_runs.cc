#include "rpc/assist_runs.h"

#include <utility>

#include "base/check.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {

AssistRun::Taken AssistRun::Take() {
  absl::MutexLock lock(&mutex_);
  Taken taken;
  if (!queue_.empty()) {
    taken.event = std::move(queue_.front());
    queue_.pop_front();
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
  }
  cancellation_.Cancel();
}

void AssistRun::Put(const v1::AssistEvent& event) {
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &AssistRun::HasRoom));
    if (is_cancelled_) return;
    CHECK(!end_.has_value());
    queue_.push_back(event);
  }
  changed_();
}

void AssistRun::End(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    CHECK(!end_.has_value());
    end_ = status;
  }
  changed_();
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

AssistRuns::AssistRuns(Gate& gate, AssistService& service, WorkThreads& threads)
    : gate_(gate), service_(service), threads_(threads) {
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
  const bool is_taken =
      threads_.TryRun([this, &method, call = std::move(call), message = std::move(message), run] {
        AssistTask task{.call = call, .cancellation = run->cancellation(), .sink = *run};
        const bool runs = Register(run) && !run->cancellation().IsCancelled();
        run->End(runs ? method.run(task, *message) : absl::CancelledError("nobody waits for it"));
        absl::MutexLock lock(&mutex_);
        running_.erase(run);
      });
  if (is_taken) return;
  run->End(
      Overloaded("This node is busy with as many questions to the model as it takes; try again.",
                 absl::Seconds(5)));
}

}  // namespace coterie::rpc
