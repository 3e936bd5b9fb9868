#pragma once

// coterie.v1.PresenceService: who is here. A session joins with its first Attach stream; the node
// renews its lease while streams live, and one that ends cleanly leaves at once. gRPC's threads.

#include "coterie/v1/presence.grpc.pb.h"
#include "rpc/call.h"
#include "rpc/gate.h"
#include "rpc/node_calls.h"
#include "rpc/presence_hub.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {

class PresenceService {
 public:
  explicit PresenceService(const NodeCalls& calls) : calls_(calls) {}

  void ListPresent(const Call& call, v1::ListPresentRequest request,
                   Reply<v1::ListPresentResponse> reply);

 private:
  const NodeCalls& calls_;
};

// Attach on gRPC, beside the unary method.
class PresenceBinding final : public BoundService<v1::PresenceService> {
 public:
  // All outlive the server that this is registered with.
  PresenceBinding(Gate& gate, const NodeCalls& calls, PresenceHub& hub);
};

}  // namespace coterie::rpc
