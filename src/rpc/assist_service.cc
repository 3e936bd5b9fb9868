#include "rpc/assist_service.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "assist/extract.h"
#include "assist/guard.h"
#include "assist/sentences.h"
#include "assist/summary.h"
#include "assist/word_diff.h"
#include "base/check.h"
#include "base/utf8.h"
#include "rpc/await.h"
#include "rpc/live_text.h"
#include "rpc/to_proto.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

// Of the text in one prompt. A small model corrects a few sentences better than a page.
constexpr std::size_t kGrammarBytesMax = 600;
constexpr std::size_t kToneBytesMax = 1'200;
constexpr std::size_t kBeforeBytesMax = 4'000;
// More is read by no built-in summary.
constexpr std::size_t kExtractBytesMax = 1 << 20;
// The next call goes on behind it.
constexpr std::size_t kSpellBytesMax = 1 << 20;
constexpr std::size_t kQuestionBytesMax = 16 << 10;

absl::Status Invalid(const std::string& message) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", message);
}

// The bytes of `text` that the range means.
absl::StatusOr<assist::Range> BytesOf(std::string_view text, const v1::TextRange& range) {
  const std::uint64_t length = Utf16Length(text);
  const std::uint64_t end = range.end() == 0 ? length : range.end();
  if (range.begin() > end || end > length) {
    return Error(absl::StatusCode::kOutOfRange, "OUT_OF_RANGE",
                 absl::StrCat("The text has ", length, " UTF-16 units; the range does not fit."));
  }
  assist::Range bytes{.begin = text.size(), .end = text.size()};
  std::uint64_t units = 0;
  for (std::size_t at = 0; at < text.size() && units < end;) {
    if (units <= range.begin()) bytes.begin = at;
    const std::size_t size = CodePointLength(text.substr(at));
    units += Utf16Length(text.substr(at, size));
    at += size;
    bytes.end = at;
  }
  if (range.begin() == 0) bytes.begin = 0;
  if (end == range.begin()) bytes.end = bytes.begin;
  return bytes;
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

v1::AssistEvent ProgressOf(std::size_t done, std::size_t known) {
  v1::AssistEvent event;
  event.mutable_progress()->set_done(static_cast<std::uint32_t>(done));
  event.mutable_progress()->set_known(static_cast<std::uint32_t>(known));
  return event;
}

v1::AssistEvent StartedOf(v1::Backend backend, const std::string& model, Revision revision) {
  v1::AssistEvent event;
  event.mutable_started()->set_backend(backend);
  event.mutable_started()->set_model(model);
  event.mutable_started()->set_revision(revision.value());
  return event;
}

v1::AssistEvent TextOf(const std::string& text) {
  v1::AssistEvent event;
  event.set_text(text);
  return event;
}

v1::AssistEvent FinishedOf(const v1::AssistEvent::Finished& finished) {
  v1::AssistEvent event;
  *event.mutable_finished() = finished;
  return event;
}

// The last part of `text` that is not longer than that, from a character's beginning.
std::string_view EndOf(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t begin = text.size() - bytes_max;
  while (begin < text.size() && IsContinuationByte(text[begin])) ++begin;
  return text.substr(begin);
}

std::string BeginOf(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && IsContinuationByte(text[bytes_max])) --bytes_max;
  text.resize(bytes_max);
  return text;
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

}  // namespace

absl::StatusOr<AssistService::Source> AssistService::ReadText(AssistTask& task,
                                                              const v1::DocumentRef& ref,
                                                              state::DocumentRole role) const {
  const Call step = StepOf(task.call);
  return Await<Source>(task.cancellation, [&](std::function<void(absl::StatusOr<Source>)> done) {
    calls_.Ask<Source>(
        step, node::Consistency::kLinearizable,
        [caller = task.call.caller, ref,
         role](const state::Machine& state) -> absl::StatusOr<Source> {
          const absl::StatusOr<DocId> doc = FindVisible(state, caller, ref);
          if (!doc.ok()) return doc.status();
          if (state.RoleOf(caller.user, *doc) < role) {
            return Error(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
                         "You may only view this document; ask an owner to share it with you as "
                         "an editor.");
          }
          std::optional<state::Reading> reading = state.ReadingAt(*doc, Revision(), "");
          if (!reading) return absl::InternalError("the text cannot be read");
          if (reading->is_projection && role >= state::DocumentRole::kEditor) {
            return Error(absl::StatusCode::kFailedPrecondition, "RICH_DOCUMENT",
                         "The document was written by a rich editor: it can be asked about and "
                         "summarized, but there are no suggestions for it.");
          }
          return Source{
              .doc = *doc, .revision = state.applied().index, .text = std::move(reading->text)};
        },
        std::move(done));
  });
}

