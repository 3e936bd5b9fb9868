#include "rpc/rewriting.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <utility>

#include "assist/sentences.h"
#include "base/check.h"
#include "base/utf8.h"
#include "rpc/await.h"
#include "rpc/status_map.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

// A model that cannot answer this whole answers nothing.
constexpr std::size_t kPassageBytesMin = 64;
// What is longer than a window, so that its last sentence is whole.
constexpr std::size_t kLookAheadBytes = 256;
// An answer a little longer than its passage surely has room: no token is less than a byte.
constexpr std::size_t kSpareTokens = 32;
// Then what has come together is kept; at once where others write, because a document keeps a
// thousand versions to transform over.
constexpr absl::Duration kBatchFor = absl::Seconds(5);
// Before the caller's deadline, so that the end of the answer reaches it.
constexpr absl::Duration kLastWords = absl::Seconds(10);
constexpr double kShareOfTime = 0.9;

constexpr char kTimeIsOver[] = "The time that one answer may take is over.";

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

absl::Time BeforeTheEnd(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return deadline;
  const absl::Time now = absl::Now();
  return std::max(now + kShareOfTime * (deadline - now), deadline - kLastWords);
}

absl::Status NoRoom() {
  return Error(absl::StatusCode::kResourceExhausted, "LIMIT",
               absl::StrCat("The document has ", state::kOpenSuggestionsMax,
                            " open suggestions or nearly so (kOpenSuggestionsMax); accept or "
                            "reject some first."));
}

}  // namespace

Rewriting::Rewriting(const NodeCalls& calls, const TaskModel& model, AssistTask& task,
                     const How& how, const Asked& asked)
    : calls_(calls),
      model_(model),
      task_(task),
      how_(how),
      options_(asked.options),
      mark_(asked.mark),
      answers_by_(BeforeTheEnd(task.call.deadline)),
      proposals_(calls, task),
      usual_max_(how.passage_bytes_max),
      passage_max_(how.passage_bytes_max) {}

absl::Status Rewriting::Run(Remaining remaining, const std::string& author) {
  author_ = author;
  remaining_ = std::move(remaining);
  context_tokens_ = model_.ContextTokens(task_);
  RETURN_IF_ERROR(ReadAnew());
  while (at_ < end_) {
    const absl::StatusOr<Goes> goes = DoPassage(NextPassage());
    if (!goes.ok()) return StopFor(goes.status());
    if (*goes == Goes::kNoFurther) return Finish();
    const absl::StatusOr<bool> has_changed = HasChanged();
    if (!has_changed.ok()) return StopFor(has_changed.status());
    if (!*has_changed && absl::Now() < batch_.read_at + kBatchFor) continue;
    if (const absl::Status kept = Keep(); !kept.ok()) return StopFor(kept);
    if (const absl::Status read = ReadAnew(); !read.ok()) return StopFor(read);
  }
  const absl::Status kept = Keep();
  return kept.ok() ? Finish() : StopFor(kept);
}

absl::Status Rewriting::ReadAnew() {
  CHECK(batch_.changes.empty());
  ASSIGN_OR_RETURN(remaining_, ReadRemaining(calls_, task_, std::move(remaining_)));
  const assist::Range bytes =
      BytesOf(std::string_view(remaining_.source.text), remaining_.begin, remaining_.end);
  at_ = bytes.begin;
  end_ = bytes.end;
  batch_ = {.begin = remaining_.begin, .read_at = absl::Now()};
  // The document is full before anything was asked for.
  if (at_ < end_ && remaining_.open_suggestions >= state::kOpenSuggestionsMax) return NoRoom();
  return absl::OkStatus();
}

assist::Range Rewriting::NextPassage() const {
  CHECK(at_ < end_);
  const std::string_view rest = std::string_view(remaining_.source.text).substr(at_, end_ - at_);
  std::size_t ahead = std::min(rest.size(), passage_max_ + kLookAheadBytes);
  while (ahead < rest.size() && IsContinuationByte(rest[ahead])) ++ahead;
  const assist::Range first = assist::MakeWindows(rest.substr(0, ahead), passage_max_).front();
  return {.begin = at_ + first.begin, .end = at_ + first.end};
}

