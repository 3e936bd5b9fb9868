#pragma once

// What is known of the server behind this one: by being asked whether it is there, and by how it
// answers what it is asked. A server that lists its models and then fails to answer stays out for
// as long as that had cost, and doubly with each failure in succession. Owner: guarded by its
// owner's mutex. Pure.

#include <absl/status/status.h>
#include <absl/time/time.h>

namespace coterie::llm {

class UpstreamHealth {
 public:
  static constexpr absl::Duration kOutMin = absl::Seconds(1);
  static constexpr absl::Duration kOutMax = absl::Minutes(5);

  void TakeProbe(const absl::Status& status, absl::Time now);
  // The outcome of an answer that was asked for at `begun`.
  void TakeAnswer(const absl::Status& status, absl::Time begun, absl::Time now);

  // OK = nothing is known against it; otherwise what went wrong last.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
  int failures_ = 0;  // In succession.
  absl::Time failed_ = absl::InfinitePast();
  absl::Time out_until_ = absl::InfinitePast();  // For probes that find it well.
};

}  // namespace coterie::llm
