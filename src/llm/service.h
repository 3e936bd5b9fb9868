#pragma once

// LlmService over gRPC: turns calls into the engine's requests and its events into the stream, and
// decides nothing. gRPC's threads call it, and the engine's thread gives out events. A slow reader
// costs at most the memory of its own answer, whose length the context bounds.

#include <memory>

#include "coterie/llm/v1/llm.grpc.pb.h"
#include "io/clock.h"
#include "llm/engine.h"
#include "llm/model.h"

namespace coterie::llm {

class Service final : public v1::LlmService::CallbackService {
 public:
  // All must outlive the service.
  Service(const Model& model, Engine& engine, const io::Clock& clock);

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
  const Model& model_;
  Engine& engine_;
  const io::Clock& clock_;
  const std::uint64_t started_micros_;
};

}  // namespace coterie::llm
