#pragma once

// What is known of the server behind this one: by being asked whether it is there, and by how it
// answers what it is asked. A server that lists its models and then fails to answer stays out for
// as long as that had cost, and doubly with each failure in succession. One that does answer, but
// with an error of its own, may have met a request that it cannot bear: that one client shall not
// put it out for all. Owner: guarded by its owner's mutex. Pure.

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <optional>
#include <string>

namespace coterie::llm {

class UpstreamHealth {
 public:
  static constexpr absl::Duration kOutMin = absl::Seconds(1);
  static constexpr absl::Duration kOutMax = absl::Minutes(5);

  void TakeProbe(const absl::Status& status, absl::Time now);
  struct Answer {
    absl::Status status;
    absl::Time begun;    // When it was asked for,
    std::string client;  // and by whom.
    // The server answered, with an error: of no weight before two clients have met one.
    bool is_refusal = false;
  };
  void TakeAnswer(const Answer& answer, absl::Time now);

  // OK = nothing is known against it; otherwise what went wrong last.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
  int failures_ = 0;                    // In succession.
  std::optional<std::string> refused_;  // The client that alone has met an error since then.
  absl::Time failed_ = absl::InfinitePast();
  absl::Time out_until_ = absl::InfinitePast();  // For probes that find it well.
};

}  // namespace coterie::llm
