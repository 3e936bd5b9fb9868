#pragma once

// coterie.v1.AssistService: a language model at work on documents. Reads the text at a revision,
// asks the model, and makes of its answers texts for the caller, or suggestions in the state; never
// an edit. The tasks block, each on a thread that may (work_threads.h); the two unary methods do
// not.

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "assist/prompts.h"
#include "coterie/v1/assist.pb.h"
#include "rpc/call.h"
#include "rpc/llm_servers.h"
#include "rpc/node_calls.h"

namespace coterie::rpc {

// Where a task's answer goes as it comes.
class AssistSink {
 public:
  virtual ~AssistSink() = default;
  // Blocks while the caller does not read. What comes after a cancellation is dropped.
  virtual void Put(const v1::AssistEvent& event) = 0;
};

// Whom a task is for. All of it outlives the task.
struct AssistTask {
  const Call& call;
  Cancellation& cancellation;
  AssistSink& sink;
  bool has_started = false;  // The caller has been told who answers.
};

class AssistService {
 public:
  // Both outlive it.
  AssistService(const NodeCalls& calls, const LlmServers& servers)
      : calls_(calls), servers_(servers) {}

  absl::Status Run(AssistTask& task, const v1::AskRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::SummarizeRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::GrammarRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::EnhanceRequest& request) const;
  absl::Status Run(AssistTask& task, const v1::ContinueRequest& request) const;

  void ListSuggestions(const Call& call, v1::ListSuggestionsRequest request,
                       Reply<v1::ListSuggestionsResponse> reply);
  void ResolveSuggestion(const Call& call, v1::ResolveSuggestionRequest request,
                         Reply<v1::ResolveSuggestionResponse> reply);

 private:
  // The text that a task is about.
  struct Source {
    DocId doc;
    Revision revision;
    std::string text;
  };
  struct Suggested {
    std::string model;
    std::vector<state::SuggestedChange> changes;
    std::uint32_t dropped = 0;
  };
  enum class Shows : std::uint8_t { kText, kNothing };

  absl::StatusOr<Source> ReadText(AssistTask& task, const v1::DocumentRef& ref,
                                  state::DocumentRole role) const;
  absl::StatusOr<LlmServers::Answer> Ask(AssistTask& task, const assist::Prompt& prompt,
                                         const v1::AssistOptions& options, const Source& source,
                                         Shows shows) const;
  // Of the session that asked: a task may take longer than it lasts.
  absl::Status CheckSession(const AssistTask& task) const;
  absl::Status Suggest(AssistTask& task, const Source& source, state::SuggestionKind kind,
                       Suggested suggested) const;

  const NodeCalls& calls_;
  const LlmServers& servers_;
};

}  // namespace coterie::rpc
