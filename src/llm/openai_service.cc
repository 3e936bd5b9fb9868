#include "llm/openai_service.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "llm/error_detail.h"
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
constexpr absl::Duration kRetryAfterDefault = absl::Seconds(5);
constexpr absl::Duration kRetryAfterMax = absl::Seconds(600);
constexpr std::size_t kQuotedMax = 200;

// What an answer that is no success says of itself, in one line.
std::string MessageOf(const HttpEnd& end) {
  const nlohmann::json body = nlohmann::json::parse(end.body, nullptr, /*allow_exceptions=*/false);
  std::string message = end.body;
  if (body.is_object() && body.contains("error")) {
    const nlohmann::json& error = body["error"];
    if (error.is_string()) message = error.get<std::string>();
    if (error.is_object() && error.contains("message") && error["message"].is_string()) {
      message = error["message"].get<std::string>();
    }
  }
  message = message.substr(0, kQuotedMax);
  std::replace_if(
      message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; },
      ' ');
  return message;
}

absl::Status StatusOf(const HttpEnd& end) {
  const std::string said =
      absl::StrCat("the model's server says ", end.status, ": ", MessageOf(end));
  switch (end.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(
          absl::StrCat(said, "; give coterie-llm its key: --api-key-file, or --api-key-variable"));
    case 404:
      return absl::NotFoundError(absl::StrCat(said, "; see --url and --model-name"));
    case 429:
      return absl::ResourceExhaustedError(said);
    case 400:
    case 413:
    case 422:
      return absl::InvalidArgumentError(said);
    default:
      return absl::UnavailableError(said);
  }
}

absl::Duration RetryAfter(const HttpEnd& end) {
  std::uint32_t seconds = 0;
  if (!absl::SimpleAtoi(end.retry_after, &seconds)) return kRetryAfterDefault;
  return std::min(absl::Duration(absl::Seconds(seconds)), kRetryAfterMax);
}

// What nodes tell apart: busy (elsewhere, or later), gone (elsewhere), the request's own fault, and
// the rest, which is a matter of this server's configuration.
grpc::Status ToGrpcStatus(const absl::Status& status, absl::Duration retry_after) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return ToGrpc(status, {.reason = "QUEUE_FULL", .retry_after = retry_after});
    case absl::StatusCode::kUnavailable:
      return ToGrpc(status, {.reason = "MODEL_UNREACHABLE"});
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kNotFound:
      return ToGrpc(absl::FailedPreconditionError(status.message()), {.reason = "MISCONFIGURED"});
    case absl::StatusCode::kDeadlineExceeded:
      return ToGrpc(status, {.reason = "DEADLINE"});
    default:
      return ToGrpc(status);
  }
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
  return absl::OkStatus();
}

std::string BodyOf(const v1::GenerateRequest& request, const std::string& model) {
  nlohmann::json body = {
      {"model", model},
      {"stream", true},
      {"messages", nlohmann::json::array()},
      {"max_tokens", request.max_tokens() == 0 ? kAnswerTokensDefault : request.max_tokens()}};
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
    finished.set_first_token_ms(
        static_cast<std::uint64_t>(absl::ToInt64Milliseconds(first_text_ - arrived)));
    finished.set_total_ms(
        static_cast<std::uint64_t>(absl::ToInt64Milliseconds(absl::Now() - arrived)));
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
    if (first_text_ == absl::InfinitePast()) first_text_ = absl::Now();
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
  absl::Time first_text_ = absl::InfinitePast();
};

