#pragma once

// The least that must change to make one text of another: what was not touched keeps its place for
// everybody who edits it at the same time. By chunks first where the texts are long, then by lines,
// then by words, each within what the step before found to differ (text_pieces.h).
// The cost is bounded, by counted steps, so that it is the same everywhere: what is too much to
// compare is replaced as a whole, and so are texts that have nothing in common.
// Pure functions, any thread. Source: Myers, "An O(ND) difference algorithm" (1986).

#include <string_view>
#include <vector>

#include "crdt/events.h"

namespace coterie::crdt {

// In order, each in the text that the one before left, on code point boundaries; none when the
// texts are equal. Requires valid UTF-8.
std::vector<TextChange> DiffTexts(std::string_view source, std::string_view target);

}  // namespace coterie::crdt