absl::StatusOr<AssistService::Source> AssistService::ReadPart(AssistTask& task,
                                                              const v1::DocumentRef& ref,
                                                              const v1::TextRange& range) const {
  ASSIGN_OR_RETURN(Source source, ReadText(task, ref, state::DocumentRole::kViewer));
  ASSIGN_OR_RETURN(const assist::Range bytes, BytesOf(source.text, range));
  source.text = source.text.substr(bytes.begin, bytes.size());
  return source;
}

absl::Status AssistService::CheckSession(const AssistTask& task) const {
  if (calls_.node().sessions().Find(task.call.caller.session)) return absl::OkStatus();
  return Error(absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED",
               "The session is over: it was logged out or has expired. Log in again.");
}

absl::StatusOr<LlmServers::Answer> AssistService::Ask(AssistTask& task,
                                                      const assist::Prompt& prompt,
                                                      const v1::AssistOptions& options,
                                                      const Source& source, Shows shows,
                                                      OnText on_text) const {
  if (options.built_in()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_MODEL",
                 "This takes a language model; the built-in assistant only checks spelling and "
                 "summarizes.");
  }
  RETURN_IF_ERROR(CheckSession(task));
  llm::v1::GenerateRequest request;
  for (const assist::Message& message : prompt) {
    llm::v1::ChatMessage& chat = *request.mutable_chat()->add_messages();
    chat.set_role(message.role);
    chat.set_content(message.content);
  }
  if (options.has_seed()) request.mutable_sampling()->set_seed(options.seed());
  if (options.has_temperature()) {
    request.mutable_sampling()->set_temperature(options.temperature());
  }
  request.set_max_tokens(options.max_tokens());
  if (!source.doc.IsNone()) {
    request.set_cache_key(absl::StrCat("document:", source.doc.value()));
  }
  request.set_client(task.call.caller.user);
  LlmServers::Listener listener;
  listener.started = [&task, &source](const std::string& model) {
    if (!std::exchange(task.has_started, true)) {
      task.sink.Put(StartedOf(v1::BACKEND_MODEL, model, source.revision));
    }
  };
  listener.text = [this, &task, shows, on_text = std::move(on_text)](const std::string& text) {
    if (!CheckSession(task).ok()) return task.cancellation.Cancel();
    if (shows == Shows::kText) task.sink.Put(TextOf(text));
    if (on_text) on_text(text);
  };
  absl::StatusOr<LlmServers::Answer> answer =
      servers_.Generate(request, task.call.deadline, task.cancellation, listener);
  RETURN_IF_ERROR(CheckSession(task));
  return answer;
}

absl::Status AssistService::Run(AssistTask& task, const v1::AskRequest& request) const {
  if (request.question().empty() || request.question().size() > kQuestionBytesMax) {
    return Invalid("The question is empty or longer than 16 KiB; ask a shorter one.");
  }
  Source source;
  if (request.has_document()) {
    ASSIGN_OR_RETURN(source, ReadPart(task, request.document(), request.range()));
  }
  RETURN_IF_ERROR(Ask(task, assist::AskPrompt(source.text, request.question()), request.options(),
                      source, Shows::kText)
                      .status());
  task.sink.Put(FinishedOf({}));
  return absl::OkStatus();
}

absl::Status AssistService::Run(AssistTask& task, const v1::SummarizeRequest& request) const {
  if (IsBuiltIn(task, request.options())) return Extract(task, request);
  ASSIGN_OR_RETURN(const Source source, ReadPart(task, request.document(), request.range()));
  const bool is_paragraph = request.form() == v1::SummarizeRequest::FORM_PARAGRAPH;
  assist::Summary summary(source.text, {.form = is_paragraph ? assist::SummaryForm::kParagraph
                                                             : assist::SummaryForm::kBullets});
  while (!summary.result()) {
    // One after the other: a summary is for one person, and the model is everybody's.
    for (const assist::Summary::Task& part : summary.TakeTasks()) {
      ASSIGN_OR_RETURN(LlmServers::Answer answer,
                       Ask(task, part.prompt, request.options(), source, Shows::kNothing));
      summary.Complete(part.id, std::move(answer.text));
      task.sink.Put(ProgressOf(summary.tasks_done(), summary.tasks_known()));
    }
  }
  if (!summary.result()->empty()) task.sink.Put(TextOf(*summary.result()));
  task.sink.Put(FinishedOf({}));
  return absl::OkStatus();
}

