#pragma once

// A text rewritten by the model, passage by passage, as suggestions: what is finished is kept as it
// comes, each batch against the text as it was shortly before, so that neither a late failure nor
// others who write meanwhile cost what is done. An answer that was cut off becomes no suggestion:
// the passage is asked for again in smaller pieces. One owner, a thread that may block; one task.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/guard.h"
#include "assist/prompts.h"
#include "assist/word_diff.h"
#include "coterie/v1/assist.pb.h"
#include "rpc/steady_proposals.h"
#include "rpc/task_model.h"
#include "rpc/task_text.h"
#include "rpc/working_mark.h"
#include "state/command.h"

namespace coterie::rpc {

class Rewriting {
 public:
  // How passages become other ones.
  struct How {
    state::SuggestionKind kind;
    std::size_t passage_bytes_max;
    assist::GuardLimits limits;
    std::string why;  // Of each suggestion; may be empty.
    std::function<assist::Prompt(std::string_view passage)> prompt;
    // What differs, a suggestion each. Nothing: too much does.
    std::function<std::optional<std::vector<assist::Change>>(std::string_view passage,
                                                             std::string_view better)>
        changes;
  };
  struct Asked {
    const v1::AssistOptions& options;
    WorkingMark& mark;  // Stands at the passage that is worked on.
  };
  // All outlive it.
  Rewriting(const NodeCalls& calls, const TaskModel& model, AssistTask& task, const How& how,
            const Asked& asked);

  // Tells the task's sink of its progress and, unless it failed, of its end.
  absl::Status Run(Remaining remaining, const std::string& author);

 private:
  enum class Goes : std::uint8_t { kOn, kNoFurther };
  // Since the text was read anew.
  struct Batch {
    std::vector<state::SuggestedChange> changes;
    std::uint64_t begin = 0;  // Where the text begins that it is about.
    absl::Time read_at = absl::InfinitePast();
  };

  absl::Status ReadAnew();
  // The next passage, not longer than `passage_max_` allows.
  assist::Range NextPassage() const;
  absl::StatusOr<Goes> DoPassage(const assist::Range& passage);
  absl::StatusOr<LlmServers::Answer> AskFor(std::string_view passage);
  // True: the passage is to be asked for in smaller pieces.
  bool MakesSmaller(std::string_view passage, bool is_of_all);
  Goes Take(std::string_view passage, const LlmServers::Answer& answer);
  void Advance(const assist::Range& passage);
  // Whether others have written since the text was read.
  absl::StatusOr<bool> HasChanged() const;
  // Keeps what has come together. An error: remaining_ begins with it again.
  absl::Status Keep();
  absl::StatusOr<std::size_t> CountKept(Revision batch) const;
  // The end of all of it for this reason, unless nothing has been done yet: then it is an error.
  absl::Status StopFor(const absl::Status& why);
  absl::Status Finish();

  const NodeCalls& calls_;
  const TaskModel& model_;
  AssistTask& task_;
  const How how_;
  const v1::AssistOptions& options_;
  WorkingMark& mark_;
  const absl::Time answers_by_;
  SteadyProposals proposals_;
  std::uint32_t context_tokens_ = 0;
  std::string author_;
  std::string model_name_;
  Remaining remaining_;
  std::size_t at_ = 0;   // In bytes of the text, where remaining_ begins,
  std::size_t end_ = 0;  // and ends.
  std::size_t usual_max_;
  std::size_t passage_max_;  // Of the next one.
  Batch batch_;
  std::size_t suggested_ = 0;  // With what is in the batch.
  std::size_t done_ = 0;       // Passages.
  v1::AssistEvent::Finished finished_;
};

}  // namespace coterie::rpc
