#pragma once

// What goes to a person's eyes: tables, times, colours, prompts; and what never goes there raw:
// control bytes that somebody else wrote. Main thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <string_view>
#include <vector>

namespace coterie::cli {

enum class Color { kNone, kBold, kDim, kRed, kGreen, kYellow, kCyan };

// `text` in `color` if `is_on`, else as it is.
std::string Paint(const std::string& text, Color color, bool is_on);

// True for a terminal that wants colour: NO_COLOR and TERM=dumb say no.
bool WantsColor(int fd);

// Text of others without control bytes (but newline and tab): no escape sequence reaches the
// terminal.
std::string Printable(std::string_view text);
// JSON with DEL and C1 escaped as well, which JSON itself would let through.
std::string EscapeControls(std::string_view json);
// As Printable, on one line, cut to `width` characters.
std::string OneLine(std::string_view text, std::size_t width);

// Columns as wide as their widest cell; the last is not padded. Rows may differ in length.
std::string Table(const std::vector<std::vector<std::string>>& rows);

std::string DurationText(absl::Duration duration);  // "1m42s", "3h", "850ms".
std::string TimeText(std::uint64_t unix_ms);        // Local, "2026-11-23 16:04:05"; "-" for 0.
std::string SizeText(std::uint64_t size_bytes);     // "812 B", "1.4 KiB".

// Asks on the terminal, without echo for a secret. kFailedPrecondition when there is no terminal.
enum class Echo { kOn, kOff };
absl::StatusOr<std::string> Ask(const std::string& question, Echo echo);

// All of standard input, at most `bytes_max`. kResourceExhausted when it is more.
absl::StatusOr<std::string> ReadStandardInput(std::size_t bytes_max);

}  // namespace coterie::cli
