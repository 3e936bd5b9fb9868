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
using Event = std::variant<Started, Text, Finished, absl::Status>;

// Called by the engine's thread (by the caller of Cancel() or Stop() for a request that still
// waits), one event at a time; must not block.
using OnEvent = absl::AnyInvocable<void(Event)>;

}  // namespace coterie::llm
