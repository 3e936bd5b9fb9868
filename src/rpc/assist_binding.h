#pragma once

// AssistService on gRPC: the tasks as server streams, each on one of a few threads of its own, with
// a bounded queue between it and the caller. A caller who goes ends the task. gRPC's and the work
// threads.

#include "coterie/v1/assist.grpc.pb.h"
#include "rpc/assist_service.h"
#include "rpc/gate.h"
#include "rpc/unary_binding.h"
#include "rpc/work_threads.h"

namespace coterie::rpc {

// Tasks at once on one node: most of the time each waits for the model.
inline constexpr std::size_t kAssistThreads = 16;

class AssistBinding final : public BoundService<v1::AssistService> {
 public:
  // All outlive the server that this is registered with.
  AssistBinding(Gate& gate, const AssistService& service, WorkThreads& threads);
};

}  // namespace coterie::rpc
