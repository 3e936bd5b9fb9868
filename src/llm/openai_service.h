#pragma once

// LlmService on top of a server that speaks OpenAI's HTTP API: llama-server, Ollama, vLLM and their
// like. For those who have outgrown one machine: the nodes notice no difference. Chats alone, no
// raw prompts, no grammars and no other sampling than that API has. gRPC's threads, which it
// blocks; as many calls at once as it was given slots, and clients take turns.

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "coterie/llm/v1/llm.grpc.pb.h"
#include "errors/detail.h"
#include "io/clock.h"
#include "llm/fair_queue.h"
#include "llm/http_call.h"
#include "llm/upstream_health.h"

namespace coterie::llm {

struct OpenAiOptions {
  HttpUrl url;          // Before "/v1/...".
  std::string model;    // As the server calls it; empty = the first that it lists.
  std::string api_key;  // Empty = none. Never logged.
  std::uint32_t context = 4'096;
  std::uint32_t slots = 4;
  std::uint32_t waiting_max = 64;
  std::uint32_t waiting_per_client_max = 16;
  absl::Duration silence_max = absl::Seconds(120);
  // How often Watch() asks a server that is well, and one that is not.
  absl::Duration probe_every = absl::Seconds(10);
  absl::Duration probe_again_every = absl::Seconds(1);
};

class OpenAiService final : public v1::LlmService::Service {
 public:
  OpenAiService(OpenAiOptions options, const io::Clock& clock);
  ~OpenAiService() override;

  // Asks the server for its models: the name of the one that is used. What is wrong, otherwise: the
  // address, the key, the name.
  absl::StatusOr<std::string> Probe();
  // Probes again and again from now on, by a thread of its own until Stop(): GetStatus is an error
  // while the server is not well. That thread tells `on_change` what is new. Once.
  void Watch(std::function<void(const absl::Status& health)> on_change);
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
  struct Waiter {
    bool has_place = false;
  };
  struct Outcome {
    absl::Status status;
    errors::Detail detail;    // Its reason is empty where the status has it.
    bool is_refusal = false;  // The HTTP server's own answer.
  };

  absl::Status Enter(const grpc::ServerContext& context, const std::string& client,
                     grpc::ServerWriter<v1::GenerateResponse>& writer);
  std::size_t PlaceOf(const Waiter& waiter) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave();
  void GivePlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // With a place.
  Outcome Ask(grpc::ServerContext& context, const v1::GenerateRequest& request, Answer& answer);
  void Count(const UpstreamHealth::Answer& answer, std::size_t tokens);
  void RunWatch();
  bool IsStopping() const;
  // As the server calls it: kUnavailable and so on while that is not known.
  absl::StatusOr<std::string> Model();
  absl::StatusOr<std::string> FindModel() const;

  const OpenAiOptions options_;
  const io::Clock& clock_;
  const std::uint64_t started_micros_;
  mutable absl::Mutex mutex_;
  std::string model_ ABSL_GUARDED_BY(mutex_);
  FairQueue<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);
  std::uint32_t active_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  UpstreamHealth health_ ABSL_GUARDED_BY(mutex_);
  v1::GetStatusResponse counters_ ABSL_GUARDED_BY(mutex_);  // Those since the start.
  std::function<void(const absl::Status&)> on_change_;      // The watch's.
  std::thread watch_;                                       // Last: it uses the others.
};

}  // namespace coterie::llm
