#include "llm/stretches.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <iterator>

namespace coterie::llm {
namespace {

// llama.cpp has loops of its own for these: 256 KiB of one kind of character were cut.
constexpr std::string_view kWithoutRegex[] = {"gpt-2", "llama-bpe", "qwen2"};

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

std::size_t LongestStretch(std::string_view text) {
  std::size_t longest = 0;
  std::size_t word = 0;
  std::size_t blanks = 0;
  for (const char c : text) {
    word = IsBlank(c) ? 0 : word + 1;
    blanks = IsBlank(c) || !IsAscii(c) ? blanks + 1 : 0;
    longest = std::max({longest, word, blanks});
  }
  return longest;
}

absl::Status CheckStretches(std::string_view text, std::string_view splitter) {
  const bool is_safe =
      splitter.empty() || std::find(std::begin(kWithoutRegex), std::end(kWithoutRegex), splitter) !=
                              std::end(kWithoutRegex);
  if (is_safe) return absl::OkStatus();
  const std::size_t longest = LongestStretch(text);
  if (longest <= kStretchBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the prompt has ", longest, " bytes without a blank between them, or of blanks;",
                   " this model's vocabulary takes at most ", kStretchBytesMax));
}

}  // namespace coterie::llm
