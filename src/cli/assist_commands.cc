// ask, summarize, grammar, enhance, continue, suggestions, accept, reject: the language model at
// work on documents, and what every node does without one. Answers are printed as they come; Ctrl-C
// ends the program, and with its connection the model's work.

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/interrupt_watch.h"
#include "cli/status_line.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

// A small model takes its time over a long text.
constexpr absl::Duration kAnswerTimeout = absl::Minutes(30);
constexpr std::size_t kShownWidth = 60;

struct Flags {
  std::string document;
  std::string question;
  std::vector<std::string> suggestions;
  std::string tone = "clearer";
  std::string instruction;
  bool is_paragraph = false;
  bool applies = false;
  bool suggests = false;
  bool is_built_in = false;
  v1::TextRange range;
  std::string undo;
  std::uint32_t max_tokens = 0;
  std::string seed;
};

absl::StatusOr<v1::AssistOptions> OptionsOf(const Flags& flags) {
  v1::AssistOptions options;
  options.set_max_tokens(flags.max_tokens);
  options.set_built_in(flags.is_built_in);
  std::uint32_t seed = 0;
  if (flags.seed.empty()) return options;
  if (!absl::SimpleAtoi(flags.seed, &seed)) {
    return Error(absl::StatusCode::kInvalidArgument, "--seed takes a number up to 4294967295",
                 "for example --seed 7");
  }
  options.set_seed(seed);
  return options;
}

// What it waits for; empty: for nothing.
std::string WordsFor(const v1::AssistEvent& event) {
  if (event.has_queued()) {
    return event.queued().place() == 1
               ? "waiting: next in the queue"
               : absl::StrCat("waiting: place ", event.queued().place(), " in the queue");
  }
  if (event.has_loading()) {
    return absl::StrCat("the model is being loaded: ", event.loading().percent(), " %");
  }
  if (event.has_reading()) {
    return absl::StrCat("the model reads: ", event.reading().percent(), " %");
  }
  return "";
}

void ShowEvent(Invocation& cli, StatusLine& line, const v1::AssistEvent& event) {
  const std::string waits = WordsFor(event);
  if (!waits.empty() && !cli.is_json()) return line.Show(waits);
  line.Clear();
  if (cli.is_json()) {
    cli.PrintJson(ToJson(event));
  } else if (!event.text().empty()) {
    const bool is_terminal = isatty(STDOUT_FILENO) != 0;
    cli.Print(is_terminal ? Printable(event.text()) : event.text());
    static_cast<void>(std::fflush(stdout));
  } else if (event.has_progress() && event.progress().known() > 1) {
    cli.Say(absl::StrCat(event.progress().done(), " of ", event.progress().known()));
  } else if (event.started().backend() == v1::BACKEND_BUILT_IN) {
    cli.Say(absl::StrCat("answered by: ", event.started().model()));
  }
}

const char* WordsFor(v1::AssistEvent::CutOff cut_off) {
  switch (cut_off) {
    case v1::AssistEvent::CUT_OFF_MAX_TOKENS:
      return "cut off: the answer has as many tokens as it may have; ask for more with "
             "--max-tokens";
    case v1::AssistEvent::CUT_OFF_CONTEXT:
      return "cut off: the model's context is full; ask about a part of the text, with --from and "
             "--to";
    case v1::AssistEvent::CUT_OFF_SUGGESTION:
      return "cut off: a suggestion holds no more";
    default:
      return "";
  }
}

// What the user should know of how an answer ended.
void SayHowItEnded(Invocation& cli, const v1::AssistEvent::Finished& finished) {
  if (finished.cut_off() != v1::AssistEvent::CUT_OFF_UNSPECIFIED) {
    cli.Say(WordsFor(finished.cut_off()));
  }
  if (finished.dropped() > 0) {
    cli.Say(finished.dropped() == 1
                ? "held back an answer that was no correction of its text"
                : absl::StrCat("held back ", finished.dropped(),
                               " answers that were no corrections of their text"));
  }
  if (finished.passages_cut() > 0) {
    cli.Say(absl::StrCat("nothing is suggested for ", finished.passages_cut(),
                         " of the passages, because the answer was cut off; ask for more with "
                         "--max-tokens"));
  }
  if (finished.outdated() > 0) {
    cli.Say(absl::StrCat(finished.outdated(),
                         " of the suggestions no longer fitted the text and were not kept"));
  }
  if (finished.resume_at() != 0) {
    cli.Say(absl::StrCat("there is more of it. ", finished.why_stopped(), " Go on with --from ",
                         finished.resume_at()));
  }
}

