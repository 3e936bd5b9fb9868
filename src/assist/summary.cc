#include "assist/summary.h"

#include <algorithm>
#include <utility>

#include "assist/sentences.h"
#include "base/check.h"

namespace coterie::assist {
namespace {

constexpr std::size_t kPartBytesMin = 64;
constexpr char kBetween[] = "\n\n";

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// At most `bytes_max`, without a part of a character at the end.
std::string Cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace

Summary::Summary(std::string_view text, const Options& options) : options_(options) {
  CHECK(options.part_bytes_max >= kPartBytesMin);
  for (const Range& window : MakeWindows(text, options.part_bytes_max)) {
    const std::string_view part = text.substr(window.begin, window.size());
    if (!IsBlank(part)) parts_.push_back({.text = std::string(part)});
  }
  known_ = parts_.size();
  if (parts_.empty()) result_ = "";
}

std::vector<Summary::Task> Summary::TakeTasks() {
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (std::exchange(parts_[i].is_given_out, true)) continue;
    tasks.push_back({.id = first_id_ + i,
                     .prompt = is_first_round_ ? SummaryPrompt(parts_[i].text, options_.form)
                                               : CombinePrompt(parts_[i].text, options_.form)});
  }
  return tasks;
}

void Summary::Complete(std::size_t id, std::string answer) {
  CHECK(id >= first_id_ && id < first_id_ + parts_.size());
  Part& part = parts_[id - first_id_];
  CHECK(part.is_given_out && !part.answer);
  part.answer = std::move(answer);
  ++done_;
  const bool is_whole_round = std::all_of(parts_.begin(), parts_.end(),
                                          [](const Part& each) { return each.answer.has_value(); });
  if (is_whole_round) NextRound();
}

void Summary::NextRound() {
  if (parts_.size() == 1) {
    result_ = *std::move(parts_[0].answer);
    parts_.clear();
    return;
  }
  // Two of them always fit, so that each round has at most half as many, rounded up.
  const std::size_t share = (options_.part_bytes_max - (sizeof kBetween - 1)) / 2;
  std::vector<Part> next;
  std::size_t in_last = 0;
  for (Part& part : parts_) {
    std::string answer = Cut(*std::move(part.answer), share);
    const bool fits =
        !next.empty() &&
        next.back().text.size() + sizeof kBetween - 1 + answer.size() <= options_.part_bytes_max;
    if (fits || in_last == 1) {
      CHECK(fits);
      next.back().text += kBetween + answer;
      ++in_last;
      continue;
    }
    next.push_back({.text = std::move(answer)});
    in_last = 1;
  }
  CHECK(next.size() <= (parts_.size() + 1) / 2);
  first_id_ += parts_.size();
  is_first_round_ = false;
  parts_ = std::move(next);
  known_ += parts_.size();
}

}  // namespace coterie::assist