absl::StatusOr<LlmServers::Answer> Rewriting::AskFor(std::string_view passage) {
  auto tokens = static_cast<std::uint32_t>(passage.size() + passage.size() / 4 + kSpareTokens);
  if (options_.max_tokens() != 0) tokens = options_.max_tokens();
  if (context_tokens_ != 0) tokens = std::min(tokens, context_tokens_ / 2);
  mark_.MoveTo(remaining_.source.doc, remaining_.source.revision, remaining_.begin);
  return model_.Ask(task_, remaining_.source,
                    {.prompt = how_.prompt(passage),
                     .options = options_,
                     .max_tokens = tokens,
                     .deadline = answers_by_,
                     .on_text = [this](const std::string&) { mark_.Refresh(); }});
}

bool Rewriting::MakesSmaller(std::string_view passage, bool is_of_all) {
  if (passage.size() <= kPassageBytesMin) return false;
  passage_max_ = std::max(kPassageBytesMin, passage.size() / 2);
  if (is_of_all) usual_max_ = passage_max_;  // The next ones would fare no better.
  return true;
}

absl::StatusOr<Rewriting::Goes> Rewriting::DoPassage(const assist::Range& range) {
  const std::string_view passage =
      std::string_view(remaining_.source.text).substr(range.begin, range.size());
  if (!IsBlank(passage)) {
    const absl::StatusOr<LlmServers::Answer> answer = AskFor(passage);
    if (!answer.ok()) {
      if (IsTooLongForModel(answer.status()) && MakesSmaller(passage, true)) return Goes::kOn;
      return answer.status();
    }
    model_name_ = answer->model;
    const bool is_cut = answer->ended != LlmServers::Ended::kWhole;
    // What is longer than any correction may be was not going to become one.
    const bool is_endless =
        static_cast<double>(answer->text.size()) >
        static_cast<double>(passage.size()) * how_.limits.longer_max + kSpareTokens;
    if (is_cut && !is_endless) {
      if (MakesSmaller(passage, options_.max_tokens() != 0)) return Goes::kOn;
      finished_.set_passages_cut(finished_.passages_cut() + 1);
    } else if (is_cut) {
      finished_.set_dropped(finished_.dropped() + 1);
    } else if (Take(passage, *answer) == Goes::kNoFurther) {
      // It does not go into this answer any more; what came before does.
      if (done_ == 0 || remaining_.begin == 0) return NoRoom();
      RETURN_IF_ERROR(Keep());
      finished_.set_resume_at(remaining_.begin);
      return Goes::kNoFurther;
    }
  }
  Advance(range);
  return Goes::kOn;
}

Rewriting::Goes Rewriting::Take(std::string_view passage, const LlmServers::Answer& answer) {
  const std::string better = assist::WithoutWrapping(passage, answer.text);
  const bool is_kept = assist::Judge(passage, better, how_.limits) == assist::Verdict::kKeep;
  const auto changes = is_kept ? how_.changes(passage, better) : std::nullopt;
  if (!changes) {
    finished_.set_dropped(finished_.dropped() + 1);
    return Goes::kOn;
  }
  const std::size_t open = remaining_.open_suggestions + batch_.changes.size();
  if (suggested_ + changes->size() > state::kSuggestionsMax ||
      open + changes->size() > state::kOpenSuggestionsMax) {
    finished_.set_why_stopped(absl::StrCat("One answer makes at most ", state::kSuggestionsMax,
                                           " suggestions, and a document has at most ",
                                           state::kOpenSuggestionsMax,
                                           " open ones. Accept or reject these, then go on."));
    return Goes::kNoFurther;
  }
  for (const assist::Change& change : *changes) {
    batch_.changes.push_back(
        {.position = remaining_.begin + Utf16Length(passage.substr(0, change.range.begin)),
         .before = change.before,
         .after = change.after,
         .why = how_.why});
  }
  suggested_ += changes->size();
  return Goes::kOn;
}

