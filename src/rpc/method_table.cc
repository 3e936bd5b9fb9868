#include "rpc/method_table.h"

#include <absl/time/clock.h>

namespace coterie::rpc {

const MethodTable::Method* MethodTable::Find(std::string_view name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

void Invoke(Gate& gate, const MethodTable::Method& method, const Invocation& invocation,
            MethodTable::MessagePtr request, MethodTable::Answer answer) {
  Call call{.deadline = invocation.deadline,
            .authorization = invocation.authorization,
            .peer = invocation.peer};
  const auto shared = std::make_shared<MethodTable::MessagePtr>(std::move(request));
  MethodTable::Answer leave =
      [&gate, &policy = *method.policy, begun = absl::Now(), bytes = invocation.request_bytes,
       answer = std::move(answer)](absl::StatusOr<MethodTable::MessagePtr> response) {
        gate.Leave(bytes);
        gate.times().Observe(
            policy, absl::ToDoubleSeconds(absl::Now() - begun),
            response.ok() ? CallTimes::Outcome::kAnswered : CallTimes::Outcome::kFailed);
        answer(std::move(response));
      };
  gate.authenticator().Admit(
      *method.policy, invocation.authorization, invocation.deadline,
      [&method, call, shared, leave = std::move(leave)](absl::StatusOr<Caller> caller) mutable {
        if (!caller.ok()) return leave(caller.status());
        call.caller = *std::move(caller);
        method.handle(call, **shared, std::move(leave));
      });
}

}  // namespace coterie::rpc
