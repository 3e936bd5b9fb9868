#pragma once

// Texts that llama.cpp would not survive: for some vocabularies it cuts a text into words by
// std::regex, which descends once per character of a word. Of 16 KiB of "!" that went well with 8
// MiB of stack, 32 KiB ended the process (falcon, deepseek, aquila, gpt-neox of llama.cpp 0.4.0).
// Pure.

#include <absl/status/status.h>

#include <cstddef>
#include <string_view>

namespace coterie::llm {

inline constexpr std::size_t kStretchBytesMax = 8 << 10;

// The longest part that may be one word, or the blanks between two. A byte that is no ASCII may
// belong to either.
std::size_t LongestStretch(std::string_view text);

// `splitter` is how the vocabulary cuts texts, its tokenizer.ggml.pre; empty for one that does not.
// kInvalidArgument: a stretch that is too long for it.
absl::Status CheckStretches(std::string_view text, std::string_view splitter);

}  // namespace coterie::llm
