#include "cli/status_line.h"

#include <unistd.h>

#include <cstdio>

#include "cli/invocation.h"
#include "cli/terminal.h"

namespace coterie::cli {
namespace {

// To the line's begin, and nothing from there on (ECMA-48 EL).
constexpr char kEmptyLine[] = "\r\x1b[K";
// Longer ones would wrap on a narrow terminal, where only the last row would go.
constexpr std::size_t kWidth = 60;

void Write(const std::string& text) {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

StatusLine::StatusLine(const Invocation& cli)
    : is_on_(!cli.options.is_quiet && !cli.is_json() && isatty(STDERR_FILENO) != 0),
      has_color_(cli.has_color()) {}

void StatusLine::Show(const std::string& text) {
  if (!is_on_) return;
  is_shown_ = true;
  Write(kEmptyLine + Paint(OneLine(text, kWidth), Color::kDim, has_color_));
}

void StatusLine::Clear() {
  if (!is_shown_) return;
  is_shown_ = false;
  Write(kEmptyLine);
}

}  // namespace coterie::cli
