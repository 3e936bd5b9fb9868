#pragma once

// coterie.v1.EventService on gRPC: one server stream per subscriber, fed by EventHub. gRPC's and
// the hub's threads.

#include "coterie/v1/events.grpc.pb.h"
#include "rpc/event_hub.h"
#include "rpc/gate.h"

namespace coterie::rpc {

class EventService final : public v1::EventService::Service {
 public:
  // Both outlive the server that this is registered with.
  EventService(Gate& gate, EventHub& hub);
};

}  // namespace coterie::rpc
