#include "rpc/assist_service.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "assist/extract.h"
#include "assist/guard.h"
#include "assist/prompts.h"
#include "assist/sentences.h"
#include "assist/summary.h"
#include "assist/word_diff.h"
#include "base/utf8.h"
#include "rpc/await.h"
#include "rpc/live_text.h"
#include "rpc/steady_proposals.h"
#include "rpc/to_proto.h"
#include "rpc/working_mark.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

// Of the text in one prompt. A small model corrects a few sentences better than a page.
constexpr std::size_t kGrammarBytesMax = 600;
constexpr std::size_t kToneBytesMax = 1'200;
constexpr std::size_t kBeforeBytesMax = 4'000;
constexpr std::size_t kPartBytesMax = 6'000;
// With less before it nothing can be continued.
constexpr std::size_t kBeforeBytesMin = 64;
// Of an answer, where the caller has not said; of a small context less.
constexpr std::uint32_t kAnswerTokens = 512;
// More is read by no built-in summary, and by no built-in check: the next call goes on behind it.
constexpr std::size_t kExtractBytesMax = 1 << 20;
constexpr std::size_t kSpellBytesMax = 1 << 20;
constexpr std::size_t kQuestionBytesMax = 16 << 10;
constexpr std::size_t kInstructionBytesMax = 1 << 10;
// No vocabulary has longer tokens.
constexpr std::size_t kTokenBytesMax = 1'024;
// What is shorter may be copied for nothing, and its length is the model's to judge.
constexpr std::size_t kShortBytesMax = 64 << 10;

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", message);
}

absl::Status Gone() { return absl::CancelledError("nobody waits for it"); }

// For long work on a text: over when the caller has gone or the server stops.
assist::IsCancelled CancelledWith(const AssistTask& task) {
  return [&cancellation = task.cancellation] { return cancellation.IsCancelled(); };
}

assist::SummaryForm FormOf(const v1::SummarizeRequest& request) {
  const bool is_paragraph = request.form() == v1::SummarizeRequest::FORM_PARAGRAPH;
  return is_paragraph ? assist::SummaryForm::kParagraph : assist::SummaryForm::kBullets;
}

assist::Tone FromProto(v1::EnhanceRequest::Tone tone) {
  switch (tone) {
    case v1::EnhanceRequest::TONE_SHORTER:
      return assist::Tone::kShorter;
    case v1::EnhanceRequest::TONE_FORMAL:
      return assist::Tone::kFormal;
    case v1::EnhanceRequest::TONE_FRIENDLY:
      return assist::Tone::kFriendly;
    default:
      return assist::Tone::kClearer;
  }
}

// As writers read it.
std::string NameOf(assist::Tone tone) {
  switch (tone) {
    case assist::Tone::kClearer:
      return "clearer";
    case assist::Tone::kShorter:
      return "shorter";
    case assist::Tone::kFormal:
      return "more formal";
    case assist::Tone::kFriendly:
      return "friendlier";
  }
  return "";
}

v1::AssistEvent ProgressOf(std::size_t done, std::size_t known) {
  v1::AssistEvent event;
  event.mutable_progress()->set_done(static_cast<std::uint32_t>(done));
  event.mutable_progress()->set_known(static_cast<std::uint32_t>(known));
  return event;
}

v1::AssistEvent BuiltInStarted(Revision revision) {
  v1::AssistEvent event;
  event.mutable_started()->set_backend(v1::BACKEND_BUILT_IN);
  event.mutable_started()->set_model(BuiltIn::kName);
  event.mutable_started()->set_revision(revision.value());
  return event;
}

v1::AssistEvent FinishedOf(const v1::AssistEvent::Finished& finished) {
  v1::AssistEvent event;
  *event.mutable_finished() = finished;
  return event;
}

v1::AssistEvent FinishedAt(v1::AssistEvent::CutOff cut_off) {
  v1::AssistEvent::Finished finished;
  finished.set_cut_off(cut_off);
  return FinishedOf(finished);
}

// A change of tone is one suggestion for the whole passage.
std::optional<std::vector<assist::Change>> WholePassage(std::string_view passage,
                                                        std::string_view better) {
  if (passage == better) return std::vector<assist::Change>();
  return std::vector<assist::Change>{{.range = {.begin = 0, .end = passage.size()},
                                      .before = std::string(passage),
                                      .after = std::string(better)}};
}

