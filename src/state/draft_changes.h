#pragma once

// What merging a draft would do to the text that people see, computed beside the machine from
// copies of what it holds, because a large document takes its time. Pure function, any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "state/event.h"

namespace coterie::state {

struct DraftSource {
  DocId doc;
  std::string root;     // Machine::TextRootOf().
  std::string content;  // Machine::UpdateAt(), the whole of it.
  std::string draft;    // Machine::DraftUpdate().
};

// The changes in order, each in what the one before left; none if the content is no plain text, or
// the draft changes something else alone. Nothing if the bytes make no document, or the draft no
// longer fits to it.
std::optional<std::vector<TextChange>> ChangesOf(const DraftSource& source);

}  // namespace coterie::state
