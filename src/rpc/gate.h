#pragma once

// What every call passes on its way in, whatever its service: a node that is not stopping, memory
// for its request, a session. One for the whole server; any thread.

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "rpc/authenticate.h"
#include "rpc/call_times.h"

namespace coterie::rpc {

class Gate {
 public:
  // Of requests that are being served.
  static constexpr std::int64_t kBytesMax = 256 << 20;

  // Both outlive it.
  Gate(node::Node& node, CallRates& rates) : authenticator_(node, rates) {}

  // No new call is let in from now on.
  void Close() { is_closed_.store(true); }
  bool IsClosed() const { return is_closed_.load(); }

  // Lets a call of this many bytes in; Leave() follows if that was OK. kUnavailable,
  // kResourceExhausted.
  absl::Status Enter(const Policy& policy, std::size_t bytes);
  void Leave(std::size_t bytes);
  std::int64_t calls() const { return calls_.load(); }

  Authenticator& authenticator() { return authenticator_; }
  CallTimes& times() { return times_; }

 private:
  Authenticator authenticator_;
  CallTimes times_;
  std::atomic<bool> is_closed_{false};
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> calls_{0};
};

}  // namespace coterie::rpc