std::string AuthorFor(const Caller& caller, const std::string& who = "AI for ") {
  return BeginOf(who + caller.user, state::kNameBytesMax);
}

// So that a context is not all taken by answers, whatever the caller has said.
std::uint32_t AnswerTokens(const v1::AssistOptions& options, std::uint32_t context_tokens) {
  const std::uint32_t wanted = options.max_tokens();
  if (context_tokens == 0) return wanted == 0 ? kAnswerTokens : wanted;
  return wanted == 0 ? std::min(kAnswerTokens, context_tokens / 4)
                     : std::min(wanted, context_tokens / 2);
}

// Before it is copied into a prompt, and sent.
absl::Status CheckFits(std::size_t bytes, std::uint32_t context_tokens) {
  if (context_tokens == 0 || bytes <= context_tokens * kTokenBytesMax) return absl::OkStatus();
  return WithDetail(absl::InvalidArgumentError(absl::StrCat(
                        "The text has ", bytes, " bytes, far more than the model's context of ",
                        context_tokens, " tokens; ask about a range of it.")),
                    {.reason = "CONTEXT_EXCEEDED",
                     .metadata = {{"prompt_tokens", absl::StrCat(bytes / kTokenBytesMax)},
                                  {"context_tokens", absl::StrCat(context_tokens)}}});
}

}  // namespace

absl::Status AssistService::Run(AssistTask& task, const v1::AskRequest& request) const {
  if (request.question().empty() || request.question().size() > kQuestionBytesMax) {
    return Invalid("The question is empty or longer than 16 KiB; ask a shorter one.");
  }
  Source source;
  if (request.has_document()) {
    ASSIGN_OR_RETURN(source, ReadPart(calls_, task, request.document(), request.range()));
  }
  if (source.text.size() > kShortBytesMax) {
    RETURN_IF_ERROR(CheckFits(source.text.size(), model_.ContextTokens(task)));
  }
  // The prompt has the text, and is the model's alone: a second copy may take 64 MiB.
  assist::Prompt prompt = assist::AskPrompt(std::exchange(source.text, {}), request.question());
  ASSIGN_OR_RETURN(const LlmServers::Answer answer, model_.Ask(task, source,
                                                               {.prompt = std::move(prompt),
                                                                .options = request.options(),
                                                                .shows = Question::Shows::kText}));
  task.sink.Put(FinishedAt(CutOffOf(answer.ended)));
  return absl::OkStatus();
}

absl::Status AssistService::Run(AssistTask& task, const v1::SummarizeRequest& request) const {
  if (IsBuiltIn(task, request.options())) return Extract(task, request);
  ASSIGN_OR_RETURN(Source source, ReadPart(calls_, task, request.document(), request.range()));
  const std::uint32_t context_tokens = model_.ContextTokens(task);
  const std::uint32_t answer_tokens = AnswerTokens(request.options(), context_tokens);
  assist::Summary::Options options{.form = FormOf(request), .part_bytes_max = kPartBytesMax};
  if (context_tokens != 0) {
    options.part_bytes_max = std::min(kPartBytesMax, PromptBytesMax(context_tokens, answer_tokens));
  }
  assist::Summary summary(std::exchange(source.text, {}), options, CancelledWith(task));
  if (task.cancellation.IsCancelled()) return Gone();
  v1::AssistEvent::CutOff cut_off = v1::AssistEvent::CUT_OFF_UNSPECIFIED;
  while (!summary.result()) {
    // One after the other: a summary is for one person, and the model is everybody's.
    for (assist::Summary::Task& part : summary.TakeTasks(1)) {
      absl::StatusOr<LlmServers::Answer> answer = model_.Ask(task, source,
                                                             {.prompt = std::move(part.prompt),
                                                              .options = request.options(),
                                                              .max_tokens = answer_tokens});
      if (IsTooLongForModel(answer.status()) && summary.Halve(part.id)) continue;
      RETURN_IF_ERROR(answer.status());
      if (answer->ended != LlmServers::Ended::kWhole) cut_off = CutOffOf(answer->ended);
      summary.Complete(part.id, std::move(answer->text));
      task.sink.Put(ProgressOf(summary.tasks_done(), summary.tasks_known()));
    }
  }
  if (!summary.result()->empty()) task.sink.Put(TextOf(*summary.result()));
  task.sink.Put(FinishedAt(cut_off));
  return absl::OkStatus();
}

