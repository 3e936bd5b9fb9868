#pragma once

// What the engine is asked for, and what it answers: values, without transport and without
// llama.cpp. Any thread.

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace coterie::llm {

using Token = std::int32_t;  // llama_token.

inline constexpr std::size_t kStopsMax = 16;
inline constexpr std::size_t kStopBytesMax = 256;
inline constexpr std::uint32_t kDefaultAnswerTokens = 512;

struct Sampling {
  float temperature = 0.7F;  // 0 = always the most likely token.
  std::int32_t top_k = 40;   // 0 = all.
  float top_p = 0.95F;
  float min_p = 0.05F;
  float repeat_penalty = 1.0F;
  // Set: the answer is exactly repeatable, and computed apart from the others'.
  std::optional<std::uint32_t> seed;
};

struct Request {
  std::string client;     // On whose behalf; those who wait take turns by this.
  std::string cache_key;  // What the prompt is about; may be empty.
  std::vector<Token> prompt;
  std::uint32_t max_tokens = 0;  // 0 = kDefaultAnswerTokens, or what there is room for.
  Sampling sampling;
  std::vector<std::string> stops;
  std::string grammar;  // GBNF; empty = none.
};

enum class FinishReason : std::uint8_t { kEnd, kStopString, kMaxTokens };

struct Started {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;
  std::uint64_t queued_micros = 0;
};
// So many are before it in the queue, itself counted; before Started.
struct Queued {
  std::size_t place = 1;
};
// So many tokens of its prompt are computed; before the first text, where that takes long.
struct Reading {
  std::uint32_t read_tokens = 0;
};
struct Text {
  std::string text;  // Whole characters, never empty.
};
struct Finished {
  FinishReason reason = FinishReason::kEnd;
  std::uint32_t answer_tokens = 0;
  std::uint64_t first_token_micros = 0;  // Since the request's arrival.
  std::uint64_t total_micros = 0;
};
// An error is the last event, as Finished is: kCancelled, kUnavailable (stopping), kInternal.
using Event = std::variant<Queued, Started, Reading, Text, Finished, absl::Status>;

// Called by the engine's thread, one event at a time; must not block. A request that still waits is
// ended by the caller of Cancel() or Stop(): a last Queued may come beside that end, or after it.
using OnEvent = absl::AnyInvocable<void(Event)>;

}  // namespace coterie::llm