OpenAiService::OpenAiService(OpenAiOptions options, const io::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      started_micros_(clock.NowMicros()),
      model_(options_.model) {}

absl::StatusOr<std::string> OpenAiService::Probe() {
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
  if (end.status != 200) return StatusOf(end);
  const nlohmann::json list = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const bool is_list = list.is_object() && list.contains("data") && list["data"].is_array();
  if (!is_list) return absl::InternalError("/v1/models does not answer with a list of models");
  absl::MutexLock lock(&mutex_);
  for (const nlohmann::json& model : list["data"]) {
    if (!model.is_object() || !model.contains("id") || !model["id"].is_string()) continue;
    const auto id = model["id"].get<std::string>();
    if (model_.empty()) model_ = id;
    if (id == model_) return model_;
  }
  return absl::NotFoundError(model_.empty()
                                 ? std::string("the server lists no model")
                                 : absl::StrCat("the server does not list the model ", model_));
}

void OpenAiService::Stop() {
  absl::MutexLock lock(&mutex_);
  is_stopping_ = true;
}

bool OpenAiService::IsStopping() const {
  absl::MutexLock lock(&mutex_);
  return is_stopping_;
}

std::string OpenAiService::model() const {
  absl::MutexLock lock(&mutex_);
  return model_;
}

// A place among those that are answered at once. Leave() follows if that was OK.
absl::Status OpenAiService::Enter(const grpc::ServerContext& context) {
  absl::MutexLock lock(&mutex_);
  if (waiting_ >= options_.waiting_max) {
    counters_.set_refused(counters_.refused() + 1);
    return absl::ResourceExhaustedError("as many requests wait as may; try again");
  }
  const auto is_next = [this] {
    mutex_.AssertReaderHeld();
    return is_stopping_ || active_ < options_.slots;
  };
  ++waiting_;
  while (!mutex_.AwaitWithTimeout(absl::Condition(&is_next), kLookEvery)) {
    if (context.IsCancelled()) break;
  }
  --waiting_;
  if (context.IsCancelled()) return absl::CancelledError("the client has gone");
  if (is_stopping_) return absl::UnavailableError("the LLM server is stopping");
  ++active_;
  return absl::OkStatus();
}

void OpenAiService::Leave(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  --active_;
  if (status.ok()) {
    counters_.set_finished(counters_.finished() + 1);
  } else if (absl::IsCancelled(status)) {
    counters_.set_cancelled(counters_.cancelled() + 1);
  } else {
    counters_.set_failed(counters_.failed() + 1);
  }
}

grpc::Status OpenAiService::Generate(grpc::ServerContext* context,
                                     const v1::GenerateRequest* request,
                                     grpc::ServerWriter<v1::GenerateResponse>* writer) {
  if (const absl::Status status = CheckRequest(*request); !status.ok()) return ToGrpc(status);
  const absl::Time arrived = absl::Now();
  if (const absl::Status status = Enter(*context); !status.ok()) {
    return ToGrpcStatus(status, kRetryAfterDefault);
  }
  Answer answer(*context, *request, *writer);
  const absl::StatusOr<HttpEnd> end =
      RunHttp({.url = options_.url,
               .method = "POST",
               .target = "/v1/chat/completions",
               .body = BodyOf(*request, model()),
               .bearer = options_.api_key,
               .silence_max = options_.silence_max,
               .deadline = absl::FromChrono(context->deadline()),
               .is_cancelled = [&] { return answer.IsGivenUp() || IsStopping(); }},
              [&answer](std::string_view bytes) { return answer.Take(bytes); });
  absl::Status status = end.status();
  if (answer.is_stopped()) status = absl::OkStatus();
  if (end.ok() && end->status != 200) status = StatusOf(*end);
  if (status.ok()) status = answer.Finish(arrived);
  Leave(status);
  {
    absl::MutexLock lock(&mutex_);
    counters_.set_answer_tokens(counters_.answer_tokens() + answer.tokens());
  }
  if (status.ok()) return grpc::Status::OK;
  return ToGrpcStatus(status, end.ok() ? RetryAfter(*end) : kRetryAfterDefault);
}

grpc::Status OpenAiService::CountTokens(grpc::ServerContext* /*context*/,
                                        const v1::CountTokensRequest* /*request*/,
                                        v1::CountTokensResponse* /*response*/) {
  return ToGrpc(absl::UnimplementedError("the HTTP API behind this server counts no tokens"));
}

grpc::Status OpenAiService::GetModel(grpc::ServerContext* /*context*/,
                                     const v1::GetModelRequest* /*request*/,
                                     v1::GetModelResponse* response) {
  response->set_name(model());
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
  *response = counters_;
  response->set_slots(options_.slots);
  response->set_active(active_);
  response->set_waiting(waiting_);
  response->set_waiting_max(options_.waiting_max);
  response->set_is_stopping(is_stopping_);
  response->set_uptime_ms((clock_.NowMicros() - started_micros_) / kMicrosPerMs);
  return grpc::Status::OK;
}

}  // namespace coterie::llm