absl::Status AssistService::Run(AssistTask& task, const v1::GrammarRequest& request) const {
  if (IsBuiltIn(task, request.options())) return Spell(task, request);
  return Rewrite(task, request,
                 {.kind = state::SuggestionKind::kGrammar,
                  .passage_bytes_max = kGrammarBytesMax,
                  .limits = assist::kGrammarLimits,
                  .why = "",
                  .prompt = assist::GrammarPrompt,
                  .changes = assist::DiffWords});
}

absl::Status AssistService::Run(AssistTask& task, const v1::EnhanceRequest& request) const {
  if (!request.instruction().empty()) return RewriteAsTold(task, request);
  const assist::Tone tone = FromProto(request.tone());
  return Rewrite(
      task, request,
      {.kind = state::SuggestionKind::kEnhance,
       .passage_bytes_max = kToneBytesMax,
       .limits = assist::kToneLimits,
       .why = NameOf(tone),
       .prompt = [tone](std::string_view passage) { return assist::TonePrompt(passage, tone); },
       .changes = WholePassage});
}

absl::Status AssistService::RewriteAsTold(AssistTask& task,
                                          const v1::EnhanceRequest& request) const {
  const std::string& instruction = request.instruction();
  if (instruction.size() > kInstructionBytesMax) {
    return Invalid("The instruction is longer than 1 KiB; give a shorter one.");
  }
  return Rewrite(task, request,
                 {.kind = state::SuggestionKind::kEnhance,
                  .passage_bytes_max = kToneBytesMax,
                  .limits = assist::kInstructionLimits,
                  .why = BeginOf(instruction, state::kSuggestionNoteBytesMax),
                  .prompt =
                      [&instruction](std::string_view passage) {
                        return assist::InstructionPrompt(passage, instruction);
                      },
                  .changes = WholePassage});
}

template <class Request>
absl::Status AssistService::Rewrite(AssistTask& task, const Request& request,
                                    const Rewriting::How& how) const {
  ASSIGN_OR_RETURN(Source source,
                   ReadText(calls_, task, request.document(), state::DocumentRole::kEditor));
  ASSIGN_OR_RETURN(const assist::Range bytes, BytesOf(source.text, request.range()));
  const std::string_view text = source.text;
  Remaining remaining{.begin = Utf16Length(text.substr(0, bytes.begin)),
                      .end = Utf16Length(text.substr(0, bytes.end))};
  remaining.source = std::move(source);
  WorkingMark mark(calls_, task, AuthorFor(task.call.caller), guests());
  Rewriting rewriting(calls_, model_, task, how, {.options = request.options(), .mark = mark});
  return rewriting.Run(std::move(remaining), AuthorFor(task.call.caller));
}

absl::StatusOr<LlmServers::Answer> AssistService::GoOn(
    AssistTask& task, const v1::ContinueRequest& request, const Source& source,
    std::string_view written, const std::function<void(const std::string&)>& on_text) const {
  const std::uint32_t context_tokens = model_.ContextTokens(task);
  const std::uint32_t answer_tokens = AnswerTokens(request.options(), context_tokens);
  std::size_t bytes_max = kBeforeBytesMax;
  if (context_tokens != 0) {
    bytes_max = std::min(bytes_max, PromptBytesMax(context_tokens, answer_tokens));
  }
  for (;; bytes_max /= 2) {
    const std::string_view before = EndOf(written, bytes_max);
    absl::StatusOr<LlmServers::Answer> answer =
        model_.Ask(task, source,
                   {.prompt = assist::ContinuePrompt(before),
                    .options = request.options(),
                    .max_tokens = answer_tokens,
                    .shows = Question::Shows::kText,
                    .on_text = on_text});
    bytes_max = std::min(bytes_max, before.size());
    if (!IsTooLongForModel(answer.status()) || bytes_max <= kBeforeBytesMin) return answer;
  }
}

