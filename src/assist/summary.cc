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

Summary::Summary(std::string_view text, const Options& options, const IsCancelled& is_cancelled)
    : form_(options.form), part_bytes_max_(options.part_bytes_max) {
  CHECK(options.part_bytes_max >= kPartBytesMin);
  parts_ = Cut(text, is_cancelled);
  known_ = parts_.size();
  if (parts_.empty()) result_ = "";
}

std::vector<Summary::Part> Summary::Cut(std::string_view text, const IsCancelled& is_cancelled) {
  std::vector<Part> parts;
  for (const Range& window : MakeWindows(text, part_bytes_max_, is_cancelled)) {
    const std::string_view part = text.substr(window.begin, window.size());
    if (!IsBlank(part)) parts.push_back({.id = next_id_++, .text = std::string(part)});
  }
  return parts;
}

std::vector<Summary::Part>::iterator Summary::Find(std::size_t id) {
  const auto found =
      std::find_if(parts_.begin(), parts_.end(), [id](const Part& part) { return part.id == id; });
  CHECK(found != parts_.end());
  CHECK(found->is_given_out && !found->answer);
  return found;
}

std::vector<Summary::Task> Summary::TakeTasks() {
  std::vector<Task> tasks;
  for (Part& part : parts_) {
    if (std::exchange(part.is_given_out, true)) continue;
    tasks.push_back({.id = part.id,
                     .prompt = is_first_round_ ? SummaryPrompt(part.text, form_)
                                               : CombinePrompt(part.text, form_)});
  }
  return tasks;
}

bool Summary::Halve(std::size_t id) {
  const auto part = Find(id);
  if (part->text.size() <= kPartBytesMin) return false;
  part_bytes_max_ = std::max(kPartBytesMin, std::min(part_bytes_max_, (part->text.size() + 1) / 2));
  std::vector<Part> halves = Cut(part->text);
  CHECK(!halves.empty());  // No part is blank: not by Cut(), not by NextRound().
  known_ += halves.size() - 1;
  parts_.insert(parts_.erase(part), std::make_move_iterator(halves.begin()),
                std::make_move_iterator(halves.end()));
  return true;
}

void Summary::Complete(std::size_t id, std::string answer) {
  // Blanks are no answer, and would leave no room for one: what is refused is cut between them.
  Find(id)->answer = Trimmed(answer);
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
  const std::size_t share = (part_bytes_max_ - (sizeof kBetween - 1)) / 2;
  std::vector<Part> next;
  std::size_t in_last = 0;
  for (Part& part : parts_) {
    std::string answer = CutTo(*std::move(part.answer), share);
    if (answer.empty()) continue;
    const bool fits =
        !next.empty() &&
        next.back().text.size() + sizeof kBetween - 1 + answer.size() <= part_bytes_max_;
    if (fits || in_last == 1) {
      CHECK(fits);
      next.back().text += kBetween + answer;
      ++in_last;
      continue;
    }
    next.push_back({.id = next_id_++, .text = std::move(answer)});
    in_last = 1;
  }
  CHECK(next.size() <= (parts_.size() + 1) / 2);
  is_first_round_ = false;
  parts_ = std::move(next);
  known_ += parts_.size();
  if (parts_.empty()) result_ = "";
}

}  // namespace coterie::assist
