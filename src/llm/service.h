#pragma once

// LlmService over gRPC: turns calls into the engine's requests and its events into the stream, and
// decides nothing. Before it has an engine it says how far the model is loaded, and refuses the
// rest. gRPC's threads call it, and the engine's thread gives out events. A slow reader costs at
// most the memory of its own answer, whose length the context bounds.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <memory>
#include <optional>

#include "coterie/llm/v1/llm.grpc.pb.h"
#include "io/clock.h"
#include "llm/engine.h"
#include "llm/model.h"

namespace coterie::llm {

class Service final : public v1::LlmService::CallbackService {
 public:
  // Must outlive the service.
  explicit Service(const io::Clock& clock);

  // Of 0 to 1, while the model is being loaded. Any thread.
  void SetLoading(float progress);
  // From now on these answer, which outlive the service. Once.
  void Serve(const Model& model, Engine& engine);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* CountTokens(grpc::CallbackServerContext* context,
                                        const v1::CountTokensRequest* request,
                                        v1::CountTokensResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;

 private:
  struct Served {
    const Model& model;
    Engine& engine;
  };
  // kUnavailable: it is being loaded.
  absl::StatusOr<Served> served() const;

  const io::Clock& clock_;
  const std::uint64_t started_micros_;
  mutable absl::Mutex mutex_;
  std::optional<Served> served_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t loading_percent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace coterie::llm
