#include "rpc/task_model.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "errors/detail.h"
#include "rpc/authenticate.h"
#include "rpc/status_map.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

// A server that is restarted loads its model meanwhile.
constexpr int kTriesMax = 6;
constexpr absl::Duration kFirstPause = absl::Milliseconds(500);
constexpr absl::Duration kPauseMax = absl::Seconds(8);
// At how far a model is loaded.
constexpr absl::Duration kLookAgain = absl::Milliseconds(500);
// What the task and the chat's form take of a context.
constexpr std::uint32_t kAroundTokens = 200;
// English has about four bytes a token, other scripts fewer.
constexpr std::uint32_t kBytesPerToken = 3;
constexpr std::size_t kPromptBytesMin = 64;

bool IsWorthATry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

// Takes the prompt, which may be as long as a document.
llm::v1::GenerateRequest RequestOf(const AssistTask& task, const Source& source,
                                   Question& question) {
  const v1::AssistOptions& options = question.options;
  llm::v1::GenerateRequest request;
  for (assist::Message& message : question.prompt) {
    llm::v1::ChatMessage& chat = *request.mutable_chat()->add_messages();
    chat.set_role(std::move(message.role));
    chat.set_content(std::move(message.content));
  }
  if (options.has_seed()) request.mutable_sampling()->set_seed(options.seed());
  if (options.has_temperature()) {
    request.mutable_sampling()->set_temperature(options.temperature());
  }
  request.set_max_tokens(question.max_tokens != 0 ? question.max_tokens : options.max_tokens());
  if (!source.doc.IsNone()) {
    request.set_cache_key(absl::StrCat("document:", source.doc.value()));
  }
  request.set_client(task.call.caller.user);
  return request;
}

using Waiting = LlmServers::Waiting;

v1::AssistEvent WaitingFor(Waiting waiting) {
  v1::AssistEvent event;
  switch (waiting.what) {
    case Waiting::For::kPlace:
      event.mutable_queued()->set_place(waiting.value);
      break;
    case Waiting::For::kModel:
      event.mutable_loading()->set_percent(waiting.value);
      break;
    case Waiting::For::kReading:
      event.mutable_reading()->set_percent(waiting.value);
      break;
  }
  return event;
}

v1::AssistEvent StartedOf(const std::string& model, Revision revision) {
  v1::AssistEvent event;
  event.mutable_started()->set_backend(v1::BACKEND_MODEL);
  event.mutable_started()->set_model(model);
  event.mutable_started()->set_revision(revision.value());
  return event;
}

}  // namespace

v1::AssistEvent TextOf(const std::string& text) {
  v1::AssistEvent event;
  event.set_text(text);
  return event;
}

bool TaskModel::HasWaitedUntilLoaded(AssistTask& task) const {
  std::optional<std::uint32_t> told;
  while (!task.cancellation.IsCancelled() && absl::Now() < task.call.deadline) {
    const std::optional<std::uint32_t> percent = servers_.LoadingPercent();
    if (!percent || !CheckSession(task).ok()) break;
    if (percent != told) task.sink.Tell(WaitingFor({Waiting::For::kModel, *percent}));
    told = percent;
    if (task.cancellation.WaitFor(kLookAgain) || servers_.IsReady(task.cancellation)) break;
  }
  return told.has_value();
}

bool TaskModel::IsReady(AssistTask& task) const {
  return servers_.IsReady(task.cancellation) ||
         (HasWaitedUntilLoaded(task) && servers_.IsReady(task.cancellation));
}

std::uint32_t TaskModel::ContextTokens(AssistTask& task) const {
  const std::uint32_t tokens = servers_.ContextTokens(task.cancellation);
  if (tokens != 0 || !HasWaitedUntilLoaded(task)) return tokens;
  return servers_.ContextTokens(task.cancellation);
}

absl::Status TaskModel::CheckSession(const AssistTask& task) const {
  if (calls_.node().sessions().Find(task.call.caller.session)) return absl::OkStatus();
  return NoSession();
}

absl::StatusOr<LlmServers::Answer> TaskModel::Ask(AssistTask& task, const Source& source,
                                                  Question question) const {
  if (question.options.built_in()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_MODEL",
                 "This takes a language model; the built-in assistant only checks spelling and "
                 "summarizes.");
  }
  RETURN_IF_ERROR(CheckSession(task));
  const bool is_shown = question.shows == Question::Shows::kText;
  LlmServers::Listener listener{.may_begin_anew = !is_shown};
  listener.started = [&task, &source](const std::string& model) {
    if (!std::exchange(task.has_started, true)) task.sink.Put(StartedOf(model, source.revision));
  };
  bool has_said = false;  // What another answer would say again.
  listener.text = [this, &task, &question, &has_said, is_shown](const std::string& text) {
    if (!CheckSession(task).ok()) return task.cancellation.Cancel();
    has_said = is_shown;
    if (is_shown) task.sink.Put(TextOf(text));
    if (question.on_text) question.on_text(text);
  };
  listener.waits = [&task](Waiting waiting) { task.sink.Tell(WaitingFor(waiting)); };
  const llm::v1::GenerateRequest request = RequestOf(task, source, question);
  const absl::Time deadline = std::min(task.call.deadline, question.deadline);
  absl::Duration pause = kFirstPause;
  for (int tries = 1;; ++tries) {
    absl::StatusOr<LlmServers::Answer> answer =
        servers_.Generate(request, deadline, task.cancellation, listener);
    RETURN_IF_ERROR(CheckSession(task));
    const bool may_begin = !has_said && absl::Now() < deadline;
    if (absl::IsUnavailable(answer.status()) && may_begin && HasWaitedUntilLoaded(task)) continue;
    // A task that is under way is worth some patience; where nobody answers, that is said at once.
    const bool is_patient = !is_shown && task.has_started && tries < kTriesMax;
    if (answer.ok() || !is_patient || !IsWorthATry(answer.status())) return answer;
    if (absl::Now() + pause > deadline || task.cancellation.WaitFor(pause)) return answer;
    pause = std::min(2 * pause, kPauseMax);
  }
}

bool IsTooLongForModel(const absl::Status& status) {
  return absl::IsInvalidArgument(status) && errors::ReasonOf(status) == "CONTEXT_EXCEEDED";
}

v1::AssistEvent::CutOff CutOffOf(LlmServers::Ended ended) {
  switch (ended) {
    case LlmServers::Ended::kWhole:
      return v1::AssistEvent::CUT_OFF_UNSPECIFIED;
    case LlmServers::Ended::kAtMaxTokens:
      return v1::AssistEvent::CUT_OFF_MAX_TOKENS;
    case LlmServers::Ended::kAtContextEnd:
      return v1::AssistEvent::CUT_OFF_CONTEXT;
  }
  return v1::AssistEvent::CUT_OFF_UNSPECIFIED;
}

std::size_t PromptBytesMax(std::uint32_t context_tokens, std::uint32_t answer_tokens) {
  const std::uint32_t taken = answer_tokens + kAroundTokens;
  if (context_tokens <= taken) return kPromptBytesMin;
  return std::max<std::size_t>(kPromptBytesMin, kBytesPerToken * (context_tokens - taken));
}

}  // namespace coterie::rpc