// Asks, and shows what comes. The end of the answer, when it came to one.
template <class Request>
absl::StatusOr<v1::AssistEvent::Finished> Show(Invocation& cli, const Request& request) {
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  v1::AssistEvent::Finished finished;
  bool has_text = false;
  StatusLine line(cli);
  const absl::Status status =
      client->Assist(request, absl::Now() + kAnswerTimeout, [&](const v1::AssistEvent& event) {
        ShowEvent(cli, line, event);
        has_text = has_text || !event.text().empty();
        if (event.has_finished()) finished = event.finished();
        return true;
      });
  line.Clear();
  if (has_text && !cli.is_json()) cli.Print("\n");
  RETURN_IF_ERROR(status);
  SayHowItEnded(cli, finished);
  return finished;
}

absl::Status Decide(Invocation& cli, const v1::DocumentRef& document, const v1::SuggestionId& id,
                    v1::ResolveSuggestionRequest::Decision decision) {
  v1::ResolveSuggestionRequest request;
  *request.mutable_document() = document;
  *request.mutable_suggestion() = id;
  request.set_decision(decision);
  const absl::StatusOr<v1::ResolveSuggestionResponse> response = cli.Call(std::move(request));
  if (absl::IsNotFound(response.status()) &&
      absl::StrContains(response.status().message(), "suggestion")) {
    return Error(absl::StatusCode::kNotFound, std::string(response.status().message()),
                 "`coterie suggestions DOCUMENT` lists those that are open");
  }
  RETURN_IF_ERROR(response.status());
  if (cli.is_json()) {
    cli.PrintJson(ToJson(*response));
    return absl::OkStatus();
  }
  cli.PrintLine(absl::StrCat(response->revision()));
  cli.Say(decision == v1::ResolveSuggestionRequest::DECISION_ACCEPT ? "accepted" : "rejected");
  return absl::OkStatus();
}

// Of these batches; of all if there are none.
absl::Status PrintSuggestions(Invocation& cli, const v1::DocumentRef& document,
                              const std::vector<std::uint64_t>& batches) {
  v1::ListSuggestionsRequest request;
  *request.mutable_document() = document;
  ASSIGN_OR_RETURN(const v1::ListSuggestionsResponse response, cli.Call(std::move(request)));
  if (cli.is_json()) {
    cli.PrintJson(ToJson(response));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  if (isatty(STDOUT_FILENO) != 0)
    rows.push_back({"ID", "FROM", "WHERE", "NOW", "SUGGESTED", "WHY"});
  for (const v1::Suggestion& suggestion : response.suggestions()) {
    const bool is_wanted = batches.empty() || std::find(batches.begin(), batches.end(),
                                                        suggestion.id().batch()) != batches.end();
    if (!is_wanted) continue;
    rows.push_back({absl::StrCat(suggestion.id().batch(), ".", suggestion.id().ordinal()),
                    OneLine(suggestion.author(), 24),
                    suggestion.is_stale() ? "stale" : absl::StrCat(suggestion.begin()),
                    OneLine(suggestion.before(), kShownWidth),
                    OneLine(suggestion.after(), kShownWidth),
                    OneLine(suggestion.why(), kShownWidth)});
  }
  if (response.suggestions().empty()) {
    cli.Say("no suggestion is open");
    return absl::OkStatus();
  }
  cli.Print(Table(rows));
  return absl::OkStatus();
}

// What becomes of suggestions that have just been made.
absl::Status Conclude(Invocation& cli, const Flags& flags, const v1::DocumentRef& document,
                      const v1::AssistEvent::Finished& finished) {
  if (finished.suggestions() == 0) {
    cli.Say("no change is suggested");
    return absl::OkStatus();
  }
  const std::vector<std::uint64_t> batches(finished.batches().begin(), finished.batches().end());
  if (!flags.applies) {
    if (!cli.is_json()) RETURN_IF_ERROR(PrintSuggestions(cli, document, batches));
    const std::string all = absl::StrCat(flags.document, " ", absl::StrJoin(batches, " "));
    cli.Say(absl::StrCat("take ", finished.suggestions() == 1 ? "it" : "all",
                         " with: coterie accept ", all, "   or not: coterie reject ", all));
    return absl::OkStatus();
  }
  absl::Status result;  // One that has become stale does not keep the others.
  for (const std::uint64_t batch : batches) {
    v1::SuggestionId all;
    all.set_batch(batch);
    result.Update(Decide(cli, document, all, v1::ResolveSuggestionRequest::DECISION_ACCEPT));
  }
  return result;
}

absl::Status AskModel(Invocation& cli, const Flags& flags) {
  v1::AskRequest request;
  if (!flags.document.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  }
  request.set_question(flags.question);
  *request.mutable_range() = flags.range;
  ASSIGN_OR_RETURN(*request.mutable_options(), OptionsOf(flags));
  return Show(cli, request).status();
}

absl::Status Summarize(Invocation& cli, const Flags& flags) {
  v1::SummarizeRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  if (flags.is_paragraph) request.set_form(v1::SummarizeRequest::FORM_PARAGRAPH);
  *request.mutable_range() = flags.range;
  ASSIGN_OR_RETURN(*request.mutable_options(), OptionsOf(flags));
  return Show(cli, request).status();
}

template <class Request>
absl::Status AskForSuggestions(Invocation& cli, const Flags& flags, Request request) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  *request.mutable_document() = document;
  ASSIGN_OR_RETURN(*request.mutable_options(), OptionsOf(flags));
  ASSIGN_OR_RETURN(const v1::AssistEvent::Finished finished, Show(cli, request));
  return Conclude(cli, flags, document, finished);
}

