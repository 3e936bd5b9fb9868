#pragma once

// What the engine counts: totals since its start, the times to the first token of the last answers,
// and the tokens of the last seconds. Guarded by its owner; time is the owner's.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace coterie::llm {

struct Counters {
  std::uint64_t finished = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t refused = 0;  // The queue was full.
  std::uint64_t failed = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;  // Of the prompts' tokens, what need not be computed.
  std::uint64_t answer_tokens = 0;
  std::uint64_t decode_steps = 0;
  std::uint64_t busy_micros = 0;  // Within decode steps.
};

struct MetricsView {
  Counters counters;
  std::size_t active = 0;
  std::size_t waiting = 0;
  bool is_stopping = false;
  std::uint64_t first_token_micros_p50 = 0;  // 0 before the first answer.
  std::uint64_t first_token_micros_p99 = 0;
  double answer_tokens_per_second = 0;
};

class Metrics {
 public:
  static constexpr std::size_t kFirstTokensMax = 256;
  static constexpr std::uint64_t kRateMicros = 10'000'000;

  Counters counters;

  void AddFirstToken(std::uint64_t micros);
  // A generated token; counts it.
  void AddToken(std::uint64_t now_micros);
  // How long answers took from their slot on; a moving average over about eight of them.
  void AddService(std::uint64_t micros);

  void FillIn(std::uint64_t now_micros, MetricsView& view) const;
  std::uint64_t service_micros() const { return service_micros_; }

 private:
  static constexpr std::uint64_t kBucketMicros = 1'000'000;
  struct Second {
    std::uint64_t begin_micros;
    std::uint64_t tokens;
  };
  std::array<std::uint64_t, kFirstTokensMax> first_tokens_{};
  std::size_t first_tokens_count_ = 0;
  std::deque<Second> seconds_;  // At most 11.
  std::uint64_t service_micros_ = 0;
};

}  // namespace coterie::llm
