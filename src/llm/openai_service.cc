#include "llm/openai_service.h"

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "llm/client_name.h"
#include "llm/error_detail.h"
#include "llm/openai_refusal.h"
#include "llm/openai_stream.h"
#include "llm/text_stream.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr std::size_t kModelsBytesMax = 4 << 20;
constexpr std::size_t kStopsMax = 16;
constexpr std::size_t kStopBytesMax = 256;
constexpr std::uint32_t kAnswerTokensDefault = 512;
constexpr std::uint64_t kMicrosPerMs = 1'000;
constexpr absl::Duration kProbeTimeout = absl::Seconds(10);
constexpr absl::Duration kLookEvery = absl::Milliseconds(50);
constexpr int kLooksPerPlace = 5;  // Who waits is told his place so seldom.
constexpr absl::Duration kRetryAfter = absl::Seconds(5);
constexpr float kTemperatureMax = 4.0F;

// An error that is not the HTTP server's own answer. What nodes tell apart: gone (elsewhere), the
// request's own fault, and the rest, which is a matter of this server's configuration.
const char* ReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "MODEL_UNREACHABLE";
    case absl::StatusCode::kFailedPrecondition:
      return "MISCONFIGURED";
    case absl::StatusCode::kDeadlineExceeded:
      return "DEADLINE";
    default:
      return "";
  }
}

grpc::Status ToGrpcStatus(const absl::Status& status, errors::Detail detail) {
  if (detail.reason.empty()) detail.reason = ReasonOf(status);
  return detail.reason.empty() ? ToGrpc(status) : ToGrpc(status, detail);
}

absl::Status Stopping() { return absl::UnavailableError("the LLM server is stopping"); }

// What the HTTP API has no word for; but to want none of it is no wish.
absl::Status CheckSampling(const v1::Sampling& sampling) {
  const char* missing = sampling.top_k() != 0   ? "top_k"
                        : sampling.min_p() != 0 ? "min_p"
                        : sampling.has_repeat_penalty() && sampling.repeat_penalty() != 1
                            ? "repeat_penalty"
                            : nullptr;
  if (missing != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the HTTP API behind this server has no ", missing));
  }
  const auto is_within = [](float value, float most) { return value >= 0 && value <= most; };
  if (!is_within(sampling.temperature(), kTemperatureMax) || !is_within(sampling.top_p(), 1)) {
    return absl::InvalidArgumentError("temperature must be 0 to 4, top_p 0 to 1");
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const v1::GenerateRequest& request) {
  if (!request.has_chat() || request.chat().messages().empty()) {
    return absl::InvalidArgumentError(
        "this server passes chats on to an HTTP API, which takes no raw prompts");
  }
  if (!request.grammar().empty()) {
    return absl::InvalidArgumentError("the HTTP API behind this server takes no grammar");
  }
  if (static_cast<std::size_t>(request.stop_size()) > kStopsMax) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", kStopsMax, " stop strings"));
  }
  for (const std::string& stop : request.stop()) {
    if (stop.empty() || stop.size() > kStopBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a stop string has 1 to ", kStopBytesMax, " bytes"));
    }
  }
  return CheckSampling(request.sampling());
}

std::uint32_t MaxTokensOf(const v1::GenerateRequest& request) {
  return request.max_tokens() == 0 ? kAnswerTokensDefault : request.max_tokens();
}

