#include "rpc/call_times.h"

#include "base/check.h"

namespace coterie::rpc {

CallTimes::CallTimes() {
  for (const Policy& policy : Policies()) {
    methods_.emplace(policy.method, std::make_unique<Method>());
  }
}

void CallTimes::Observe(const Policy& policy, double seconds, Outcome outcome) {
  const auto found = methods_.find(policy.method);
  CHECK(found != methods_.end());
  found->second->seconds.Observe(seconds);
  if (outcome == Outcome::kFailed) found->second->errors.Add();
}

}  // namespace coterie::rpc
