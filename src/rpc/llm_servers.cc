#include "rpc/llm_servers.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "rpc/status_map.h"

namespace coterie::rpc {
namespace {

// A server that takes longer to say how busy it is counts as dead.
constexpr absl::Duration kStatusTimeout = absl::Seconds(1);
// Of one answer; the server's own limit of tokens ends it earlier.
constexpr std::size_t kAnswerBytesMax = 4 << 20;

absl::Status NoServers() {
  return Error(
      absl::StatusCode::kFailedPrecondition, "NO_MODEL",
      "This node is connected to no language model, and the built-in assistant only checks "
      "spelling and summarizes. Start a model beside a local cluster with `coterie up --model "
      "FILE.gguf`; elsewhere start coterie-llm and give every node its address: --llm HOST:PORT.");
}

}  // namespace

void Cancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  is_cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool Cancellation::IsCancelled() const {
  absl::MutexLock lock(&mutex_);
  return is_cancelled_;
}

Cancellation::Scope::Scope(Cancellation& cancellation, grpc::ClientContext& context)
    : cancellation_(cancellation) {
  absl::MutexLock lock(&cancellation_.mutex_);
  CHECK(cancellation_.context_ == nullptr);
  cancellation_.context_ = &context;
  if (cancellation_.is_cancelled_) context.TryCancel();
}

Cancellation::Scope::~Scope() {
  absl::MutexLock lock(&cancellation_.mutex_);
  cancellation_.context_ = nullptr;
}

struct LlmServers::Server {
  std::string address;
  std::unique_ptr<llm::v1::LlmService::Stub> stub;

  struct Attempt {
    grpc::Status status;
    Answer answer;
  };
  Attempt Ask(const llm::v1::GenerateRequest& request, absl::Time deadline,
              Cancellation& cancellation, const Listener& listener) const;
};

LlmServers::LlmServers(const std::vector<std::string>& addresses,
                       const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  CHECK(addresses.size() <= kServersMax);
  for (const std::string& address : addresses) {
    auto server = std::make_unique<Server>();
    server->address = address;
    server->stub = llm::v1::LlmService::NewStub(grpc::CreateChannel(address, credentials));
    servers_.push_back(std::move(server));
  }
}

LlmServers::~LlmServers() = default;

std::string LlmServers::Addresses() const {
  std::string all;
  for (const auto& server : servers_)
    absl::StrAppend(&all, all.empty() ? "" : ", ", server->address);
  return all;
}

std::vector<const LlmServers::Server*> LlmServers::Ready(Cancellation& cancellation) const {
  struct Readiness {
    bool is_full;
    double load;  // What waits per place.
    const Server* server;
  };
  std::vector<Readiness> ready;
  for (const auto& server : servers_) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kStatusTimeout));
    const Cancellation::Scope scope(cancellation, context);
    llm::v1::GetStatusResponse status;
    if (!server->stub->GetStatus(&context, {}, &status).ok() || status.is_stopping()) continue;
    const double load = status.active() + status.waiting();
    ready.push_back({.is_full = status.waiting() >= status.waiting_max(),
                     .load = load / std::max(1u, status.slots()),
                     .server = server.get()});
  }
  std::stable_sort(ready.begin(), ready.end(), [](const Readiness& a, const Readiness& b) {
    return std::tie(a.is_full, a.load) < std::tie(b.is_full, b.load);
  });
  std::vector<const Server*> servers;
  for (const Readiness& one : ready) servers.push_back(one.server);
  return servers;
}

LlmServers::Server::Attempt LlmServers::Server::Ask(const llm::v1::GenerateRequest& request,
                                                    absl::Time deadline, Cancellation& cancellation,
                                                    const Listener& listener) const {
  Attempt attempt;
  llm::v1::GetModelResponse model;
  {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kStatusTimeout));
    const Cancellation::Scope scope(cancellation, context);
    attempt.status = stub->GetModel(&context, {}, &model);
    if (!attempt.status.ok()) return attempt;
  }
  attempt.answer.model = model.name();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  const Cancellation::Scope scope(cancellation, context);
  const std::unique_ptr<grpc::ClientReader<llm::v1::GenerateResponse>> reader =
      stub->Generate(&context, request);
  llm::v1::GenerateResponse response;
  while (reader->Read(&response)) {
    if (response.has_started() && listener.started) listener.started(model.name());
    if (response.text().empty()) continue;
    attempt.answer.text += response.text();
    if (attempt.answer.text.size() > kAnswerBytesMax) context.TryCancel();
    if (listener.text) listener.text(response.text());
  }
  attempt.status = reader->Finish();
  return attempt;
}

absl::StatusOr<LlmServers::Answer> LlmServers::Generate(const llm::v1::GenerateRequest& request,
                                                        absl::Time deadline,
                                                        Cancellation& cancellation,
                                                        const Listener& listener) const {
  if (servers_.empty()) return NoServers();
  absl::Status failure = Error(
      absl::StatusCode::kUnavailable, "MODEL_UNAVAILABLE",
      absl::StrCat("No language model answers at ", Addresses(),
                   ". Start coterie-llm there (`./dev llm`), then ask again; documents and editing "
                   "go on without it."));
  for (const Server* server : Ready(cancellation)) {
    Server::Attempt attempt = server->Ask(request, deadline, cancellation, listener);
    if (attempt.status.ok()) return std::move(attempt.answer);
    if (cancellation.IsCancelled()) break;
    const bool is_gone = attempt.status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (is_gone && !attempt.answer.text.empty()) {
      return Error(absl::StatusCode::kUnavailable, "MODEL_UNAVAILABLE",
                   absl::StrCat("The language model at ", server->address,
                                " ended in the middle of its answer. Ask again."));
    }
    const bool is_full = attempt.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    if (!is_gone) failure = PassedOn(attempt.status);
    if (!is_gone && !is_full) break;
  }
  if (cancellation.IsCancelled()) return absl::CancelledError("the call was given up");
  return failure;
}

}  // namespace coterie::rpc
