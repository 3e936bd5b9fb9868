#include "rpc/task_text.h"

#include <absl/strings/str_cat.h>

#include <functional>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "rpc/await.h"
#include "runtime/status_macros.h"

namespace coterie::rpc {
namespace {

absl::Status CheckRole(const state::Machine& state, const Caller& caller, DocId doc,
                       state::DocumentRole role) {
  if (state.RoleOf(caller.user, doc) >= role) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
               "You may only view this document; ask an owner to share it with you as an editor.");
}

absl::StatusOr<Source> ReadNow(const state::Machine& state, DocId doc, state::DocumentRole role) {
  std::optional<state::Reading> reading = state.ReadingAt(doc, Revision(), "");
  if (!reading) return absl::InternalError("the text cannot be read");
  if (reading->is_projection && role >= state::DocumentRole::kEditor) {
    return Error(absl::StatusCode::kFailedPrecondition, "RICH_DOCUMENT",
                 "The document was written by a rich editor: it can be asked about and "
                 "summarized, but there are no suggestions for it.");
  }
  Source source{.doc = doc, .revision = state.applied().index, .text = std::move(reading->text)};
  // Who changes something must count as edits do.
  if (!reading->is_projection) source.text = state.TextWithEmbeds(doc).value_or(source.text);
  return source;
}

// Moves the range to where it is now.
absl::Status Follow(const state::Machine& state, Remaining& remaining) {
  state::Writing writing{.revision = remaining.source.revision};
  if (remaining.begin < remaining.end) {
    writing.places.push_back(
        {.position = remaining.begin, .deleted = remaining.end - remaining.begin});
  }
  const std::optional<state::Writing> followed =
      state.Follow(remaining.source.doc, std::move(writing), Revision());
  if (!followed) {
    return Error(absl::StatusCode::kAborted, "TEXT_LOST",
                 "Others have changed the document so much meanwhile that the place to go on at is "
                 "lost; ask again.");
  }
  if (followed->places.empty()) {
    remaining.begin = remaining.end;
    return absl::OkStatus();
  }
  // With what others have written in between.
  const state::Splice& last = followed->places.back();
  remaining.begin = followed->places.front().position;
  remaining.end = last.position + last.deleted;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Source> ReadText(const NodeCalls& calls, AssistTask& task,
                                const v1::DocumentRef& ref, state::DocumentRole role) {
  const Call step = StepOf(task.call);
  return Await<Source>(task.cancellation, [&](std::function<void(absl::StatusOr<Source>)> done) {
    calls.Ask<Source>(
        step, node::Consistency::kLinearizable,
        [caller = task.call.caller, ref,
         role](const state::Machine& state) -> absl::StatusOr<Source> {
          ASSIGN_OR_RETURN(const DocId doc, FindVisible(state, caller, ref));
          RETURN_IF_ERROR(CheckRole(state, caller, doc, role));
          return ReadNow(state, doc, role);
        },
        std::move(done));
  });
}

absl::StatusOr<Source> ReadPart(const NodeCalls& calls, AssistTask& task,
                                const v1::DocumentRef& ref, const v1::TextRange& range) {
  ASSIGN_OR_RETURN(Source source, ReadText(calls, task, ref, state::DocumentRole::kViewer));
  ASSIGN_OR_RETURN(const assist::Range bytes, BytesOf(source.text, range));
  source.text.resize(bytes.end);
  source.text.erase(0, bytes.begin);
  return source;
}

absl::StatusOr<Remaining> ReadRemaining(const NodeCalls& calls, AssistTask& task, Remaining known) {
  const Call step = StepOf(task.call);
  // What this node has applied is enough: it is as new as what was read or proposed before.
  std::string text = std::exchange(known.source.text, {});
  const Revision revision = known.source.revision;
  absl::StatusOr<Remaining> now =
      Await<Remaining>(task.cancellation, [&](std::function<void(absl::StatusOr<Remaining>)> done) {
        calls.Ask<Remaining>(
            step, node::Consistency::kStale,
            [caller = task.call.caller,
             known = std::move(known)](const state::Machine& state) -> absl::StatusOr<Remaining> {
              v1::DocumentRef ref;
              ref.set_id(known.source.doc.value());
              ASSIGN_OR_RETURN(const DocId doc, FindVisible(state, caller, ref));
              constexpr auto kRole = state::DocumentRole::kEditor;
              RETURN_IF_ERROR(CheckRole(state, caller, doc, kRole));
              Remaining now = known;
              now.open_suggestions = state.OpenSuggestionCount(doc);
              if (state.FindDocument(doc)->revision <= known.source.revision) return now;
              RETURN_IF_ERROR(Follow(state, now));
              ASSIGN_OR_RETURN(now.source, ReadNow(state, doc, kRole));
              return now;
            },
            std::move(done));
      });
  if (now.ok() && now->source.revision == revision) now->source.text = std::move(text);
  return now;
}

assist::Range BytesOf(std::string_view text, std::uint64_t begin, std::uint64_t end) {
  assist::Range bytes{.begin = text.size(), .end = text.size()};
  std::uint64_t units = 0;
  for (std::size_t at = 0; at < text.size() && units < end;) {
    if (units <= begin) bytes.begin = at;
    const std::size_t size = CodePointLength(text.substr(at));
    units += Utf16Length(text.substr(at, size));
    at += size;
    bytes.end = at;
  }
  if (begin == 0) bytes.begin = 0;
  if (end == begin) bytes.end = bytes.begin;
  return bytes;
}

absl::StatusOr<assist::Range> BytesOf(std::string_view text, const v1::TextRange& range) {
  const std::uint64_t length = Utf16Length(text);
  const std::uint64_t end = range.end() == 0 ? length : range.end();
  if (range.begin() > end || end > length) {
    return Error(absl::StatusCode::kOutOfRange, "OUT_OF_RANGE",
                 absl::StrCat("The text has ", length, " UTF-16 units; the range does not fit."));
  }
  return BytesOf(text, range.begin(), end);
}

std::string BeginOf(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && IsContinuationByte(text[bytes_max])) --bytes_max;
  text.resize(bytes_max);
  return text;
}

std::string_view EndOf(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t begin = text.size() - bytes_max;
  while (begin < text.size() && IsContinuationByte(text[begin])) ++begin;
  return text.substr(begin);
}

}  // namespace coterie::rpc
