#pragma once

// coterie.v1.AssistService: a language model at work on documents. Reads the text at a revision,
// asks the model, and makes of its answers texts for the caller, suggestions in the state, or,
// where the caller asks for that alone, text in the document. The tasks block, each on a thread
// that may (turn_threads.h); the two unary methods do not.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <functional>
#include <string>
#include <string_view>

#include "coterie/v1/assist.pb.h"
#include "rpc/assist_task.h"
#include "rpc/built_in.h"
#include "rpc/call.h"
#include "rpc/guest.h"
#include "rpc/llm_servers.h"
#include "rpc/node_calls.h"
#include "rpc/rewriting.h"
#include "rpc/task_model.h"
#include "rpc/task_text.h"
#include "state/command.h"

namespace coterie::rpc {

class AssistService {
 public:
  // All outlive it.
  AssistService(const NodeCalls& calls, const LlmServers& servers, const BuiltIn& built_in)
      : calls_(calls), model_(calls, servers), built_in_(built_in) {}

  absl::Status Run(AssistTask& task, const v1::AskRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::SummarizeRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::GrammarRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::EnhanceRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::ContinueRequest& request) const;

  void ListSuggestions(const Call& call, v1::ListSuggestionsRequest request,
                       Reply<v1::ListSuggestionsResponse> reply);
  void ResolveSuggestion(const Call& call, v1::ResolveSuggestionRequest request,
                         Reply<v1::ResolveSuggestionResponse> reply);

  // Who is told of the cursors of tasks that write; one at most, empty = nobody.
  void OnGuest(GuestListener listener);

 private:
  template <class Request>
  absl::Status Rewrite(AssistTask& task, const Request& request, const Rewriting::How& how) const;
  // By the caller's own instruction.
  absl::Status RewriteAsTold(AssistTask& task, const v1::EnhanceRequest& request) const;
  // As much of what is written as the model takes.
  absl::StatusOr<LlmServers::Answer> GoOn(
      AssistTask& task, const v1::ContinueRequest& request, const Source& source,
      std::string_view written, const std::function<void(const std::string&)>& on_text = {}) const;
  absl::Status Write(AssistTask& task, const v1::ContinueRequest& request, const Source& source,
                     std::string_view written) const;
  // Whether the built-in assistant is to answer. Of what it can do.
  bool IsBuiltIn(AssistTask& task, const v1::AssistOptions& options) const;
  absl::Status Spell(AssistTask& task, const v1::GrammarRequest& request) const;
  absl::Status Extract(AssistTask& task, const v1::SummarizeRequest& request) const;
  GuestListener guests() const;
  // Ends the task with these changes as suggestions.
  absl::Status Suggest(AssistTask& task, state::AddSuggestions add,
                       v1::AssistEvent::Finished finished) const;

  const NodeCalls& calls_;
  const TaskModel model_;
  const BuiltIn& built_in_;
  mutable absl::Mutex mutex_;
  GuestListener listener_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::rpc
