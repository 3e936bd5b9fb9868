#pragma once

// coterie.v1.AssistService: a language model at work on documents. Reads the text at a revision,
// asks the model, and makes of its answers texts for the caller, suggestions in the state, or,
// where the caller asks for that alone, text in the document. The tasks block, each on a thread
// that may (work_threads.h); the two unary methods do not.

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/guard.h"
#include "assist/prompts.h"
#include "assist/word_diff.h"
#include "coterie/v1/assist.pb.h"
#include "rpc/built_in.h"
#include "rpc/call.h"
#include "rpc/guest.h"
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
  // All outlive it.
  AssistService(const NodeCalls& calls, const LlmServers& servers, const BuiltIn& built_in)
      : calls_(calls), servers_(servers), built_in_(built_in) {}

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
  // The text that a task is about.
  struct Source {
    DocId doc;
    Revision revision;
    std::string text;
  };
  struct Suggested {
    std::string author = "AI for ";  // Before the name of who asks.
    std::string model;
    std::vector<state::SuggestedChange> changes;
    v1::AssistEvent::Finished finished;
  };
  // How passages become other ones.
  struct Rewriting {
    state::SuggestionKind kind;
    std::size_t passage_bytes_max;
    assist::GuardLimits limits;
    std::function<assist::Prompt(std::string_view passage)> prompt;
    // What differs, a suggestion each. Nothing: too much does.
    std::function<std::optional<std::vector<assist::Change>>(std::string_view passage,
                                                             std::string_view better)>
        changes;
  };
  struct Place {
    assist::Prompt prompt;
    std::uint64_t position;  // In UTF-16 units.
  };
  using OnText = std::function<void(const std::string& text)>;
  enum class Shows : std::uint8_t { kText, kNothing };

  absl::StatusOr<Source> ReadText(AssistTask& task, const v1::DocumentRef& ref,
                                  state::DocumentRole role) const;
  // For a viewer, and no more than the range.
  absl::StatusOr<Source> ReadPart(AssistTask& task, const v1::DocumentRef& ref,
                                  const v1::TextRange& range) const;
  absl::StatusOr<LlmServers::Answer> Ask(AssistTask& task, const assist::Prompt& prompt,
                                         const v1::AssistOptions& options, const Source& source,
                                         Shows shows, OnText on_text = {}) const;
  // Of the session that asked: a task may take longer than it lasts.
  absl::Status CheckSession(const AssistTask& task) const;
  template <class Request>
  absl::Status Rewrite(AssistTask& task, const Request& request, const Rewriting& how) const;
  absl::Status Write(AssistTask& task, const v1::ContinueRequest& request, const Source& source,
                     const Place& place) const;
  // Whether the built-in assistant is to answer. Of what it
  // can do.
  bool IsBuiltIn(AssistTask& task, const v1::AssistOptions& options) const;
  absl::Status Spell(AssistTask& task, const v1::GrammarRequest& request) const;
  absl::Status Extract(AssistTask& task, const v1::SummarizeRequest& request) const;
  GuestListener guests() const;
  absl::Status Suggest(AssistTask& task, const Source& source, state::SuggestionKind kind,
                       Suggested suggested) const;

  const NodeCalls& calls_;
  const LlmServers& servers_;
  const BuiltIn& built_in_;
  mutable absl::Mutex mutex_;
  GuestListener listener_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace coterie::rpc
