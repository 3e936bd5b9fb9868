#pragma once

// Whether a call may go on: its method's policy against the session that its token names. Usually
// answered at once from the node's session directory; a session that this node has not heard of may
// be so new that only other nodes know it, and one that should be over by now may have been renewed
// or ended: these are looked for once more after a linearizable read.
// Any thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "node/node.h"
#include "rpc/call.h"
#include "rpc/call_rates.h"
#include "rpc/policy.h"
#include "rpc/token.h"

namespace coterie::rpc {

class Authenticator {
 public:
  // Both outlive it.
  Authenticator(node::Node& node, CallRates& rates) : node_(node), rates_(rates) {}

  // `done` runs once, maybe before this returns. kUnauthenticated, kPermissionDenied,
  // kResourceExhausted (the user calls too often).
  using Done = std::function<void(absl::StatusOr<Caller>)>;
  void Admit(const Policy& policy, std::string_view authorization, absl::Time deadline, Done done);
  // Whose token it is, which counts as no call: for what must be known before there is one. `done`
  // runs once, maybe before this returns. kUnauthenticated, or why nobody can be asked.
  void Identify(std::string_view authorization, absl::Time deadline, Done done);
  // Whether the session still exists: for streams that outlive their admission.
  bool IsAlive(SessionId session) const { return node_.sessions().Find(session).has_value(); }

 private:
  absl::StatusOr<Caller> Permit(const Policy& policy, absl::StatusOr<Caller> caller);

  node::Node& node_;
  CallRates& rates_;
  std::atomic<int> looking_again_{0};
};

// kUnauthenticated.
absl::Status NoSession();
// kPermissionDenied.
absl::Status NotAnAdmin(const std::string& user);

// What `sessions` says of the token. Empty if it knows no such session.
std::optional<absl::StatusOr<Caller>> CheckToken(const node::SessionDirectory& sessions,
                                                 const Token& token);

}  // namespace coterie::rpc
