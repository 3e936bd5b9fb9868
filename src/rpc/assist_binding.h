#pragma once

// AssistService on gRPC: the tasks (assist_runs.h) as server streams. A caller who goes ends the
// task. gRPC's threads.

#include "coterie/v1/assist.grpc.pb.h"
#include "rpc/assist_runs.h"
#include "rpc/unary_binding.h"

namespace coterie::rpc {

class AssistBinding final : public BoundService<v1::AssistService> {
 public:
  // Both outlive the server that this is registered with.
  AssistBinding(Gate& gate, AssistRuns& runs);
};

}  // namespace coterie::rpc
