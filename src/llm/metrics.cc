#include "llm/metrics.h"

#include <algorithm>
#include <vector>

namespace coterie::llm {
namespace {

constexpr std::uint64_t kAverageOver = 8;

}  // namespace

void Metrics::AddFirstToken(std::uint64_t micros) {
  first_tokens_[first_tokens_count_ % kFirstTokensMax] = micros;
  ++first_tokens_count_;
}

void Metrics::AddToken(std::uint64_t now_micros) {
  ++counters.answer_tokens;
  if (seconds_.empty() || now_micros >= seconds_.back().begin_micros + kBucketMicros) {
    seconds_.push_back({now_micros, 0});
  }
  ++seconds_.back().tokens;
  while (seconds_.front().begin_micros + kRateMicros < now_micros) seconds_.pop_front();
}

void Metrics::AddService(std::uint64_t micros) {
  service_micros_ = service_micros_ == 0
                        ? micros
                        : (service_micros_ * (kAverageOver - 1) + micros) / kAverageOver;
}

void Metrics::FillIn(std::uint64_t now_micros, MetricsView& view) const {
  view.counters = counters;
  const std::size_t count = std::min(first_tokens_count_, kFirstTokensMax);
  if (count > 0) {
    std::vector<std::uint64_t> sorted(first_tokens_.begin(),
                                      first_tokens_.begin() + static_cast<std::ptrdiff_t>(count));
    std::sort(sorted.begin(), sorted.end());
    view.first_token_micros_p50 = sorted[(count - 1) / 2];
    view.first_token_micros_p99 = sorted[(count - 1) * 99 / 100];
  }
  std::uint64_t tokens = 0;
  for (const Second& second : seconds_) {
    if (second.begin_micros + kRateMicros >= now_micros) tokens += second.tokens;
  }
  view.answer_tokens_per_second =
      static_cast<double>(tokens) / (static_cast<double>(kRateMicros) / 1e6);
}

}  // namespace coterie::llm
