#include "assist/word_diff.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.h"

namespace coterie::assist {
namespace {

using Words = std::vector<std::string_view>;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsWordCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 || c == '_';
}

// The end of the word that begins at `at`.
std::size_t EndOfWord(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size()) {
    const bool joins = (text[end] == '\'' || text[end] == '-') && end > at &&
                       end + 1 < text.size() && IsWordCharacter(text[end + 1]);
    if (!IsWordCharacter(text[end]) && !joins) break;
    ++end;
  }
  return end;
}

// Which words of both are the same, in order: pairs of indices.
struct Match {
  std::size_t source;
  std::size_t answer;
};

// Myers' greedy algorithm over diagonals k = x - y. `trace[d]` is the furthest x on each diagonal
// before step d, so that the path can be walked back.
std::optional<std::vector<Match>> FindMatches(const Words& source, const Words& answer) {
  const auto n = static_cast<std::ptrdiff_t>(source.size());
  const auto m = static_cast<std::ptrdiff_t>(answer.size());
  const std::ptrdiff_t edits_max = std::min<std::ptrdiff_t>(n + m, kEditsMax);
  const std::ptrdiff_t middle = edits_max + 1;
  std::vector<std::ptrdiff_t> furthest(static_cast<std::size_t>(2 * edits_max + 3), 0);
  std::vector<std::vector<std::ptrdiff_t>> trace;
  const auto steps_down = [&](const std::vector<std::ptrdiff_t>& from, std::ptrdiff_t d,
                              std::ptrdiff_t k) {
    return k == -d || (k != d && from[middle + k - 1] < from[middle + k + 1]);
  };
  bool is_found = false;
  for (std::ptrdiff_t d = 0; d <= edits_max && !is_found; ++d) {
    trace.push_back(furthest);
    for (std::ptrdiff_t k = -d; k <= d && !is_found; k += 2) {
      std::ptrdiff_t x =
          steps_down(furthest, d, k) ? furthest[middle + k + 1] : furthest[middle + k - 1] + 1;
      while (x < n && x - k < m && source[x] == answer[x - k]) ++x;
      furthest[middle + k] = x;
      is_found = x >= n && x - k >= m;
    }
  }
  if (!is_found) return std::nullopt;

  std::vector<Match> matches;
  std::ptrdiff_t x = n;
  std::ptrdiff_t y = m;
  for (auto d = static_cast<std::ptrdiff_t>(trace.size()) - 1; d >= 0; --d) {
    const std::vector<std::ptrdiff_t>& before = trace[static_cast<std::size_t>(d)];
    const std::ptrdiff_t k = x - y;
    const std::ptrdiff_t last_k = steps_down(before, d, k) ? k + 1 : k - 1;
    const std::ptrdiff_t last_x = d == 0 ? 0 : before[middle + last_k];
    const std::ptrdiff_t last_y = d == 0 ? 0 : last_x - last_k;
    while (x > last_x && y > last_y) {
      matches.push_back({static_cast<std::size_t>(--x), static_cast<std::size_t>(--y)});
    }
    x = last_x;
    y = last_y;
  }
  std::reverse(matches.begin(), matches.end());
  return matches;
}

std::size_t OffsetOf(std::string_view text, const Words& words, std::size_t i) {
  return i == words.size() ? text.size() : static_cast<std::size_t>(words[i].data() - text.data());
}

}  // namespace

std::vector<std::string_view> SplitWords(std::string_view text) {
  Words words;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at + 1;
    if (IsSpace(text[at])) {
      while (end < text.size() && IsSpace(text[end])) ++end;
    } else if (IsWordCharacter(text[at])) {
      end = EndOfWord(text, at);
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<std::vector<Change>> DiffWords(std::string_view source, std::string_view answer) {
  const Words old_words = SplitWords(source);
  const Words new_words = SplitWords(answer);
  std::optional<std::vector<Match>> matches = FindMatches(old_words, new_words);
  if (!matches) return std::nullopt;
  // White space that stayed between two changes joins them: a person sees one place.
  std::vector<Match> kept;
  for (std::size_t i = 0; i < matches->size(); ++i) {
    const Match match = (*matches)[i];
    const bool touches_before = i == 0 ? match.source + match.answer > 0
                                       : (*matches)[i - 1].source + 1 != match.source ||
                                             (*matches)[i - 1].answer + 1 != match.answer;
    const bool is_last = i + 1 == matches->size();
    const bool touches_after =
        is_last ? match.source + 1 != old_words.size() || match.answer + 1 != new_words.size()
                : (*matches)[i + 1].source != match.source + 1 ||
                      (*matches)[i + 1].answer != match.answer + 1;
    if (touches_before && touches_after && IsSpace(old_words[match.source][0])) continue;
    kept.push_back(match);
  }
  kept.push_back({old_words.size(), new_words.size()});

  std::vector<Change> changes;
  Match next{0, 0};  // What follows the last match.
  for (const Match& match : kept) {
    const Range range{OffsetOf(source, old_words, next.source),
                      OffsetOf(source, old_words, match.source)};
    const std::size_t begin = OffsetOf(answer, new_words, next.answer);
    const std::size_t end = OffsetOf(answer, new_words, match.answer);
    if (range.size() > 0 || end > begin) {
      changes.push_back({.range = range,
                         .before = std::string(source.substr(range.begin, range.size())),
                         .after = std::string(answer.substr(begin, end - begin))});
    }
    next = {match.source + 1, match.answer + 1};
  }
  return changes;
}

std::string Apply(std::string_view source, const std::vector<Change>& changes) {
  std::string text;
  std::size_t at = 0;
  for (const Change& change : changes) {
    CHECK(change.range.begin >= at && change.range.end <= source.size());
    text += source.substr(at, change.range.begin - at);
    text += change.after;
    at = change.range.end;
  }
  text += source.substr(at);
  return text;
}

}  // namespace coterie::assist