void Rewriting::Advance(const assist::Range& passage) {
  const std::string_view text = remaining_.source.text;
  remaining_.begin += Utf16Length(text.substr(passage.begin, passage.size()));
  at_ = passage.end;
  passage_max_ = usual_max_;
  ++done_;
  const std::size_t left = (end_ - at_ + usual_max_ - 1) / usual_max_;
  v1::AssistEvent event;
  event.mutable_progress()->set_done(static_cast<std::uint32_t>(done_));
  event.mutable_progress()->set_known(static_cast<std::uint32_t>(done_ + left));
  task_.sink.Put(event);
}

absl::StatusOr<bool> Rewriting::HasChanged() const {
  return Await<bool>(task_.cancellation, [&](std::function<void(absl::StatusOr<bool>)> done) {
    calls_.Ask<bool>(
        StepOf(task_.call), node::Consistency::kStale,
        [doc = remaining_.source.doc,
         read = remaining_.source.revision](const state::Machine& state) -> absl::StatusOr<bool> {
          const std::optional<state::DocumentView> document = state.FindDocument(doc);
          return !document || document->revision > read;
        },
        std::move(done));
  });
}

absl::Status Rewriting::Keep() {
  Batch batch = std::exchange(batch_, {.begin = remaining_.begin, .read_at = batch_.read_at});
  if (batch.changes.empty()) return absl::OkStatus();
  const std::size_t count = batch.changes.size();
  const absl::StatusOr<state::Outcome> outcome =
      proposals_.Propose(state::AddSuggestions{.doc = remaining_.source.doc,
                                               .base = remaining_.source.revision,
                                               .kind = how_.kind,
                                               .author = author_,
                                               .model = BeginOf(model_name_, state::kNameBytesMax),
                                               .changes = std::move(batch.changes)});
  if (outcome.ok()) {
    ASSIGN_OR_RETURN(const std::size_t kept, CountKept(outcome->revision));
    if (finished_.batch() == 0) finished_.set_batch(outcome->revision.value());
    finished_.add_batches(outcome->revision.value());
    finished_.set_suggestions(finished_.suggestions() + static_cast<std::uint32_t>(kept));
    finished_.set_outdated(finished_.outdated() + static_cast<std::uint32_t>(count - kept));
    remaining_.open_suggestions += kept;
    return absl::OkStatus();
  }
  const std::string reason = errors::ReasonOf(outcome.status());
  if (reason == "STALE_SUGGESTION" || reason == "OUT_OF_RANGE") {
    // Others have rewritten all of it meanwhile, or so much that it is not found again.
    finished_.set_outdated(finished_.outdated() + static_cast<std::uint32_t>(count));
    return absl::OkStatus();
  }
  // What was not kept is to be asked for again.
  remaining_.begin = batch.begin;
  return outcome.status();
}

// Those that no longer fitted the text were not made. That they are there needs no majority.
absl::StatusOr<std::size_t> Rewriting::CountKept(Revision batch) const {
  Cancellation never;
  return Await<std::size_t>(never, [&](std::function<void(absl::StatusOr<std::size_t>)> done) {
    calls_.Ask<std::size_t>(
        StepOf(task_.call), node::Consistency::kStale,
        [doc = remaining_.source.doc, batch](const state::Machine& state)
            -> absl::StatusOr<std::size_t> { return state.OpenSuggestionCount(doc, batch); },
        std::move(done));
  });
}

absl::Status Rewriting::StopFor(const absl::Status& why) {
  absl::Status reason = why;
  if (!task_.cancellation.IsCancelled() && !absl::IsUnauthenticated(why) &&
      !absl::IsPermissionDenied(why)) {
    // What is finished is kept all the same.
    if (const absl::Status kept = Keep(); !kept.ok()) reason = kept;
    if (done_ > 0 && remaining_.begin > 0) {
      finished_.set_resume_at(remaining_.begin);
      finished_.set_why_stopped(absl::IsDeadlineExceeded(reason) ? kTimeIsOver
                                                                 : std::string(reason.message()));
      return Finish();
    }
  }
  return reason;
}

absl::Status Rewriting::Finish() {
  v1::AssistEvent event;
  *event.mutable_finished() = finished_;
  task_.sink.Put(event);
  return absl::OkStatus();
}

}  // namespace coterie::rpc
