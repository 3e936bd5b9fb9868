#pragma once

// One line on the terminal that says what is being waited for, and goes when there is something to
// show. Nothing where standard error is no terminal, with --quiet and with --json. Main thread.

#include <string>

namespace coterie::cli {

class Invocation;

class StatusLine {
 public:
  explicit StatusLine(const Invocation& cli);
  ~StatusLine() { Clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // In the place of what it said before.
  void Show(const std::string& text);
  void Clear();

 private:
  const bool is_on_;
  const bool has_color_;
  bool is_shown_ = false;
};

}  // namespace coterie::cli