std::string BodyOf(const v1::GenerateRequest& request, const std::string& model) {
  nlohmann::json body = {{"model", model},
                         {"stream", true},
                         {"messages", nlohmann::json::array()},
                         {"max_tokens", MaxTokensOf(request)}};
  for (const v1::ChatMessage& message : request.chat().messages()) {
    body["messages"].push_back({{"role", message.role()}, {"content", message.content()}});
  }
  const v1::Sampling& sampling = request.sampling();
  body["temperature"] = sampling.has_temperature() ? sampling.temperature() : 0.7F;
  body["top_p"] = sampling.has_top_p() ? sampling.top_p() : 0.95F;
  if (sampling.has_seed()) body["seed"] = sampling.seed();
  if (request.stop_size() > 0)
    body["stop"] = std::vector<std::string>(request.stop().begin(), request.stop().end());
  // Whatever is no UTF-8 in it becomes U+FFFD, as everywhere.
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

// One answer on its way from the HTTP server to the client.
class OpenAiService::Answer {
 public:
  Answer(grpc::ServerContext& context, const v1::GenerateRequest& request,
         grpc::ServerWriter<v1::GenerateResponse>& writer)
      : context_(context), writer_(writer), text_({request.stop().begin(), request.stop().end()}) {}

  absl::Status Take(std::string_view bytes) {
    if (!has_started_) Start();
    // Asked here, too: while bytes keep coming nobody else asks.
    if (IsGivenUp()) return absl::CancelledError("the client has gone");
    std::string piece;
    const absl::Status status = stream_.Append(bytes, piece);
    Say(text_.Append(piece));
    // The rest is of no interest; the connection is closed.
    if (text_.is_stopped()) return absl::CancelledError("a stop string was met");
    return status;
  }

  absl::Status Finish(absl::Time arrived) {
    if (!text_.is_stopped() && !stream_.is_done()) {
      return absl::UnavailableError("the model's server ended in the middle of its answer");
    }
    const bool is_cut = stream_.reason() == "length";
    Say(text_.Finish(is_cut ? TextStream::Ending::kByLimit : TextStream::Ending::kByModel));
    v1::GenerateResponse response;
    v1::GenerateResponse::Finished& finished = *response.mutable_finished();
    finished.set_reason(text_.is_stopped() ? v1::FINISH_REASON_STOP_STRING
                        : is_cut           ? v1::FINISH_REASON_MAX_TOKENS
                                           : v1::FINISH_REASON_END);
    finished.set_answer_tokens(static_cast<std::uint32_t>(stream_.chunks()));
    const absl::Time now = absl::Now();
    // An empty answer's first token is its end.
    const absl::Time first = std::min(first_text_, now);
    finished.set_first_token_ms(
        static_cast<std::uint64_t>(absl::ToInt64Milliseconds(first - arrived)));
    finished.set_total_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(now - arrived)));
    writer_.Write(response);
    return absl::OkStatus();
  }

  bool IsGivenUp() const { return context_.IsCancelled() || !is_there_; }
  bool is_stopped() const { return text_.is_stopped(); }
  std::size_t tokens() const { return stream_.chunks(); }

 private:
  void Start() {
    has_started_ = true;
    v1::GenerateResponse response;
    response.mutable_started();
    is_there_ = writer_.Write(response);
  }
  void Say(std::string text) {
    if (text.empty() || !is_there_) return;
    first_text_ = std::min(first_text_, absl::Now());
    v1::GenerateResponse response;
    response.set_text(std::move(text));
    is_there_ = writer_.Write(response);
  }

  grpc::ServerContext& context_;
  grpc::ServerWriter<v1::GenerateResponse>& writer_;
  OpenAiStream stream_;
  TextStream text_;
  bool has_started_ = false;
  bool is_there_ = true;  // The client still listens.
  absl::Time first_text_ = absl::InfiniteFuture();
};

OpenAiService::OpenAiService(OpenAiOptions options, const io::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      started_micros_(clock.NowMicros()),
      model_(options_.model),
      waiting_(options_.waiting_max, options_.waiting_per_client_max) {}

OpenAiService::~OpenAiService() { Stop(); }

absl::StatusOr<std::string> OpenAiService::Probe() {
  absl::StatusOr<std::string> model = FindModel();
  absl::MutexLock lock(&mutex_);
  if (model.ok()) model_ = *model;
  if (!is_stopping_) health_.TakeProbe(model.status(), absl::Now());
  return model;
}

absl::StatusOr<std::string> OpenAiService::FindModel() const {
  std::string body;
  ASSIGN_OR_RETURN(const HttpEnd end,
                   RunHttp({.url = options_.url,
                            .method = "GET",
                            .target = "/v1/models",
                            .bearer = options_.api_key,
                            .silence_max = kProbeTimeout,
                            .deadline = absl::Now() + kProbeTimeout,
                            .is_cancelled = [this] { return IsStopping(); }},
                           [&body](std::string_view bytes) {
                             body += bytes;
                             if (body.size() <= kModelsBytesMax) return absl::OkStatus();
                             return absl::InternalError("the list of models has no end");
                           }));
  if (end.status != 200) return RefusalOf(end, 0).status;
  const nlohmann::json list = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const bool is_list = list.is_object() && list.contains("data") && list["data"].is_array();
  if (!is_list) return absl::InternalError("/v1/models does not answer with a list of models");
  std::vector<std::string> listed;
  for (const nlohmann::json& model : list["data"]) {
    if (!model.is_object() || !model.contains("id") || !model["id"].is_string()) continue;
    listed.push_back(model["id"].get<std::string>());
  }
  if (listed.empty()) return absl::NotFoundError("the server lists no model");
  absl::MutexLock lock(&mutex_);
  if (std::find(listed.begin(), listed.end(), model_) != listed.end()) return model_;
  if (options_.model.empty()) return listed.front();
  return absl::NotFoundError(absl::StrCat("the server does not list the model ", options_.model));
}

absl::StatusOr<std::string> OpenAiService::Model() {
  {
    absl::MutexLock lock(&mutex_);
    if (!model_.empty()) return model_;
  }
  return Probe();
}

void OpenAiService::Watch(std::function<void(const absl::Status& health)> on_change) {
  CHECK(!watch_.joinable());
  on_change_ = std::move(on_change);
  watch_ = std::thread([this] { RunWatch(); });
}

void OpenAiService::RunWatch() {
  absl::Status told;
  while (true) {
    absl::Status health;
    {
      absl::MutexLock lock(&mutex_);
      health = health_.status();
    }
    if (health.ok() != told.ok()) on_change_(health);
    told = health;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_reason_to_wake = [this, &told] {
        mutex_.AssertReaderHeld();
        return is_stopping_ || health_.status().ok() != told.ok();
      };
      const bool is_woken =
          mutex_.AwaitWithTimeout(absl::Condition(&has_reason_to_wake),
                                  told.ok() ? options_.probe_every : options_.probe_again_every);
      if (is_stopping_) return;
      if (is_woken) continue;
    }
    static_cast<void>(Probe());  // Its outcome is part of the health.
  }
}

