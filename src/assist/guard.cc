#include "assist/guard.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "assist/word_diff.h"

namespace coterie::assist {
namespace {

// Lengths differ by chance in short texts; so many bytes are always allowed.
constexpr double kSlackBytes = 20;
constexpr std::size_t kPrefaceBytesMax = 120;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool HasDigit(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// What must not change, with how often it is there: numbers, links and addresses.
std::map<std::string, int> FactsOf(std::string_view text) {
  std::map<std::string, int> facts;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && !IsSpace(text[end])) ++end;
    std::string_view piece = text.substr(at, end - at);
    at = end + 1;
    const bool is_link =
        piece.find("://") != std::string_view::npos || piece.find('@') != std::string_view::npos;
    if (is_link) {
      while (!piece.empty() && (piece.back() == '.' || piece.back() == ',')) {
        piece.remove_suffix(1);
      }
      ++facts[std::string(piece)];
      continue;
    }
    for (const std::string_view word : SplitWords(piece)) {
      if (HasDigit(word)) ++facts[std::string(word)];
    }
  }
  return facts;
}

std::size_t CountWords(std::string_view text) {
  const std::vector<std::string_view> words = SplitWords(text);
  return static_cast<std::size_t>(std::count_if(
      words.begin(), words.end(), [](std::string_view word) { return !IsSpace(word[0]); }));
}

// Words that are in one only, as a share of the longer one's words.
double ChangedWords(std::string_view source, std::string_view answer) {
  const std::size_t longer = std::max(CountWords(source), CountWords(answer));
  if (longer == 0) return 0;
  const std::optional<std::vector<Change>> changes = DiffWords(source, answer);
  if (!changes) return 1;
  std::size_t changed = 0;
  for (const Change& change : *changes) {
    changed += std::max(CountWords(change.before), CountWords(change.after));
  }
  return static_cast<double>(changed) / static_cast<double>(longer);
}

// `text` without `mark` at both ends, if it has it there and `source` does not.
std::string_view Unwrap(std::string_view source, std::string_view text, std::string_view mark) {
  const bool is_wrapped = text.size() > 2 * mark.size() && text.starts_with(mark) &&
                          text.ends_with(mark) && !source.starts_with(mark);
  if (!is_wrapped) return text;
  text.remove_prefix(mark.size());
  text.remove_suffix(mark.size());
  return Trim(text);
}

}  // namespace

Verdict Judge(std::string_view source, std::string_view answer, const GuardLimits& limits) {
  if (Trim(answer).empty()) return Trim(source).empty() ? Verdict::kKeep : Verdict::kEmpty;
  const auto old_size = static_cast<double>(source.size());
  const auto new_size = static_cast<double>(answer.size());
  if (new_size > old_size * limits.longer_max + kSlackBytes) return Verdict::kTooLong;
  if (old_size > new_size * limits.shorter_max + kSlackBytes) return Verdict::kTooLong;
  if (FactsOf(source) != FactsOf(answer)) return Verdict::kChangesNumber;
  if (ChangedWords(source, answer) > limits.changed_words_max) return Verdict::kTooDifferent;
  return Verdict::kKeep;
}

std::string WithoutWrapping(std::string_view source, std::string_view answer) {
  const std::string_view core = Trim(source);
  std::string_view text = Trim(answer);
  // A first line that ends in a colon, where the source's does not.
  const std::size_t line = text.find('\n');
  if (line != std::string_view::npos && line <= kPrefaceBytesMax && line > 0 &&
      Trim(text.substr(0, line)).ends_with(':') &&
      !Trim(core.substr(0, core.find('\n'))).ends_with(':')) {
    text = Trim(text.substr(line));
  }
  for (const std::string_view mark : {"```", "\"\"\"", "\"", "<<<"}) {
    text = Unwrap(core, text, mark);
  }
  const std::size_t lead = static_cast<std::size_t>(core.data() - source.data());
  std::string result(source.substr(0, core.empty() ? 0 : lead));
  result += text;
  if (!core.empty()) result += source.substr(lead + core.size());
  return result;
}

}  // namespace coterie::assist
