#include "assist/summary.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace coterie::assist {
namespace {

constexpr std::size_t kPartBytesMin = 64;
constexpr char kBetween[] = "\n\n";

constexpr char kBlanks[] = " \t\r\n";

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(kBlanks) == std::string_view::npos;
}

std::string Trimmed(std::string_view text) {
  if (IsBlank(text)) return "";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin));
}

// At most `bytes_max`, without a part of a character at the end.
std::string CutTo(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace

Summary::Summary(std::string text, const Options& options, const IsCancelled& is_cancelled)
    : form_(options.form), part_bytes_max_(options.part_bytes_max), text_(std::move(text)) {
  CHECK(options.part_bytes_max >= kPartBytesMin);
  parts_ = Cut({.begin = 0, .end = text_.size()}, is_cancelled);
  known_ = parts_.size();
  if (parts_.empty()) result_ = "";
}

std::vector<Summary::Part> Summary::Cut(Range range, const IsCancelled& is_cancelled) {
  std::vector<Part> parts;
  const std::string_view text = std::string_view(text_).substr(range.begin, range.size());
  for (const Range& window : MakeWindows(text, part_bytes_max_, is_cancelled)) {
    if (IsBlank(text.substr(window.begin, window.size()))) continue;
    parts.push_back({.id = next_id_++,
                     .range = {range.begin + window.begin, range.begin + window.end},
                     .answer = std::nullopt});
  }
  return parts;
}

std::string_view Summary::TextOf(const Part& part) const {
  return std::string_view(text_).substr(part.range.begin, part.range.size());
}

std::size_t Summary::Share() const { return (part_bytes_max_ - (sizeof kBetween - 1)) / 2; }

std::vector<Summary::Part>::iterator Summary::Find(std::size_t id) {
  const auto found =
      std::find_if(parts_.begin(), parts_.end(), [id](const Part& part) { return part.id == id; });
  CHECK(found != parts_.end());
  CHECK(found->is_given_out && !found->answer);
  return found;
}

std::vector<Summary::Task> Summary::TakeTasks(std::size_t tasks_max) {
  std::vector<Task> tasks;
  for (Part& part : parts_) {
    if (tasks.size() == tasks_max) break;
    if (std::exchange(part.is_given_out, true)) continue;
    tasks.push_back({.id = part.id,
                     .prompt = is_first_round_ ? SummaryPrompt(TextOf(part), form_)
                                               : CombinePrompt(TextOf(part), form_)});
  }
  return tasks;
}

bool Summary::Halve(std::size_t id) {
  const auto part = Find(id);
  const std::size_t size = part->range.size();
  if (size <= kPartBytesMin) return false;
  part_bytes_max_ = std::max(kPartBytesMin, std::min(part_bytes_max_, (size + 1) / 2));
  std::vector<Part> halves = Cut(part->range);
  CHECK(!halves.empty());  // No part is blank: not by Cut(), not by NextRound().
  known_ += halves.size() - 1;
  parts_.insert(parts_.erase(part), std::make_move_iterator(halves.begin()),
                std::make_move_iterator(halves.end()));
  return true;
}

void Summary::Complete(std::size_t id, std::string answer) {
  // Blanks are no answer, and would leave no room for one: what is refused is cut between them.
  answer = Trimmed(answer);
  if (parts_.size() > 1) answer = CutTo(std::move(answer), Share());
  Find(id)->answer = std::move(answer);
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
  std::vector<Part> next;
  std::string text;
  std::size_t in_last = 0;
  for (Part& part : parts_) {
    const std::string answer = CutTo(*std::move(part.answer), Share());
    if (answer.empty()) continue;
    const bool fits =
        !next.empty() &&
        next.back().range.size() + sizeof kBetween - 1 + answer.size() <= part_bytes_max_;
    if (fits || in_last == 1) {
      CHECK(fits);
      text += kBetween + answer;
      ++in_last;
    } else {
      next.push_back({.id = next_id_++, .range = {text.size(), 0}, .answer = std::nullopt});
      text += answer;
      in_last = 1;
    }
    next.back().range.end = text.size();
  }
  CHECK(next.size() <= (parts_.size() + 1) / 2);
  is_first_round_ = false;
  parts_ = std::move(next);
  text_ = std::move(text);
  known_ += parts_.size();
  if (parts_.empty()) result_ = "";
}

}  // namespace coterie::assist
