#pragma once

// Models made up for tests and measurements, so that no weights need to be downloaded or kept.
// Any thread.

#include <absl/status/status.h>

#include <cstdint>
#include <string>

namespace coterie::llm::testing {

// The next token depends on the last one alone, so that answers are known beforehand:
//   after "\n" (as after a chat's prompt)  kStory, and the end
//   after "#"                              " tick tock tick tock" without end
//   after "?"                              a random one of eight colours, and so on without end
//   after "!"                              a byte that is no UTF-8, then "ok", and the end
//   after anything else                    the end
// All in tokens of a word, but for the last two words of the story: single bytes.
inline constexpr char kStory[] =
    "The quick brown fox jumps over one lazy dog near caf\xC3\xA9 \xF0\x9F\x98\x80.";
absl::Status WriteChainModel(const std::string& path);
// The same head with an architecture that llama.cpp does not know.
absl::Status WriteUnknownModel(const std::string& path);

// Small random weights: what comes next depends on all that was before. Byte tokens.
absl::Status WriteRandomModel(const std::string& path, std::uint64_t seed);

// Random weights in the shape of TinyLlama-1.1B, quantised to Q4_K_M: 668 MB, for measuring. Needs
// 2.2 GB beside it for a minute.
absl::Status WriteBigModel(const std::string& path, int threads);

}  // namespace coterie::llm::testing