absl::Status AssistService::Run(AssistTask& task, const v1::GrammarRequest& request) const {
  if (IsBuiltIn(task, request.options())) return Spell(task, request);
  const Rewriting how{.kind = state::SuggestionKind::kGrammar,
                      .passage_bytes_max = kGrammarBytesMax,
                      .limits = assist::kGrammarLimits,
                      .prompt = assist::GrammarPrompt,
                      .changes = assist::DiffWords};
  return Rewrite(task, request, how);
}

absl::Status AssistService::Run(AssistTask& task, const v1::EnhanceRequest& request) const {
  const Rewriting how{
      .kind = state::SuggestionKind::kEnhance,
      .passage_bytes_max = kToneBytesMax,
      .limits = assist::kToneLimits,
      .prompt = [tone = FromProto(request.tone())](
                    std::string_view passage) { return assist::TonePrompt(passage, tone); },
      .changes = WholePassage};
  return Rewrite(task, request, how);
}

// Passage by passage, until the text or the room for suggestions is at its end.
template <class Request>
absl::Status AssistService::Rewrite(AssistTask& task, const Request& request,
                                    const Rewriting& how) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadText(task, request.document(), state::DocumentRole::kEditor));
  ASSIGN_OR_RETURN(const assist::Range range, BytesOf(source.text, request.range()));
  const std::string_view text = std::string_view(source.text).substr(range.begin, range.size());
  const std::vector<assist::Range> windows = assist::MakeWindows(text, how.passage_bytes_max);
  Suggested suggested;
  std::size_t done = 0;
  for (const assist::Range& window : windows) {
    const std::string_view passage = text.substr(window.begin, window.size());
    const std::uint64_t position =
        Utf16Length(std::string_view(source.text).substr(0, range.begin + window.begin));
    ASSIGN_OR_RETURN(LlmServers::Answer answer,
                     Ask(task, how.prompt(passage), request.options(), source, Shows::kNothing));
    suggested.model = std::move(answer.model);
    const std::string better = assist::WithoutWrapping(passage, answer.text);
    const bool is_kept = assist::Judge(passage, better, how.limits) == assist::Verdict::kKeep;
    const auto changes = is_kept ? how.changes(passage, better) : std::nullopt;
    if (!changes) suggested.finished.set_dropped(suggested.finished.dropped() + 1);
    if (changes && suggested.changes.size() + changes->size() > state::kSuggestionsMax) {
      suggested.finished.set_resume_at(position);
      break;
    }
    for (const assist::Change& change : changes.value_or(std::vector<assist::Change>())) {
      suggested.changes.push_back(
          {.position = position + Utf16Length(passage.substr(0, change.range.begin)),
           .before = change.before,
           .after = change.after});
    }
    task.sink.Put(ProgressOf(++done, windows.size()));
  }
  return Suggest(task, source, how.kind, std::move(suggested));
}

absl::Status AssistService::Run(AssistTask& task, const v1::ContinueRequest& request) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadText(task, request.document(), state::DocumentRole::kEditor));
  v1::TextRange before;
  before.set_end(request.position());
  assist::Range range{.begin = 0, .end = source.text.size()};
  if (request.has_position() && request.position() == 0) range.end = 0;
  if (request.position() != 0) {
    ASSIGN_OR_RETURN(range, BytesOf(source.text, before));
  }
  const std::string_view written = std::string_view(source.text).substr(0, range.end);
  const assist::Prompt prompt = assist::ContinuePrompt(EndOf(written, kBeforeBytesMax));
  const std::uint64_t position = Utf16Length(written);
  if (request.mode() == v1::ContinueRequest::MODE_WRITE) {
    return Write(task, request, source, {.prompt = prompt, .position = position});
  }
  ASSIGN_OR_RETURN(LlmServers::Answer answer,
                   Ask(task, prompt, request.options(), source, Shows::kText));
  Suggested suggested;
  suggested.model = std::move(answer.model);
  if (!answer.text.empty()) {
    suggested.changes.push_back(
        {.position = position,
         .after = BeginOf(std::move(answer.text), state::kSuggestedBytesMax)});
  }
  return Suggest(task, source, state::SuggestionKind::kContinue, std::move(suggested));
}

