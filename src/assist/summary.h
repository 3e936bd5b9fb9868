#pragma once

// Summarizing a text that is longer than the model's context: its parts are summarized apart (map),
// then as many of the summaries together as fit (reduce), and again, until one is left. A state
// machine: it says what is to be asked, in any number at once, and is told the answers. Pure; one
// owner.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/prompts.h"
#include "assist/sentences.h"

namespace coterie::assist {

class Summary {
 public:
  struct Options {
    SummaryForm form = SummaryForm::kBullets;
    std::size_t part_bytes_max = 6'000;  // At least 64. Of the text in one prompt.
  };
  struct Task {
    std::size_t id;
    Prompt prompt;
  };

  // Cancelled, it leaves out the rest of the text.
  Summary(std::string text, const Options& options, const IsCancelled& is_cancelled = {});

  // What can be asked now and has not been given out before, at most so many: each takes the memory
  // of its prompt.
  std::vector<Task> TakeTasks(std::size_t tasks_max);
  // `id` was given out, and is answered once. An answer is cut to what its share of the next prompt
  // is, so that every round leaves at most half as many; of blanks it is none.
  void Complete(std::size_t id, std::string answer);
  // `id` was given out, and the model refuses it as too long: its halves are given out instead, and
  // what comes later is not longer than they are. False: it is as short as can be.
  [[nodiscard]] bool Halve(std::size_t id);

  // Set when the last one is answered; at once, and empty, for a text without words.
  const std::optional<std::string>& result() const { return result_; }
  // For showing progress: how many of how many tasks, as far as is known.
  std::size_t tasks_done() const { return done_; }
  std::size_t tasks_known() const { return known_; }

 private:
  struct Part {
    std::size_t id = 0;
    Range range;  // Of text_.
    bool is_given_out = false;
    std::optional<std::string> answer;
  };
  // The parts of this range of text_ that are not blank.
  std::vector<Part> Cut(Range range, const IsCancelled& is_cancelled = {});
  std::string_view TextOf(const Part& part) const;
  // Of an answer, so that two of them always fit in the next prompt.
  std::size_t Share() const;
  void NextRound();
  std::vector<Part>::iterator Find(std::size_t id);

  const SummaryForm form_;
  std::size_t part_bytes_max_;
  bool is_first_round_ = true;
  std::size_t next_id_ = 0;
  std::string text_;         // That this round is about.
  std::vector<Part> parts_;  // Of this round, in the text's order.
  std::size_t done_ = 0;
  std::size_t known_ = 0;
  std::optional<std::string> result_;
};

}  // namespace coterie::assist