absl::Status Grammar(Invocation& cli, const Flags& flags) {
  v1::GrammarRequest request;
  *request.mutable_range() = flags.range;
  return AskForSuggestions(cli, flags, std::move(request));
}

absl::Status Enhance(Invocation& cli, const Flags& flags) {
  static const std::map<std::string, v1::EnhanceRequest::Tone> kTones = {
      {"clearer", v1::EnhanceRequest::TONE_CLEARER},
      {"shorter", v1::EnhanceRequest::TONE_SHORTER},
      {"formal", v1::EnhanceRequest::TONE_FORMAL},
      {"friendly", v1::EnhanceRequest::TONE_FRIENDLY}};
  v1::EnhanceRequest request;
  request.set_tone(kTones.at(flags.tone));
  request.set_instruction(flags.instruction);
  *request.mutable_range() = flags.range;
  return AskForSuggestions(cli, flags, std::move(request));
}

// "REVISION:BEGIN-END,BEGIN-END", which TakeBack() reads.
std::string NameOf(const v1::AssistEvent::Written& written) {
  std::string name = absl::StrCat(written.revision(), ":");
  for (const v1::TextRange& range : written.ranges()) {
    absl::StrAppend(&name, name.back() == ':' ? "" : ",", range.begin(), "-", range.end());
  }
  return name;
}

// One edit, so one version, whatever others have written meanwhile.
absl::Status TakeBack(Invocation& cli, const Flags& flags) {
  v1::EditDocumentRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  const std::vector<std::string> parts = absl::StrSplit(flags.undo, ':');
  std::uint64_t revision = 0;
  bool is_good = parts.size() == 2 && absl::SimpleAtoi(parts[0], &revision) && revision != 0;
  for (const absl::string_view piece : absl::StrSplit(is_good ? parts[1] : "", ',')) {
    const std::vector<std::string> ends = absl::StrSplit(piece, '-');
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    is_good = is_good && ends.size() == 2 && absl::SimpleAtoi(ends[0], &begin) &&
              absl::SimpleAtoi(ends[1], &end) && begin < end;
    v1::Splice& splice = *request.add_splices();
    splice.set_position(begin);
    splice.set_deleted(is_good ? end - begin : 0);
  }
  if (!is_good) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("\"", flags.undo, "\" names nothing that was written"),
                 "copy what `coterie continue` said");
  }
  request.set_base_revision(revision);
  ASSIGN_OR_RETURN(const v1::EditDocumentResponse response, cli.Call(std::move(request)));
  cli.Report(response, response.revision());
  return absl::OkStatus();
}