absl::Status AssistService::Run(AssistTask& task, const v1::ContinueRequest& request) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadText(calls_, task, request.document(), state::DocumentRole::kEditor));
  v1::TextRange before;
  before.set_end(request.position());
  assist::Range range{.begin = 0, .end = source.text.size()};
  if (request.has_position() && request.position() == 0) range.end = 0;
  if (request.position() != 0) {
    ASSIGN_OR_RETURN(range, BytesOf(source.text, before));
  }
  const std::string_view written = std::string_view(source.text).substr(0, range.end);
  if (request.mode() == v1::ContinueRequest::MODE_WRITE) {
    return Write(task, request, source, written);
  }
  WorkingMark mark(calls_, task, AuthorFor(task.call.caller), guests());
  mark.MoveTo(source.doc, source.revision, Utf16Length(written));
  ASSIGN_OR_RETURN(
      LlmServers::Answer answer,
      GoOn(task, request, source, written, [&mark](const std::string&) { mark.Refresh(); }));
  v1::AssistEvent::Finished finished;
  finished.set_cut_off(CutOffOf(answer.ended));
  state::AddSuggestions add{.doc = source.doc,
                            .base = source.revision,
                            .kind = state::SuggestionKind::kContinue,
                            .author = AuthorFor(task.call.caller),
                            .model = BeginOf(answer.model, state::kNameBytesMax)};
  if (!answer.text.empty()) {
    if (answer.text.size() > state::kSuggestedBytesMax) {
      finished.set_cut_off(v1::AssistEvent::CUT_OFF_SUGGESTION);
    }
    add.changes.push_back({.position = Utf16Length(written),
                           .after = BeginOf(std::move(answer.text), state::kSuggestedBytesMax)});
  }
  return Suggest(task, std::move(add), finished);
}

// A step that fails ends the answer: the model is told to stop, and the caller why.
absl::Status AssistService::Write(AssistTask& task, const v1::ContinueRequest& request,
                                  const Source& source, std::string_view written) const {
  LiveText live(calls_, task,
                {.doc = source.doc,
                 .token = FencingToken(request.lock_token()),
                 .base = source.revision,
                 .position = Utf16Length(written),
                 .name = AuthorFor(task.call.caller)},
                guests());
  absl::Status failed;
  const auto tell = [&](const absl::StatusOr<bool>& stepped) {
    if (!stepped.ok()) {
      failed = stepped.status();
      task.cancellation.Cancel();
    } else if (*stepped) {
      task.sink.Put(live.written());
    }
  };
  const absl::StatusOr<LlmServers::Answer> answer =
      GoOn(task, request, source, written, [&](const std::string& text) {
        if (failed.ok() && !task.cancellation.IsCancelled()) tell(live.Add(text));
      });
  if (answer.ok() && failed.ok()) tell(live.Flush());
  RETURN_IF_ERROR(failed);
  RETURN_IF_ERROR(answer.status());
  task.sink.Put(FinishedAt(CutOffOf(answer->ended)));
  return absl::OkStatus();
}

absl::Status AssistService::Suggest(AssistTask& task, state::AddSuggestions add,
                                    v1::AssistEvent::Finished finished) const {
  const std::size_t count = add.changes.size();
  if (count > 0) {
    SteadyProposals proposals(calls_, task);
    ASSIGN_OR_RETURN(const state::Outcome outcome, proposals.Propose(std::move(add)));
    finished.set_batch(outcome.revision.value());
    finished.add_batches(outcome.revision.value());
    finished.set_suggestions(static_cast<std::uint32_t>(count));
  }
  task.sink.Put(FinishedOf(finished));
  return absl::OkStatus();
}

bool AssistService::IsBuiltIn(AssistTask& task, const v1::AssistOptions& options) const {
  return options.built_in() || !model_.IsReady(task);
}

absl::Status AssistService::Spell(AssistTask& task, const v1::GrammarRequest& request) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadText(calls_, task, request.document(), state::DocumentRole::kEditor));
  ASSIGN_OR_RETURN(const assist::Range range, BytesOf(source.text, request.range()));
  const assist::Speller* speller = built_in_.speller();
  if (speller == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_DICTIONARY",
                 absl::StrCat("No language model answers, and this node has no dictionary for ",
                              built_in_.language(),
                              " to check spelling with. Install Debian's hunspell package of that "
                              "language, or a model: see docs/assist.md."));
  }
  task.sink.Put(BuiltInStarted(source.revision));
  const std::string text = BeginOf(
      source.text.substr(range.begin, std::min(range.size(), kSpellBytesMax + 1)), kSpellBytesMax);
  const assist::Spelling spelling =
      assist::CheckSpelling(text, *speller, state::kSuggestionsMax, CancelledWith(task));
  if (task.cancellation.IsCancelled()) return Gone();
  std::uint64_t position = Utf16Length(std::string_view(source.text).substr(0, range.begin));
  std::size_t at = 0;  // Where `position` is.
  const auto move_to = [&](std::size_t next) {
    position += Utf16Length(std::string_view(text).substr(at, next - at));
    at = next;
  };
  state::AddSuggestions add{.doc = source.doc,
                            .base = source.revision,
                            .kind = state::SuggestionKind::kGrammar,
                            .author = AuthorFor(task.call.caller, "Spelling for "),
                            .model = BuiltIn::kName};
  for (const assist::Misspelling& wrong : spelling.found) {
    move_to(wrong.range.begin);
    add.changes.push_back({.position = position,
                           .before = wrong.before,
                           .after = wrong.after,
                           .why = BeginOf(wrong.why, state::kSuggestionNoteBytesMax)});
  }
  v1::AssistEvent::Finished finished;
  if (spelling.end < range.size()) {
    move_to(spelling.end);
    finished.set_resume_at(position);
    finished.set_why_stopped(
        absl::StrCat("One answer makes at most ", state::kSuggestionsMax,
                     " suggestions, and reads at most 1 MiB or 1000 words that it does not know."));
  }
  return Suggest(task, std::move(add), finished);
}

