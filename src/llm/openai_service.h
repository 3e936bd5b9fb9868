#pragma once

// LlmService on top of a server that speaks OpenAI's HTTP API: llama-server, Ollama, vLLM and their
// like. For those who have outgrown one machine: the nodes notice no difference. Chats alone, no
// raw prompts and no grammars, which that API has not. gRPC's threads, which it blocks; as many
// calls at once as it was given slots.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <string>

#include "coterie/llm/v1/llm.grpc.pb.h"
#include "io/clock.h"
#include "llm/http_call.h"

namespace coterie::llm {

struct OpenAiOptions {
  HttpUrl url;          // Before "/v1/...".
  std::string model;    // As the server calls it; empty = the first that it lists.
  std::string api_key;  // Empty = none. Never logged.
  std::uint32_t context = 4'096;
  std::uint32_t slots = 4;
  std::uint32_t waiting_max = 64;
  absl::Duration silence_max = absl::Seconds(120);
};

class OpenAiService final : public v1::LlmService::Service {
 public:
  OpenAiService(OpenAiOptions options, const io::Clock& clock);

  // Asks the server for its models: the name of the one that is used. What is wrong, otherwise: the
  // address, the key, the name.
  absl::StatusOr<std::string> Probe();
  // Running answers end; nothing new begins.
  void Stop();

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override;
  grpc::Status CountTokens(grpc::ServerContext* context, const v1::CountTokensRequest* request,
                           v1::CountTokensResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;

 private:
  class Answer;
  absl::Status Enter(const grpc::ServerContext& context);
  void Leave(const absl::Status& status);
  bool IsStopping() const;
  std::string model() const;

  const OpenAiOptions options_;
  const io::Clock& clock_;
  const std::uint64_t started_micros_;
  mutable absl::Mutex mutex_;
  std::string model_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t active_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint32_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  v1::GetStatusResponse counters_ ABSL_GUARDED_BY(mutex_);  // Those since the start.
};

}  // namespace coterie::llm