// Writes into the document. Ctrl-C stops it; what is written stays, and can be taken back.
absl::Status WriteOn(Invocation& cli, const Flags& flags) {
  v1::ContinueRequest request;
  ASSIGN_OR_RETURN(*request.mutable_document(), ParseDocument(flags.document));
  ASSIGN_OR_RETURN(*request.mutable_options(), OptionsOf(flags));
  request.set_mode(v1::ContinueRequest::MODE_WRITE);
  absl::Mutex mutex;
  std::string written;  // As NameOf() names it.
  const auto say_what_stays = [&] {
    absl::MutexLock lock(&mutex);
    if (written.empty()) return;
    cli.Say(
        absl::StrCat("take it back with: coterie continue ", flags.document, " --undo ", written));
  };
  InterruptWatch watch([&] {
    cli.Say("\nstopped");
    say_what_stays();
  });
  ASSIGN_OR_RETURN(client::Client * client, cli.Connect());
  bool has_text = false;
  v1::AssistEvent::Finished finished;
  StatusLine line(cli);
  absl::Status status =
      client->Assist(request, absl::Now() + kAnswerTimeout, [&](const v1::AssistEvent& event) {
        ShowEvent(cli, line, event);
        has_text = has_text || !event.text().empty();
        if (event.has_finished()) finished = event.finished();
        if (event.has_written()) {
          absl::MutexLock lock(&mutex);
          written = NameOf(event.written());
        }
        return !watch.IsInterrupted();
      });
  line.Clear();
  if (has_text && !cli.is_json()) cli.Print("\n");
  if (watch.IsInterrupted()) cli.Say("stopped");
  SayHowItEnded(cli, finished);
  say_what_stays();
  if (watch.IsInterrupted() && absl::IsCancelled(status)) return absl::CancelledError();
  return status;
}

absl::Status Continue(Invocation& cli, const Flags& flags) {
  if (!flags.undo.empty()) return TakeBack(cli, flags);
  if (!flags.suggests && !flags.applies) return WriteOn(cli, flags);
  return AskForSuggestions(cli, flags, v1::ContinueRequest());
}

absl::Status List(Invocation& cli, const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  return PrintSuggestions(cli, document, {});
}

// "BATCH.ORDINAL", or "BATCH" for all of it.
absl::StatusOr<v1::SuggestionId> ParseSuggestion(const Flags& flags, const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  std::uint64_t batch = 0;
  std::uint32_t ordinal = 0;
  const bool is_good = parts.size() <= 2 && absl::SimpleAtoi(parts[0], &batch) && batch != 0 &&
                       (parts.size() == 1 || absl::SimpleAtoi(parts[1], &ordinal));
  if (!is_good) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("\"", text, "\" names no suggestion"),
                 "list them: coterie suggestions " + flags.document);
  }
  v1::SuggestionId id;
  id.set_batch(batch);
  id.set_ordinal(ordinal);
  return id;
}

absl::Status DecideOn(Invocation& cli, const Flags& flags,
                      v1::ResolveSuggestionRequest::Decision decision) {
  ASSIGN_OR_RETURN(const v1::DocumentRef document, ParseDocument(flags.document));
  std::vector<v1::SuggestionId> ids;
  for (const std::string& text : flags.suggestions) {
    ASSIGN_OR_RETURN(const v1::SuggestionId id, ParseSuggestion(flags, text));
    ids.push_back(id);
  }
  for (const v1::SuggestionId& id : ids) RETURN_IF_ERROR(Decide(cli, document, id, decision));
  return absl::OkStatus();
}

absl::Status Accept(Invocation& cli, const Flags& flags) {
  return DecideOn(cli, flags, v1::ResolveSuggestionRequest::DECISION_ACCEPT);
}

absl::Status Reject(Invocation& cli, const Flags& flags) {
  return DecideOn(cli, flags, v1::ResolveSuggestionRequest::DECISION_REJECT);
}

void AddDocument(CLI::App& command, Flags& flags) {
  command.add_option("DOCUMENT", flags.document, "Its name, or id:NUMBER")->required();
}

void AddModelFlags(CLI::App& command, Flags& flags) {
  command.add_option("--max-tokens", flags.max_tokens, "The longest that an answer may be");
  command.add_option("--seed", flags.seed, "The same seed gives the same answer");
}

