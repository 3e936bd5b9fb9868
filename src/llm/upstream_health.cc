#include "llm/upstream_health.h"

#include <algorithm>

namespace coterie::llm {
namespace {

constexpr int kDoublingsMax = 9;  // 2^9 seconds are more than kOutMax.

// Whether an answer's end says something of the server, not of the request, its client, or how this
// side is configured: who asks is to be told of that.
bool IsOfTheServer(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kInternal;
}

}  // namespace

void UpstreamHealth::TakeProbe(const absl::Status& status, absl::Time now) {
  const bool is_gone = IsOfTheServer(status.code()) || absl::IsDeadlineExceeded(status);
  if (is_gone) {
    status_ = status;
  } else if (now >= out_until_) {
    status_ = absl::OkStatus();
  }
}

void UpstreamHealth::TakeAnswer(const Answer& answer, absl::Time now) {
  if (answer.status.ok()) {
    *this = UpstreamHealth();
    return;
  }
  if (!IsOfTheServer(answer.status.code())) return;
  if (answer.is_refusal) {
    // If it is the server after all, the next probe says so, or the next client's request.
    if (!refused_) refused_ = answer.client;
    if (*refused_ == answer.client) return;
  }
  refused_.reset();
  // Those that were on their way together are one failure.
  if (answer.begun >= failed_) ++failures_;
  failed_ = now;
  status_ = answer.status;
  const absl::Duration cost = std::max(now - answer.begun, kOutMin);
  const int doublings = std::clamp(failures_ - 1, 0, kDoublingsMax);
  out_until_ = std::max(out_until_, now + std::min(cost * (1 << doublings), kOutMax));
}

}  // namespace coterie::llm
