#pragma once

// Cuts a text into sentences, and packs these into windows that a model can work on. Ranges are
// bytes of the text, follow each other without a gap, and never cut a character. Pure.

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

namespace coterie::assist {

// Half-open.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

// Asked now and then by what may work long on a text: whether nobody wants the outcome any more.
// Once true it stays so. Empty = somebody does.
using IsCancelled = std::function<bool()>;

// Each with the white space behind it. A sentence ends at ., !, ? and their like, unless that is an
// abbreviation's or an initial's, at an empty line, and before a line that begins a list or
// heading. Cancelled, it leaves out the rest.
std::vector<Range> SplitSentences(std::string_view text, const IsCancelled& is_cancelled = {});

// Whole sentences, as many as fit in `bytes_max` (at least 16). One that is longer alone is cut
// between words, or if it has none between characters. Cancelled, it leaves out the rest.
std::vector<Range> MakeWindows(std::string_view text, std::size_t bytes_max,
                               const IsCancelled& is_cancelled = {});

}  // namespace coterie::assist