void AddBuiltIn(CLI::App& command, Flags& flags) {
  command.add_flag("--built-in", flags.is_built_in, "Not the model, even if there is one");
}

void AddRange(CLI::App& command, Flags& flags) {
  command.add_option_function<std::uint64_t>(
      "--from", [&flags](std::uint64_t begin) { flags.range.set_begin(begin); },
      "Only what is behind this position, in UTF-16 units");
  command.add_option_function<std::uint64_t>(
      "--to", [&flags](std::uint64_t end) { flags.range.set_end(end); },
      "Only what is before this one");
}

void AddSuggesting(CLI::App& command, Flags& flags) {
  AddDocument(command, flags);
  AddModelFlags(command, flags);
  command.add_flag("--apply", flags.applies, "Accept all of it at once");
}

void AddEnhance(CLI::App& app, Invocation& cli) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command =
      *AddCommand<Flags>(app, cli, "enhance", "Suggest another wording for a document",
                         "  coterie enhance notes --tone formal\n"
                         "  coterie enhance notes --instruction 'in British spelling'",
                         flags, Enhance);
  AddSuggesting(command, *flags);
  AddRange(command, *flags);
  CLI::Option* tone = command.add_option("--tone", flags->tone, "Which")
                          ->check(CLI::IsMember({"clearer", "shorter", "formal", "friendly"}))
                          ->capture_default_str();
  command.add_option("--instruction", flags->instruction, "Instead: how, in your own words")
      ->excludes(tone);
}

}  // namespace

void AddAssistCommands(CLI::App& app, Invocation& cli) {
  auto ask = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand<Flags>(app, cli, "ask", "Ask the language model, about a document or freely",
                        "  coterie ask 'What is decided?' --about notes", ask, AskModel);
  command->add_option("QUESTION", ask->question, "One argument; quote it")->required();
  command->add_option("--about", ask->document, "A document's name, or id:NUMBER");
  AddRange(*command, *ask);
  AddModelFlags(*command, *ask);

  auto summarize = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "summarize", "Summarize a document",
                              "  coterie summarize notes", summarize, Summarize);
  AddDocument(*command, *summarize);
  command->add_flag("--paragraph", summarize->is_paragraph, "As a paragraph, not as a list");
  AddRange(*command, *summarize);
  AddModelFlags(*command, *summarize);
  AddBuiltIn(*command, *summarize);

  auto grammar = std::make_shared<Flags>();
  command = AddCommand<Flags>(
      app, cli, "grammar", "Suggest corrections of a document; without a model, of spelling",
      "  coterie grammar notes\n  coterie grammar notes --apply", grammar, Grammar);
  AddSuggesting(*command, *grammar);
  AddRange(*command, *grammar);
  AddBuiltIn(*command, *grammar);

  AddEnhance(app, cli);

  auto go_on = std::make_shared<Flags>();
  command = AddCommand<Flags>(
      app, cli, "continue", "Let the model go on with a document; Ctrl-C stops it",
      "  coterie continue notes               writes as it goes, for all to see\n"
      "  coterie continue notes --suggest     one suggestion, when it is done\n"
      "  coterie continue notes --undo 118:40-95   as it said when it ended",
      go_on, Continue);
  AddSuggesting(*command, *go_on);
  command->add_flag("--suggest", go_on->suggests, "Write nothing: suggest it");
  command->add_option("--undo", go_on->undo, "Take back what an earlier one has written");

  auto list = std::make_shared<Flags>();
  AddDocument(*AddCommand<Flags>(app, cli, "suggestions", "List a document's open suggestions", "",
                                 list, List),
              *list);

  auto accept = std::make_shared<Flags>();
  command =
      AddCommand<Flags>(app, cli, "accept", "Accept a suggestion, or all of one answer",
                        "  coterie accept notes 118.2\n  coterie accept notes 118", accept, Accept);
  AddDocument(*command, *accept);
  command->add_option("ID", accept->suggestions, "From `coterie suggestions`; several if you like")
      ->required();

  auto reject = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "reject", "Reject a suggestion, or all of one answer", "",
                              reject, Reject);
  AddDocument(*command, *reject);
  command->add_option("ID", reject->suggestions, "From `coterie suggestions`; several if you like")
      ->required();
}

}  // namespace coterie::cli
