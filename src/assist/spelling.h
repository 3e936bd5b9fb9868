#pragma once

// What can be said of a text's spelling without a language model: words that a dictionary does not
// know, with what it would have instead, and words that stand there twice. Careful: what looks like
// a name, an abbreviation, a link or code is left alone. Pure.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/sentences.h"

namespace coterie::assist {

struct Speller {
  std::function<bool(std::string_view word)> knows;
  // Most likely first; may be empty.
  std::function<std::vector<std::string>(std::string_view word)> suggest;
};

struct Misspelling {
  Range range;  // Of the text.
  std::string before;
  std::string after;  // Never the same.
  std::string why;
};

struct Spelling {
  std::vector<Misspelling> found;  // In order.
  // Words that are not known, and for which there is nothing to suggest.
  std::size_t unknown = 0;
  // Up to here the text was read: its length, unless `found` is full, or 1000 words are unknown.
  std::size_t end = 0;
};

// Stops before there are more than `found_max`, and where it is when it is cancelled. Asks once for
// each word that is not known.
Spelling CheckSpelling(std::string_view text, const Speller& speller, std::size_t found_max,
                       const IsCancelled& is_cancelled = {});

}  // namespace coterie::assist
