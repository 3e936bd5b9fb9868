#pragma once

// Asking the language model on a task's behalf: for the session that asked, as long as it lasts,
// and in the model's own measure. An answer that nobody is shown as it comes is asked for again
// when its server dies. Blocks; any thread.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "assist/prompts.h"
#include "coterie/v1/assist.pb.h"
#include "rpc/assist_task.h"
#include "rpc/llm_servers.h"
#include "rpc/node_calls.h"
#include "rpc/task_text.h"

namespace coterie::rpc {

struct Question {
  assist::Prompt prompt;
  const v1::AssistOptions& options;
  // Of the answer. 0 = as the caller has said, or else as the LLM server has it.
  std::uint32_t max_tokens = 0;
  // An answer after this is worth nothing.
  absl::Time deadline = absl::InfiniteFuture();
  enum class Shows : std::uint8_t { kText, kNothing };
  Shows shows = Shows::kNothing;
  std::function<void(const std::string& text)> on_text = {};
};

class TaskModel {
 public:
  // Both outlive it.
  TaskModel(const NodeCalls& calls, const LlmServers& servers) : calls_(calls), servers_(servers) {}

  // About `source`, which is without a document if the question is free.
  absl::StatusOr<LlmServers::Answer> Ask(AssistTask& task, const Source& source,
                                         Question question) const;
  // Of the session that asked: a task may take longer than it lasts.
  absl::Status CheckSession(const AssistTask& task) const;
  // As LlmServers has them, but a model that is being loaded is waited for, and the task's caller
  // told how far it is.
  bool IsReady(AssistTask& task) const;
  std::uint32_t ContextTokens(AssistTask& task) const;
  const LlmServers& servers() const { return servers_; }

 private:
  // Until one answers, or none is loading any more. False: none was, by what they said last.
  bool HasWaitedUntilLoaded(AssistTask& task) const;

  const NodeCalls& calls_;
  const LlmServers& servers_;
};

// A piece of an answer.
v1::AssistEvent TextOf(const std::string& text);
// Whether the model refused a prompt because it does not fit with its answer.
bool IsTooLongForModel(const absl::Status& status);
v1::AssistEvent::CutOff CutOffOf(LlmServers::Ended ended);

// How many bytes of text surely fit, or nearly so, in a prompt beside an answer of so many tokens.
// What does not fit after all is refused by the model, and asked for with less.
std::size_t PromptBytesMax(std::uint32_t context_tokens, std::uint32_t answer_tokens);

}  // namespace coterie::rpc