absl::Status AssistService::Extract(AssistTask& task, const v1::SummarizeRequest& request) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadPart(calls_, task, request.document(), request.range()));
  task.sink.Put(BuiltInStarted(source.revision));
  const std::string text = BeginOf(source.text.substr(0, kExtractBytesMax + 1), kExtractBytesMax);
  const std::string summary = assist::ExtractSummary(text, FormOf(request), CancelledWith(task));
  if (task.cancellation.IsCancelled()) return Gone();
  if (!summary.empty()) task.sink.Put(TextOf(summary));
  v1::AssistEvent::Finished finished;
  if (text.size() < source.text.size()) {
    finished.set_resume_at(request.range().begin() + Utf16Length(text));
    finished.set_why_stopped("Without a model at most 1 MiB is read.");
  }
  task.sink.Put(FinishedOf(finished));
  return absl::OkStatus();
}

void AssistService::OnGuest(GuestListener listener) {
  absl::MutexLock lock(&mutex_);
  listener_ = std::move(listener);
}

// Under the lock, so that none is called any more when OnGuest() returns.
GuestListener AssistService::guests() const {
  return [this](const Guest& guest) {
    absl::MutexLock lock(&mutex_);
    if (listener_) listener_(guest);
  };
}

void AssistService::ListSuggestions(const Call& call, v1::ListSuggestionsRequest request,
                                    Reply<v1::ListSuggestionsResponse> reply) {
  calls_.Read<v1::ListSuggestionsResponse>(
      call, request.consistency(),
      [caller = call.caller, ref = request.document()](
          const state::Machine& state) -> absl::StatusOr<v1::ListSuggestionsResponse> {
        const absl::StatusOr<DocId> doc = FindVisible(state, caller, ref);
        if (!doc.ok()) return doc.status();
        v1::ListSuggestionsResponse response;
        for (const state::SuggestionView& suggestion : state.Suggestions(*doc)) {
          *response.add_suggestions() = ToProto(suggestion);
        }
        return response;
      },
      std::move(reply));
}

void AssistService::ResolveSuggestion(const Call& call, v1::ResolveSuggestionRequest request,
                                      Reply<v1::ResolveSuggestionResponse> reply) {
  if (request.decision() == v1::ResolveSuggestionRequest::DECISION_UNSPECIFIED ||
      request.suggestion().batch() == 0) {
    return reply(Invalid("The request names no suggestion or no decision; list what is open."));
  }
  const bool is_accepted = request.decision() == v1::ResolveSuggestionRequest::DECISION_ACCEPT;
  state::ResolveSuggestions resolve{
      .token = FencingToken(request.lock_token()),
      .batch = Revision(request.suggestion().batch()),
      .ordinal = request.suggestion().ordinal(),
      .resolution = is_accepted ? state::Resolution::kAccepted : state::Resolution::kRejected};
  calls_.ResolveToChange(call, request.document(), request.request_id(),
                         [this, call, resolve, id = request.request_id(),
                          reply = std::move(reply)](const absl::StatusOr<DocId>& doc) mutable {
                           if (!doc.ok()) return reply(doc.status());
                           resolve.doc = *doc;
                           calls_.Propose(call, id, resolve,
                                          [reply](const absl::StatusOr<state::Outcome>& outcome) {
                                            if (!outcome.ok()) return reply(outcome.status());
                                            v1::ResolveSuggestionResponse response;
                                            response.set_revision(outcome->revision.value());
                                            reply(std::move(response));
                                          });
                         });
}

}  // namespace coterie::rpc
