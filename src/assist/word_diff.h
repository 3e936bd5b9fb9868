#pragma once

// What a model changed in a text, as small edits: words, spaces and punctuation are compared, and
// what differs becomes replacements that a person can accept one by one. Pure.
// Source: Myers, "An O(ND) Difference Algorithm and Its Variations", 1986.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/sentences.h"

namespace coterie::assist {

// More insertions and deletions than this are another text, not a correction. Bounds the work.
inline constexpr std::size_t kEditsMax = 1'000;

struct Change {
  Range range;         // Of the source; empty = an insertion.
  std::string before;  // What is there, for recognising that it has changed meanwhile.
  std::string after;   // Empty = a deletion.
  friend bool operator==(const Change&, const Change&) = default;
};

// Words (letters, digits, everything beyond ASCII, an apostrophe or hyphen within), runs of white
// space, and single other characters. Together they are the text.
std::vector<std::string_view> SplitWords(std::string_view text);

// In order, apart from each other by more than white space. Applied together they make `answer`.
// Empty: more than kEditsMax.
std::optional<std::vector<Change>> DiffWords(std::string_view source, std::string_view answer);

// `source` with the changes made.
std::string Apply(std::string_view source, const std::vector<Change>& changes);

}  // namespace coterie::assist