void OpenAiService::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  if (watch_.joinable()) watch_.join();
}

bool OpenAiService::IsStopping() const {
  absl::MutexLock lock(&mutex_);
  return is_stopping_;
}

std::size_t OpenAiService::PlaceOf(const Waiter& waiter) const {
  std::size_t place = 0;
  std::size_t found = 0;
  waiting_.ForEachInTurn([&](const Waiter* other) {
    ++place;
    if (other == &waiter) found = place;
  });
  return found;
}

// A place among those that are answered at once. Leave() follows if that was OK.
absl::Status OpenAiService::Enter(const grpc::ServerContext& context, const std::string& client,
                                  grpc::ServerWriter<v1::GenerateResponse>& writer) {
  absl::MutexLock lock(&mutex_);
  Waiter waiter;
  if (!waiting_.TryPush(client, &waiter)) {
    counters_.set_refused(counters_.refused() + 1);
    return absl::ResourceExhaustedError(
        absl::StrCat("as many requests wait as may: at most ", options_.waiting_max, ", and ",
                     options_.waiting_per_client_max, " of one client; ask again later"));
  }
  GivePlaces();
  const auto has_news = [this, &waiter] {
    mutex_.AssertReaderHeld();
    return is_stopping_ || waiter.has_place;
  };
  // Whether the client has gone nobody tells.
  std::size_t told = 0;
  for (int look = 1; !mutex_.AwaitWithTimeout(absl::Condition(&has_news), kLookEvery); ++look) {
    if (context.IsCancelled()) break;
    const std::size_t place = PlaceOf(waiter);
    if (place == told || look % kLooksPerPlace != 0) continue;
    told = place;
    v1::GenerateResponse response;
    response.mutable_queued()->set_place(static_cast<std::uint32_t>(place));
    mutex_.Unlock();
    writer.Write(response);  // One that has gone is noticed above.
    mutex_.Lock();
  }
  if (waiter.has_place && !is_stopping_ && !context.IsCancelled()) return absl::OkStatus();
  if (waiter.has_place) {
    --active_;
    GivePlaces();
  } else {
    CHECK(waiting_.Remove([&](const Waiter* other) { return other == &waiter; }).has_value());
  }
  if (is_stopping_) return Stopping();
  counters_.set_cancelled(counters_.cancelled() + 1);
  return absl::CancelledError("the client has gone");
}

void OpenAiService::GivePlaces() {
  while (active_ < options_.slots) {
    const std::optional<Waiter*> next = waiting_.Pop();
    if (!next) return;
    (*next)->has_place = true;
    ++active_;
  }
}

void OpenAiService::Leave() {
  absl::MutexLock lock(&mutex_);
  CHECK(active_ > 0);
  --active_;
  GivePlaces();
}

void OpenAiService::Count(const UpstreamHealth::Answer& answer, std::size_t tokens) {
  const absl::Status& status = answer.status;
  absl::MutexLock lock(&mutex_);
  counters_.set_answer_tokens(counters_.answer_tokens() + tokens);
  if (status.ok()) {
    counters_.set_finished(counters_.finished() + 1);
  } else if (absl::IsCancelled(status)) {
    counters_.set_cancelled(counters_.cancelled() + 1);
  } else {
    counters_.set_failed(counters_.failed() + 1);
  }
  if (!is_stopping_) health_.TakeAnswer(answer, absl::Now());
}

