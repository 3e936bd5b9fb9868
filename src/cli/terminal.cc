#include "cli/terminal.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "cli/caught_signals.h"

namespace coterie::cli {
namespace {

constexpr int kLookForSignalsEveryMs = 50;

// Columns that `text` takes, counting one for each code point: good enough for names.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// Where the code point that begins at `begin` ends.
std::size_t CodePointEnd(std::string_view text, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  return end;
}

// C0, DEL, and C1 in UTF-8 (0xc2 0x80 .. 0xc2 0x9f).
bool IsControl(std::string_view code_point) {
  const auto first = static_cast<unsigned char>(code_point[0]);
  if (code_point.size() == 1) return first < 0x20 || first >= 0x7f;
  const auto second = static_cast<unsigned char>(code_point[1]);
  return first == 0xc2 && second < 0xa0;
}

// A line from the terminal; ends early when a signal comes. Leaves the terminal as it was.
std::string AskOnce(int terminal, const std::string& question, Echo echo,
                    const CaughtSignals& signals) {
  termios before{};
  tcgetattr(terminal, &before);
  termios quiet = before;
  if (echo == Echo::kOff) quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(terminal, TCSAFLUSH, &quiet);
  std::string answer;
  bool goes_on = write(terminal, question.data(), question.size()) >= 0;
  while (goes_on && signals.caught() == 0) {
    pollfd waiting{.fd = terminal, .events = POLLIN};
    if (poll(&waiting, 1, kLookForSignalsEveryMs) <= 0) continue;
    char c = 0;
    goes_on = read(terminal, &c, 1) == 1 && c != '\n';
    if (goes_on) answer.push_back(c);
  }
  tcsetattr(terminal, TCSAFLUSH, &before);
  if (echo == Echo::kOff && write(terminal, "\n", 1) < 0) answer.clear();
  return answer;
}

}  // namespace

std::string Paint(const std::string& text, Color color, bool is_on) {
  if (!is_on || color == Color::kNone) return text;
  constexpr std::array<const char*, 7> kCodes = {"0", "1", "2", "31", "32", "33", "36"};
  return absl::StrCat("\033[", kCodes[static_cast<std::size_t>(color)], "m", text, "\033[0m");
}

bool WantsColor(int fd) {
  if (isatty(fd) == 0) return false;
  const char* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
  const char* term = std::getenv("TERM");          // NOLINT(concurrency-mt-unsafe)
  if (no_color != nullptr && *no_color != '\0') return false;
  return term != nullptr && std::string_view(term) != "dumb";
}

std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = CodePointEnd(text, begin);
    const std::string_view code_point = text.substr(begin, end - begin);
    if (code_point == "\n" || code_point == "\t" || !IsControl(code_point)) {
      printable += code_point;
    } else {
      printable += "\xef\xbf\xbd";  // U+FFFD.
    }
    begin = end;
  }
  return printable;
}

std::string EscapeControls(std::string_view json) {
  std::string escaped;
  escaped.reserve(json.size());
  for (std::size_t begin = 0; begin < json.size();) {
    const std::size_t end = CodePointEnd(json, begin);
    const std::string_view code_point = json.substr(begin, end - begin);
    if (code_point == "\x7f") {
      escaped += "\\u007f";
    } else if (code_point.size() == 2 && IsControl(code_point)) {
      escaped += absl::StrFormat("\\u00%02x", static_cast<unsigned char>(code_point[1]));
    } else {
      escaped += code_point;
    }
    begin = end;
  }
  return escaped;
}

std::string OneLine(std::string_view text, std::size_t width) {
  std::string line;
  std::size_t columns = 0;
  for (std::size_t begin = 0; begin < text.size(); ++columns) {
    if (columns + 1 >= width) return line + "\xe2\x80\xa6";  // U+2026.
    const std::size_t end = CodePointEnd(text, begin);
    const std::string_view code_point = text.substr(begin, end - begin);
    if (code_point == "\n") {
      line += "\xe2\x8f\x8e";  // U+23CE.
    } else {
      line += IsControl(code_point) ? std::string_view(" ") : code_point;
    }
    begin = end;
  }
  return line;
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string table;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      table += row[i];
      if (i + 1 < row.size()) table += std::string(widths[i] - Width(row[i]) + 2, ' ');
    }
    table += '\n';
  }
  return table;
}

std::string DurationText(absl::Duration duration) {
  if (duration < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(duration), "ms");
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

std::string TimeText(std::uint64_t unix_ms) {
  if (unix_ms == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S",
                          absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms)),
                          absl::LocalTimeZone());
}

std::string SizeText(std::uint64_t size_bytes) {
  if (size_bytes < 1024) return absl::StrCat(size_bytes, " B");
  double size = static_cast<double>(size_bytes) / 1024;
  const char* unit = "KiB";
  for (const char* larger : {"MiB", "GiB", "TiB"}) {
    if (size < 1024) break;
    size /= 1024;
    unit = larger;
  }
  return absl::StrFormat("%.1f %s", size, unit);
}

absl::StatusOr<std::string> Ask(const std::string& question, Echo echo) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0 || isatty(STDIN_FILENO) == 0) {
    if (terminal >= 0) close(terminal);
    return absl::FailedPreconditionError("there is no terminal to ask on");
  }
  std::string answer;
  int signal = 0;
  do {
    {
      const CaughtSignals signals({SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP});
      answer = AskOnce(terminal, question, echo, signals);
      signal = signals.caught();
    }
    // The terminal is as it was: the signal may do now what it does.
    if (signal != 0) static_cast<void>(raise(signal));
  } while (signal == SIGTSTP);
  close(terminal);
  return answer;
}

absl::StatusOr<std::string> ReadStandardInput(std::size_t bytes_max) {
  std::string text;
  std::array<char, 64 << 10> buffer;
  for (;;) {
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::InternalError("standard input cannot be read");
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the text on standard input is larger than ", SizeText(bytes_max)));
    }
  }
}

}  // namespace coterie::cli
