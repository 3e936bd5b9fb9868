#pragma once

// The text that a task of the assistant is about: read as the caller may see it, and the part of it
// that is meant, which moves along with what others write. Blocks; any thread.

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "assist/sentences.h"
#include "coterie/v1/assist.pb.h"
#include "rpc/assist_task.h"
#include "rpc/node_calls.h"
#include "state/machine.h"

namespace coterie::rpc {

struct Source {
  DocId doc;
  Revision revision;
  std::string text;
};

// kPermissionDenied: the caller's role is less. kFailedPrecondition: a rich document, for editors.
absl::StatusOr<Source> ReadText(const NodeCalls& calls, AssistTask& task,
                                const v1::DocumentRef& ref, state::DocumentRole role);
// For a viewer, and no more than the range.
absl::StatusOr<Source> ReadPart(const NodeCalls& calls, AssistTask& task,
                                const v1::DocumentRef& ref, const v1::TextRange& range);

// What is still to be done of a text.
struct Remaining {
  Source source;
  std::uint64_t begin = 0;  // In UTF-16 units of `source`.
  std::uint64_t end = 0;
  std::size_t open_suggestions = 0;  // Of the document.
};
// The same part of the text as it is now; empty if it has been deleted. kAborted: it has changed so
// much meanwhile that the place is lost.
absl::StatusOr<Remaining> ReadRemaining(const NodeCalls& calls, AssistTask& task, Remaining known);

// The bytes of `text` that the range means. kOutOfRange.
absl::StatusOr<assist::Range> BytesOf(std::string_view text, const v1::TextRange& range);
// Requires that the range fits.
assist::Range BytesOf(std::string_view text, std::uint64_t begin, std::uint64_t end);

// The first part of `text` that is not longer than that, to a character's end.
std::string BeginOf(std::string text, std::size_t bytes_max);
// The last part, from a character's beginning.
std::string_view EndOf(std::string_view text, std::size_t bytes_max);

}  // namespace coterie::rpc