OpenAiService::Outcome OpenAiService::Ask(grpc::ServerContext& context,
                                          const v1::GenerateRequest& request, Answer& answer) {
  const absl::StatusOr<std::string> model = Model();
  if (absl::IsNotFound(model.status())) {
    return {absl::FailedPreconditionError(model.status().message()), {}};
  }
  if (!model.ok()) return {model.status(), {}};
  const absl::StatusOr<HttpEnd> end =
      RunHttp({.url = options_.url,
               .method = "POST",
               .target = "/v1/chat/completions",
               .body = BodyOf(request, *model),
               .bearer = options_.api_key,
               .silence_max = options_.silence_max,
               .deadline = absl::FromChrono(context.deadline()),
               .is_cancelled = [&] { return answer.IsGivenUp() || IsStopping(); }},
              [&answer](std::string_view bytes) { return answer.Take(bytes); });
  if (answer.is_stopped()) return {absl::OkStatus(), {}};
  if (!end.ok()) {
    const bool is_ours = absl::IsCancelled(end.status()) && !answer.IsGivenUp();
    return {is_ours ? Stopping() : end.status(), {}};
  }
  if (end->status == 200) return {absl::OkStatus(), {}};
  Refusal refusal = RefusalOf(*end, MaxTokensOf(request));
  return {std::move(refusal.status), std::move(refusal.detail), /*is_refusal=*/true};
}

grpc::Status OpenAiService::Generate(grpc::ServerContext* context,
                                     const v1::GenerateRequest* request,
                                     grpc::ServerWriter<v1::GenerateResponse>* writer) {
  if (const absl::Status status = CheckRequest(*request); !status.ok()) return ToGrpc(status);
  const absl::Time arrived = absl::Now();
  const std::string client = ClientName(request->client(), context->peer());
  if (const absl::Status status = Enter(*context, client, *writer); !status.ok()) {
    const bool is_full = absl::IsResourceExhausted(status);
    return is_full ? ToGrpc(status, {.reason = "QUEUE_FULL", .retry_after = kRetryAfter})
                   : ToGrpc(status);
  }
  const absl::Cleanup leave = [this] { Leave(); };
  const absl::Time begun = absl::Now();
  Answer answer(*context, *request, *writer);
  Outcome outcome = Ask(*context, *request, answer);
  if (outcome.status.ok()) outcome.status = answer.Finish(arrived);
  Count({.status = outcome.status,
         .begun = begun,
         .client = client,
         .is_refusal = outcome.is_refusal},
        answer.tokens());
  return outcome.status.ok() ? grpc::Status::OK
                             : ToGrpcStatus(outcome.status, std::move(outcome.detail));
}

grpc::Status OpenAiService::CountTokens(grpc::ServerContext* /*context*/,
                                        const v1::CountTokensRequest* /*request*/,
                                        v1::CountTokensResponse* /*response*/) {
  return ToGrpc(absl::UnimplementedError("the HTTP API behind this server counts no tokens"));
}

grpc::Status OpenAiService::GetModel(grpc::ServerContext* /*context*/,
                                     const v1::GetModelRequest* /*request*/,
                                     v1::GetModelResponse* response) {
  {
    absl::MutexLock lock(&mutex_);
    response->set_name(model_);
  }
  response->set_description(absl::StrCat("at ", options_.url.host, ":", options_.url.port));
  response->set_context_tokens(options_.context);
  response->set_has_chat_template(true);
  response->set_slots(options_.slots);
  return grpc::Status::OK;
}

grpc::Status OpenAiService::GetStatus(grpc::ServerContext* /*context*/,
                                      const v1::GetStatusRequest* /*request*/,
                                      v1::GetStatusResponse* response) {
  absl::MutexLock lock(&mutex_);
  if (const absl::Status& health = health_.status(); !health.ok()) {
    // To nodes a server that does not answer this is none.
    return ToGrpcStatus(absl::UnavailableError(health.message()), {});
  }
  *response = counters_;
  response->set_slots(options_.slots);
  response->set_active(active_);
  response->set_waiting(static_cast<std::uint32_t>(waiting_.size()));
  response->set_waiting_max(options_.waiting_max);
  response->set_is_stopping(is_stopping_);
  response->set_uptime_ms((clock_.NowMicros() - started_micros_) / kMicrosPerMs);
  return grpc::Status::OK;
}

}  // namespace coterie::llm