// A step that fails ends the answer: the model is told to stop, and the caller why.
absl::Status AssistService::Write(AssistTask& task, const v1::ContinueRequest& request,
                                  const Source& source, const Place& place) const {
  LiveText live(calls_, task.call,
                {.doc = source.doc,
                 .token = FencingToken(request.lock_token()),
                 .base = source.revision,
                 .position = place.position,
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
  const absl::StatusOr<LlmServers::Answer> answer = Ask(
      task, place.prompt, request.options(), source, Shows::kText, [&](const std::string& text) {
        if (failed.ok() && !task.cancellation.IsCancelled()) tell(live.Add(text));
      });
  if (answer.ok() && failed.ok()) tell(live.Flush());
  RETURN_IF_ERROR(failed);
  RETURN_IF_ERROR(answer.status());
  task.sink.Put(FinishedOf({}));
  return absl::OkStatus();
}

absl::Status AssistService::Suggest(AssistTask& task, const Source& source,
                                    state::SuggestionKind kind, Suggested suggested) const {
  const std::size_t count = suggested.changes.size();
  CHECK(count <= state::kSuggestionsMax);
  if (count > 0) {
    state::AddSuggestions add{.doc = source.doc,
                              .base = source.revision,
                              .kind = kind,
                              .author = AuthorFor(task.call.caller, suggested.author),
                              .model = BeginOf(suggested.model, state::kNameBytesMax),
                              .changes = std::move(suggested.changes)};
    const Call step = StepOf(task.call);
    ASSIGN_OR_RETURN(
        const state::Outcome outcome,
        Await<state::Outcome>(task.cancellation,
                              [&](std::function<void(absl::StatusOr<state::Outcome>)> done) {
                                calls_.Propose(step, {}, std::move(add), std::move(done));
                              }));
    suggested.finished.set_batch(outcome.revision.value());
    suggested.finished.set_suggestions(static_cast<std::uint32_t>(count));
  }
  task.sink.Put(FinishedOf(suggested.finished));
  return absl::OkStatus();
}

bool AssistService::IsBuiltIn(AssistTask& task, const v1::AssistOptions& options) const {
  return options.built_in() || !servers_.IsReady(task.cancellation);
}

absl::Status AssistService::Spell(AssistTask& task, const v1::GrammarRequest& request) const {
  ASSIGN_OR_RETURN(const Source source,
                   ReadText(task, request.document(), state::DocumentRole::kEditor));
  ASSIGN_OR_RETURN(const assist::Range range, BytesOf(source.text, request.range()));
  const assist::Speller* speller = built_in_.speller();
  if (speller == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_DICTIONARY",
                 absl::StrCat("No language model answers, and this node has no dictionary for ",
                              built_in_.language(),
                              " to check spelling with. Install Debian's hunspell package of that "
                              "language, or a model: see docs/assist.md."));
  }
  task.sink.Put(StartedOf(v1::BACKEND_BUILT_IN, BuiltIn::kName, source.revision));
  const std::string text = BeginOf(source.text.substr(range.begin, range.size()), kSpellBytesMax);
  const assist::Spelling spelling = assist::CheckSpelling(text, *speller, state::kSuggestionsMax);
  std::uint64_t position = Utf16Length(std::string_view(source.text).substr(0, range.begin));
  std::size_t at = 0;  // Where `position` is.
  const auto move_to = [&](std::size_t next) {
    position += Utf16Length(std::string_view(text).substr(at, next - at));
    at = next;
  };
  Suggested suggested{.author = "Spelling for ", .model = BuiltIn::kName};
  for (const assist::Misspelling& wrong : spelling.found) {
    move_to(wrong.range.begin);
    suggested.changes.push_back({.position = position,
                                 .before = wrong.before,
                                 .after = wrong.after,
                                 .why = BeginOf(wrong.why, state::kSuggestionNoteBytesMax)});
  }
  if (spelling.end < range.size()) {
    move_to(spelling.end);
    suggested.finished.set_resume_at(position);
  }
  return Suggest(task, source, state::SuggestionKind::kGrammar, std::move(suggested));
}

absl::Status AssistService::Extract(AssistTask& task, const v1::SummarizeRequest& request) const {
  ASSIGN_OR_RETURN(const Source source, ReadPart(task, request.document(), request.range()));
  task.sink.Put(StartedOf(v1::BACKEND_BUILT_IN, BuiltIn::kName, source.revision));
  const std::string summary = assist::ExtractSummary(
      BeginOf(source.text, kExtractBytesMax), request.form() == v1::SummarizeRequest::FORM_PARAGRAPH
                                                  ? assist::SummaryForm::kParagraph
                                                  : assist::SummaryForm::kBullets);
  if (!summary.empty()) task.sink.Put(TextOf(summary));
  task.sink.Put(FinishedOf({}));
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
  calls_.Resolve(call, request.document(),
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
