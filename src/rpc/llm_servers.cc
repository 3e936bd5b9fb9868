#include "rpc/llm_servers.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "rpc/status_map.h"
#include "rpc/steady_time.h"

namespace coterie::rpc {
namespace {

// A server that takes longer to say how busy it is counts as dead.
constexpr absl::Duration kStatusTimeout = absl::Seconds(1);
// One that has just come back is reached within the backoff of the connection.
constexpr absl::Duration kReconnectTimeout = absl::Milliseconds(1'500);
// For so long what it has said is believed.
constexpr absl::Duration kRemembered = absl::Milliseconds(500);
constexpr absl::Duration kCheckEvery = absl::Milliseconds(50);
// Of one answer; the server's own limit of tokens ends it earlier.
constexpr std::size_t kAnswerBytesMax = 4 << 20;

absl::Status NoServers() {
  return Error(
      absl::StatusCode::kFailedPrecondition, "NO_MODEL",
      "This node is connected to no language model, and the built-in assistant only checks "
      "spelling and summarizes. Start a model beside a local cluster with `coterie up --model "
      "FILE.gguf`; elsewhere start coterie-llm and give every node its address: --llm HOST:PORT.");
}

std::shared_ptr<grpc::Channel> Connect(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  // A server that comes back is noticed within this.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // The time that one connection attempt has (the name is misleading: subchannel.cc, gRPC 1.51).
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3'000);
  // One that is cut off or frozen is given up after these, in the middle of an answer, too.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

// Whether another server may do better. Not after what the request itself is to blame for.
bool IsOfThatServerAlone(const absl::Status& failure) {
  switch (failure.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnimplemented:
      return true;
    case absl::StatusCode::kFailedPrecondition:
      return errors::ReasonOf(failure) == "MISCONFIGURED";
    default:
      return false;
  }
}

std::uint32_t PercentOf(std::uint32_t part, std::uint32_t whole) {
  return whole == 0 ? 0 : static_cast<std::uint32_t>(std::uint64_t{99} * part / whole);
}

// What it waits for, if that is what `response` says.
void Tell(const LlmServers::Listener& listener, const llm::v1::GenerateResponse& response,
          std::uint32_t prompt_tokens) {
  using Waiting = LlmServers::Waiting;
  if (!listener.waits) return;
  if (response.has_queued()) {
    listener.waits(Waiting{Waiting::For::kPlace, response.queued().place()});
  } else if (response.has_reading()) {
    listener.waits(Waiting{Waiting::For::kReading,
                           PercentOf(response.reading().read_tokens(), prompt_tokens)});
  }
}

absl::Status EndedInTheMiddle(const std::string& address, const grpc::Status& status) {
  return Error(absl::StatusCode::kUnavailable, "MODEL_UNAVAILABLE",
               absl::StrCat("The language model at ", address,
                            " ended in the middle of its answer. Ask again. (",
                            status.error_message(), ")"));
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

bool Cancellation::WaitFor(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&is_cancelled_), duration);
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
  // What it has said of itself, or why it has not.
  struct Said {
    absl::Time at = absl::InfinitePast();  // By SteadyNow().
    grpc::Status result;
    llm::v1::GetStatusResponse status;
    llm::v1::GetModelResponse model;

    bool is_loading() const { return at != absl::InfinitePast() && status.has_loading_percent(); }
    bool is_there() const {
      return at != absl::InfinitePast() && result.ok() && !status.is_stopping() && !is_loading();
    }
    bool is_recent() const { return at + kRemembered > SteadyNow(); }
  };
  struct Attempt {
    grpc::Status status;
    Answer answer;
  };

  Said said() const {
    absl::MutexLock lock(&mutex);
    return last;
  }
  void Remember(Said said) {
    absl::MutexLock lock(&mutex);
    last = std::move(said);
    begun = 0;
  }
  // What this node has begun to ask since then is not in what it said.
  double load() const {
    absl::MutexLock lock(&mutex);
    const double waiting = last.status.active() + last.status.waiting() + begun;
    return waiting / std::max(1u, last.status.slots());
  }
  Attempt Ask(const llm::v1::GenerateRequest& request, absl::Time deadline,
              Cancellation& cancellation, const Listener& listener) const;

  std::string address;
  std::unique_ptr<llm::v1::LlmService::Stub> stub;
  mutable absl::Mutex mutex;
  Said last ABSL_GUARDED_BY(mutex);
  mutable std::uint32_t begun ABSL_GUARDED_BY(mutex) = 0;
};

// One question to a server under way.
class LlmServers::Begun {
 public:
  explicit Begun(const Server& server) : server_(server) {
    absl::MutexLock lock(&server_.mutex);
    said_at_ = server_.last.at;
    ++server_.begun;
  }
  ~Begun() {
    absl::MutexLock lock(&server_.mutex);
    if (server_.last.at == said_at_) --server_.begun;
  }
  Begun(const Begun&) = delete;
  Begun& operator=(const Begun&) = delete;

 private:
  const Server& server_;
  absl::Time said_at_;
};

// One round of questions to servers, all at once. Lives until all have answered.
class LlmServers::Inquiry {
 public:
  enum class If : std::uint8_t { kConnected, kItComesBack };
  void Ask(Server& server, If when) {
    Question& question = *questions_.emplace_back(std::make_unique<Question>(server));
    {
      absl::MutexLock lock(&mutex_);
      open_ += 2;
    }
    const bool waits = when == If::kItComesBack;
    const auto deadline =
        absl::ToChronoTime(absl::Now() + (waits ? kReconnectTimeout : kStatusTimeout));
    question.status_context.set_wait_for_ready(waits);
    question.model_context.set_wait_for_ready(waits);
    question.status_context.set_deadline(deadline);
    question.model_context.set_deadline(deadline);
    server.stub->async()->GetStatus(
        &question.status_context, &question.status_request, &question.said.status,
        [this, &question](const grpc::Status& result) { Take(question, result); });
    server.stub->async()->GetModel(
        &question.model_context, &question.model_request, &question.said.model,
        [this, &question](const grpc::Status& result) { Take(question, result); });
  }
  // Each server remembers what it has said, unless nobody waits for it any more.
  void Wait(const Cancellation& cancellation) {
    while (!WaitFor(kCheckEvery)) {
      if (!cancellation.IsCancelled()) continue;
      for (const auto& question : questions_) {
        question->status_context.TryCancel();
        question->model_context.TryCancel();
      }
    }
    if (cancellation.IsCancelled()) return;
    for (const auto& question : questions_) {
      question->said.at = SteadyNow();
      question->server.Remember(std::move(question->said));
    }
  }

 private:
  struct Question {
    explicit Question(Server& asked) : server(asked) {}
    Server& server;
    Server::Said said;
    grpc::ClientContext status_context;
    grpc::ClientContext model_context;
    llm::v1::GetStatusRequest status_request;
    llm::v1::GetModelRequest model_request;
  };
  void Take(Question& question, const grpc::Status& result) {
    absl::MutexLock lock(&mutex_);
    if (question.said.result.ok()) question.said.result = result;
    --open_;
  }
  bool WaitFor(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    const auto is_done = [this] {
      mutex_.AssertReaderHeld();
      return open_ == 0;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_done), duration);
  }

  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Question>> questions_;
};

LlmServers::LlmServers(const std::vector<std::string>& addresses,
                       const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  CHECK(addresses.size() <= kServersMax);
  for (const std::string& address : addresses) {
    auto server = std::make_unique<Server>();
    server->address = address;
    server->stub = llm::v1::LlmService::NewStub(Connect(address, credentials));
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

absl::Status LlmServers::NoneAnswers() const {
  std::string why;
  for (const auto& server : servers_) {
    const grpc::Status result = server->said().result;
    if (result.ok() || result.error_message().empty()) continue;
    absl::StrAppend(&why, why.empty() ? " (" : "; ", server->address, ": ", result.error_message());
  }
  if (!why.empty()) why += ")";
  return Error(absl::StatusCode::kUnavailable, "MODEL_UNAVAILABLE",
               absl::StrCat("No language model answers at ", Addresses(),
                            ". Start coterie-llm there (`./dev llm`), then ask again; documents "
                            "and editing go on without it.",
                            why));
}

bool LlmServers::HasOne() const {
  return std::any_of(servers_.begin(), servers_.end(), [](const auto& server) {
    const Server::Said said = server->said();
    return said.is_recent() && said.is_there();
  });
}

void LlmServers::Inquire(Cancellation& cancellation) const {
  // Who was not there a moment ago may be there now; that matters if nobody else is.
  const bool had_one = HasOne();
  {
    Inquiry inquiry;
    for (const auto& server : servers_) {
      if (!had_one || !server->said().is_recent()) {
        inquiry.Ask(*server, Inquiry::If::kConnected);
      }
    }
    inquiry.Wait(cancellation);
  }
  if (cancellation.IsCancelled() || HasOne()) return;
  Inquiry inquiry;
  for (const auto& server : servers_) {
    const Server::Said said = server->said();
    const bool is_out_of_reach =
        said.result.error_code() == grpc::StatusCode::UNAVAILABLE && !said.is_loading();
    if (is_out_of_reach) inquiry.Ask(*server, Inquiry::If::kItComesBack);
  }
  inquiry.Wait(cancellation);
}

std::vector<const LlmServers::Server*> LlmServers::Ready(Cancellation& cancellation) const {
  struct Readiness {
    bool is_full;
    double load;  // What waits per place.
    const Server* server;
  };
  Inquire(cancellation);
  std::vector<Readiness> ready;
  for (const auto& server : servers_) {
    const Server::Said said = server->said();
    if (!said.is_there()) continue;
    ready.push_back({.is_full = said.status.waiting() >= said.status.waiting_max(),
                     .load = server->load(),
                     .server = server.get()});
  }
  std::stable_sort(ready.begin(), ready.end(), [](const Readiness& a, const Readiness& b) {
    return std::tie(a.is_full, a.load) < std::tie(b.is_full, b.load);
  });
  std::vector<const Server*> servers;
  for (const Readiness& one : ready) servers.push_back(one.server);
  return servers;
}

std::optional<std::uint32_t> LlmServers::LoadingPercent() const {
  std::optional<std::uint32_t> percent;
  for (const auto& server : servers_) {
    const Server::Said said = server->said();
    if (said.is_there()) return std::nullopt;
    if (said.is_loading()) percent = std::max(percent.value_or(0), said.status.loading_percent());
  }
  return percent;
}

std::uint32_t LlmServers::ContextTokens(Cancellation& cancellation) const {
  std::uint32_t fewest = 0;
  for (const Server* server : Ready(cancellation)) {
    const std::uint32_t tokens = server->said().model.context_tokens();
    if (tokens != 0 && (fewest == 0 || tokens < fewest)) fewest = tokens;
  }
  return fewest;
}

LlmServers::Server::Attempt LlmServers::Server::Ask(const llm::v1::GenerateRequest& request,
                                                    absl::Time deadline, Cancellation& cancellation,
                                                    const Listener& listener) const {
  const llm::v1::GetModelResponse model = said().model;
  const Begun begun_now(*this);
  Attempt attempt;
  attempt.answer.model = model.name();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(deadline));
  const Cancellation::Scope scope(cancellation, context);
  const std::unique_ptr<grpc::ClientReader<llm::v1::GenerateResponse>> reader =
      stub->Generate(&context, request);
  // What has no end of its own is not whole.
  attempt.answer.ended = Ended::kAtMaxTokens;
  std::uint32_t tokens = 0;
  bool is_too_long = false;
  llm::v1::GenerateResponse response;
  while (reader->Read(&response)) {
    Tell(listener, response, tokens);
    if (response.has_started()) {
      tokens = response.started().prompt_tokens();
      if (listener.started) listener.started(model.name());
    }
    if (response.has_finished()) {
      tokens += response.finished().answer_tokens();
      const bool is_cut = response.finished().reason() == llm::v1::FINISH_REASON_MAX_TOKENS;
      const bool is_full = request.max_tokens() == 0 && tokens >= model.context_tokens() &&
                           model.context_tokens() != 0;
      attempt.answer.ended = !is_cut   ? Ended::kWhole
                             : is_full ? Ended::kAtContextEnd
                                       : Ended::kAtMaxTokens;
    }
    if (response.text().empty() || is_too_long) continue;
    attempt.answer.text += response.text();
    if (listener.text) listener.text(response.text());
    if (attempt.answer.text.size() > kAnswerBytesMax) {
      is_too_long = true;
      context.TryCancel();
    }
  }
  attempt.status = reader->Finish();
  if (is_too_long && !cancellation.IsCancelled()) attempt.status = grpc::Status::OK;
  return attempt;
}

absl::StatusOr<LlmServers::Answer> LlmServers::Generate(const llm::v1::GenerateRequest& request,
                                                        absl::Time deadline,
                                                        Cancellation& cancellation,
                                                        const Listener& listener) const {
  if (servers_.empty()) return NoServers();
  const std::vector<const Server*> ready = Ready(cancellation);
  absl::Status failure = NoneAnswers();
  for (const Server* server : ready) {
    Server::Attempt attempt = server->Ask(request, deadline, cancellation, listener);
    if (attempt.status.ok()) return std::move(attempt.answer);
    if (cancellation.IsCancelled()) break;
    const bool is_gone = attempt.status.error_code() == grpc::StatusCode::UNAVAILABLE;
    const bool is_begun = !attempt.answer.text.empty();
    failure = PassedOn(attempt.status);
    const bool may_go_on = IsOfThatServerAlone(failure) && (!is_begun || listener.may_begin_anew);
    if (is_gone && is_begun) {
      failure = EndedInTheMiddle(server->address, attempt.status);
    } else if (is_gone) {
      failure = Error(absl::StatusCode::kUnavailable, "MODEL_UNAVAILABLE",
                      absl::StrCat("No language model answers at ", Addresses(), ". ",
                                   server->address, " says: ", attempt.status.error_message()));
    }
    if (!may_go_on) break;
  }
  if (cancellation.IsCancelled()) return absl::CancelledError("the call was given up");
  return failure;
}

}  // namespace coterie::rpc
