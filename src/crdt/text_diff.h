#pragma once

// The least that must change to make one text of another: what was not touched keeps its place for
// everybody who edits it at the same time. First by lines, then within changed lines by words. The
// cost is bounded: texts that have little in common are replaced between their common ends.
// Pure functions, any thread. Source: Myers, "An O(ND) difference algorithm" (1986).

#include <string_view>
#include <vector>

#include "crdt/events.h"

namespace coterie::crdt {

// In order, each in the text that the one before left, on code point boundaries; none when the
// texts are equal. Requires valid UTF-8.
std::vector<TextChange> DiffTexts(std::string_view source, std::string_view target);

}  // namespace coterie::crdt
