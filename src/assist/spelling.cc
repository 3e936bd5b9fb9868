#include "assist/spelling.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "assist/word_diff.h"

namespace coterie::assist {
namespace {

constexpr std::size_t kWordBytesMin = 2;
constexpr std::size_t kWordBytesMax = 64;
constexpr std::size_t kAlternativesMax = 3;
// Each new one takes a dictionary some milliseconds; a text in another language has nothing else.
constexpr std::size_t kNotKnownMax = 1'000;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLetter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80;
}
bool IsWord(std::string_view piece) { return IsLetter(piece.front()); }

// Whether this, which has no spaces, is no prose: a link, an address, a path, code.
bool IsCode(std::string_view piece) {
  if (piece.find_first_of("@_\\/=<>{}[]#$`|~^*+0123456789") != std::string_view::npos) return true;
  const std::size_t dot = piece.find('.');  // example.org, but not the end of a sentence.
  return dot != std::string_view::npos && dot + 1 < piece.size() && IsLetter(piece[dot + 1]);
}

// What a dictionary can judge: no ABBREVIATION, no CamelCase, no Name.
bool IsOrdinary(std::string_view word) {
  if (word.size() < kWordBytesMin || word.size() > kWordBytesMax) return false;
  return std::none_of(word.begin(), word.end(), IsUpper);
}

std::string WhyOf(const std::vector<std::string>& suggestions) {
  std::string why = "spelling";
  for (std::size_t i = 1; i < std::min(suggestions.size(), kAlternativesMax + 1); ++i) {
    why += (i == 1 ? "; or: " : ", ") + suggestions[i];
  }
  return why;
}

// A capital at the beginning of a sentence is no name's.
std::string Lowered(std::string_view word) {
  std::string lowered(word);
  lowered[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(lowered[0])));
  return lowered;
}

// "the the", and "The the" where a sentence begins; not what may well be.
bool IsSameAgain(std::string_view before, std::string_view word) {
  if (before.empty() || word == "that" || word == "had") return false;
  if (before == word) return true;
  const bool may_be_name = word == "will" || word == "may";  // "Will will come."
  return IsUpper(before[0]) && Lowered(before) == word && !may_be_name;
}

class Check {
 public:
  Check(std::string_view text, const Speller& speller, std::size_t found_max)
      : text_(text), speller_(speller), found_max_(found_max) {}

  Spelling Run(const IsCancelled& is_cancelled) {
    std::size_t next_sentence = 0;
    const std::vector<Range> sentences = SplitSentences(text_, is_cancelled);
    std::size_t at = 0;
    bool begins_sentence = true;
    for (const std::string_view piece : SplitWords(text_)) {
      if (next_sentence < sentences.size() && at >= sentences[next_sentence].begin) {
        begins_sentence = true;
        ++next_sentence;
      }
      if (IsWord(piece)) {
        // A dictionary may take milliseconds for each.
        const bool is_over = is_cancelled && is_cancelled();
        if (is_over || spelling_.found.size() == found_max_ || not_known_ == kNotKnownMax) {
          spelling_.end = at;
          return std::move(spelling_);
        }
        Look(piece, at, begins_sentence);
        begins_sentence = false;
      } else if (!IsSpace(piece.front())) {
        previous_ = {};
      }
      at += piece.size();
    }
    spelling_.end = text_.size();
    return std::move(spelling_);
  }

 private:
  struct Correction {
    std::string after;  // Empty = the dictionary has none.
    std::string why;
  };

  void Look(std::string_view word, std::size_t at, bool begins_sentence) {
    const std::string_view before = std::exchange(previous_, word);
    if (IsInCode(at)) return;
    const bool is_capital = begins_sentence && IsUpper(word[0]);
    const std::string plain = is_capital ? Lowered(word) : std::string(word);
    if (!IsOrdinary(plain)) return;
    if (IsSameAgain(before, word)) {
      const std::size_t begin = static_cast<std::size_t>(before.data() - text_.data());
      Add({.begin = begin, .end = at + word.size()}, std::string(before), "the word stands twice");
      previous_ = {};
      return;
    }
    if (speller_.knows(plain) || speller_.knows(word)) return;
    ++not_known_;
    const Correction& correction = CorrectionOf(word);
    if (correction.after.empty()) {
      ++spelling_.unknown;
      return;
    }
    Add({.begin = at, .end = at + word.size()}, correction.after, correction.why);
  }

  // A writer who misspells a word does so again and again.
  const Correction& CorrectionOf(std::string_view word) {
    const auto [found, is_new] = corrections_.try_emplace(std::string(word));
    if (is_new) {
      std::vector<std::string> suggestions = speller_.suggest(word);
      std::erase(suggestions, found->first);
      if (!suggestions.empty()) {
        found->second = {.after = suggestions.front(), .why = WhyOf(suggestions)};
      }
    }
    return found->second;
  }

  // Whether what is between spaces around `at` is code. Many words may have one stretch in common.
  bool IsInCode(std::size_t at) {
    if (at >= stretch_.end) {
      Range range{.begin = at, .end = at};
      while (range.begin > stretch_.end && !IsSpace(text_[range.begin - 1])) --range.begin;
      while (range.end < text_.size() && !IsSpace(text_[range.end])) ++range.end;
      is_code_ = IsCode(text_.substr(range.begin, range.size()));
      stretch_ = range;
    }
    return is_code_;
  }

  void Add(Range range, std::string after, std::string why) {
    spelling_.found.push_back({.range = range,
                               .before = std::string(text_.substr(range.begin, range.size())),
                               .after = std::move(after),
                               .why = std::move(why)});
  }

  const std::string_view text_;
  const Speller& speller_;
  const std::size_t found_max_;
  std::size_t not_known_ = 0;
  std::map<std::string, Correction> corrections_;  // Of those, at most one each.
  std::string_view previous_;  // The word before, with nothing but space between.
  Range stretch_;              // Between spaces, where a word was looked at last.
  bool is_code_ = false;       // It is.
  Spelling spelling_;
};

}  // namespace

Spelling CheckSpelling(std::string_view text, const Speller& speller, std::size_t found_max,
                       const IsCancelled& is_cancelled) {
  return Check(text, speller, found_max).Run(is_cancelled);
}

}  // namespace coterie::assist
