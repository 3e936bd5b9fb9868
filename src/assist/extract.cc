#include "assist/extract.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <vector>

#include "assist/sentences.h"
#include "assist/word_diff.h"

namespace coterie::assist {
namespace {

// Every pair of sentences is compared, so of a long text only the more telling ones are.
constexpr std::size_t kSentencesMax = 300;
constexpr std::size_t kWordsPerSentenceMin = 3;
constexpr std::size_t kSentenceBytesMax = 600;
constexpr std::size_t kBulletsMax = 7;
constexpr std::size_t kParagraphMax = 5;
// A summary is shorter than its text: one sentence of so many.
constexpr std::size_t kShare = 3;
constexpr double kDamping = 0.85;  // As in the paper, which has it from PageRank.
constexpr int kRounds = 30;
// English words that say nothing of what a text is about. In other languages rank alone must do.
constexpr std::array<std::string_view, 60> kStopWords = {
    "a",    "about", "after", "all",  "also",  "an",  "and", "any", "are",  "as",   "at",   "be",
    "been", "but",   "by",    "can",  "could", "did", "do",  "for", "from", "had",  "has",  "have",
    "he",   "her",   "his",   "how",  "i",     "if",  "in",  "is",  "it",   "its",  "may",  "more",
    "no",   "not",   "of",    "on",   "or",    "our", "she", "so",  "than", "that", "the",  "their",
    "them", "then",  "there", "they", "this",  "to",  "was", "we",  "were", "will", "with", "you"};

struct Sentence {
  Range range;
  std::vector<std::string> words;  // Sorted, each once.
  double rank = 1;
};

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view piece : SplitWords(text)) {
    const auto first = static_cast<unsigned char>(piece.front());
    if (std::isalnum(first) == 0 && first < 0x80) continue;
    std::string word(piece);
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::find(kStopWords.begin(), kStopWords.end(), word) == kStopWords.end()) {
      words.push_back(std::move(word));
    }
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

Range Trimmed(std::string_view text, Range range) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (range.size() > 0 && is_space(text[range.begin])) ++range.begin;
  while (range.size() > 0 && is_space(text[range.end - 1])) --range.end;
  return range;
}

// Sentences by how frequent their words are in the text; the first kSentencesMax of them stay.
void KeepTelling(std::vector<Sentence>& sentences) {
  if (sentences.size() <= kSentencesMax) return;
  std::map<std::string_view, double> frequency;
  for (const Sentence& sentence : sentences) {
    for (const std::string& word : sentence.words) ++frequency[word];
  }
  for (Sentence& sentence : sentences) {
    double sum = 0;
    for (const std::string& word : sentence.words) sum += frequency[word];
    sentence.rank = sum / static_cast<double>(sentence.words.size());
  }
  std::stable_sort(sentences.begin(), sentences.end(),
                   [](const Sentence& a, const Sentence& b) { return a.rank > b.rank; });
  sentences.resize(kSentencesMax);
  std::sort(sentences.begin(), sentences.end(),
            [](const Sentence& a, const Sentence& b) { return a.range.begin < b.range.begin; });
  for (Sentence& sentence : sentences) sentence.rank = 1;
}

// The words that both have, by the logarithms of their lengths.
double Likeness(const Sentence& a, const Sentence& b) {
  std::vector<std::string_view> both;
  std::set_intersection(a.words.begin(), a.words.end(), b.words.begin(), b.words.end(),
                        std::back_inserter(both));
  const double lengths =
      std::log(static_cast<double>(a.words.size())) + std::log(static_cast<double>(b.words.size()));
  return both.empty() ? 0 : static_cast<double>(both.size()) / lengths;
}

void Rank(std::vector<Sentence>& sentences) {
  const std::size_t n = sentences.size();
  std::vector<double> likeness(n * n, 0);
  std::vector<double> sum(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double both = Likeness(sentences[i], sentences[j]);
      likeness[i * n + j] = likeness[j * n + i] = both;
      sum[i] += both;
      sum[j] += both;
    }
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> rank(n, 1 - kDamping);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n && sum[i] > 0; ++j) {
        rank[j] += kDamping * sentences[i].rank * likeness[i * n + j] / sum[i];
      }
    }
    for (std::size_t i = 0; i < n; ++i) sentences[i].rank = rank[i];
  }
}

std::string Write(std::string_view text, const std::vector<Sentence>& chosen, SummaryForm form) {
  std::string summary;
  for (const Sentence& sentence : chosen) {
    std::string line(text.substr(sentence.range.begin, sentence.range.size()));
    std::replace(line.begin(), line.end(), '\n', ' ');
    const std::size_t mark = line.find_first_not_of("-*#> \t");  // Of a list or a heading.
    if (mark != std::string::npos) line.erase(0, mark);
    const bool is_first = summary.empty();
    if (form == SummaryForm::kBullets) {
      summary += (is_first ? "- " : "\n- ") + line;
    } else {
      summary += (is_first ? "" : " ") + line;
    }
  }
  return summary;
}

}  // namespace

std::string ExtractSummary(std::string_view text, SummaryForm form,
                           const IsCancelled& is_cancelled) {
  std::vector<Sentence> sentences;
  for (const Range& range : SplitSentences(text, is_cancelled)) {
    if (is_cancelled && is_cancelled()) return "";
    const Range trimmed = Trimmed(text, range);
    if (trimmed.size() == 0 || trimmed.size() > kSentenceBytesMax) continue;
    Sentence sentence{.range = trimmed,
                      .words = WordsOf(text.substr(trimmed.begin, trimmed.size()))};
    if (sentence.words.size() >= kWordsPerSentenceMin) sentences.push_back(std::move(sentence));
  }
  if (sentences.empty()) {  // Nothing that is a sentence: the beginning must do.
    const std::vector<Range> windows = MakeWindows(text, kSentenceBytesMax, is_cancelled);
    if (windows.empty()) return "";
    const Range first = Trimmed(text, windows.front());
    return first.size() == 0 ? "" : Write(text, {{.range = first, .words = {}}}, form);
  }
  KeepTelling(sentences);
  const std::size_t total = sentences.size();
  Rank(sentences);
  const std::size_t most = form == SummaryForm::kBullets ? kBulletsMax : kParagraphMax;
  std::stable_sort(sentences.begin(), sentences.end(),
                   [](const Sentence& a, const Sentence& b) { return a.rank > b.rank; });
  sentences.resize(std::min(most, (total + kShare - 1) / kShare));
  std::sort(sentences.begin(), sentences.end(),
            [](const Sentence& a, const Sentence& b) { return a.range.begin < b.range.begin; });
  return Write(text, sentences, form);
}

}  // namespace coterie::assist
