#pragma once

// How long the unary calls of each method took and how many failed, over whichever face they came.
// The methods are those of policy.h, from the beginning. Any thread.

#include <map>
#include <memory>
#include <string_view>

#include "rpc/policy.h"
#include "runtime/counters.h"

namespace coterie::rpc {

class CallTimes {
 public:
  struct Method {
    runtime::Histogram seconds;
    runtime::Counter errors;
  };

  CallTimes();
  CallTimes(const CallTimes&) = delete;
  CallTimes& operator=(const CallTimes&) = delete;

  enum class Outcome : std::uint8_t { kAnswered, kFailed };
  void Observe(const Policy& policy, double seconds, Outcome outcome);

  // By full name.
  const std::map<std::string_view, std::unique_ptr<Method>>& methods() const { return methods_; }

 private:
  std::map<std::string_view, std::unique_ptr<Method>> methods_;  // The names are the policies'.
};

}  // namespace coterie::rpc
