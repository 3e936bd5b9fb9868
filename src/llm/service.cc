#include "llm/service.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/overload.h"
#include "llm/client_name.h"
#include "llm/error_detail.h"
#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

constexpr std::uint64_t kMicrosPerMs = 1'000;
constexpr float kLoadingPercentMax = 99;  // All of it is what serves.

grpc::Status LoadingStatus(const absl::Status& why) {
  return ToGrpc(why, {.reason = "MODEL_LOADING", .retry_after = absl::Seconds(1)});
}

std::vector<ChatMessage> MessagesOf(const v1::Chat& chat) {
  std::vector<ChatMessage> messages;
  messages.reserve(static_cast<std::size_t>(chat.messages_size()));
  for (const v1::ChatMessage& message : chat.messages()) {
    messages.push_back({.role = message.role(), .content = message.content()});
  }
  return messages;
}

// Of a request that has a prompt of either kind.
template <class WithPrompt>
absl::StatusOr<std::vector<Token>> PromptOf(const Model& model, const WithPrompt& request) {
  if (request.has_chat()) return model.TokenizeChat(MessagesOf(request.chat()));
  if (request.has_text()) {
    RETURN_IF_ERROR(model.CheckText(request.text()));
    return model.Tokenize(request.text(), ControlTokens::kCount);
  }
  return absl::InvalidArgumentError("the request has no prompt: neither chat nor text");
}

// Of the prompt that is asked for, those that surely become tokens: templates trim contents.
template <class WithPrompt>
std::uint64_t PromptBytes(const WithPrompt& request) {
  if (request.has_text()) return request.text().size();
  std::uint64_t bytes = 0;
  for (const v1::ChatMessage& message : request.chat().messages()) {
    bytes += absl::StripAsciiWhitespace(message.content()).size();
  }
  return bytes;
}

grpc::Status ContextExceeded(const absl::Status& why, std::uint64_t prompt_tokens,
                             std::uint32_t max_tokens, std::uint32_t context_tokens) {
  return ToGrpc(why, {.reason = "CONTEXT_EXCEEDED",
                      .metadata = {{"prompt_tokens", std::to_string(prompt_tokens)},
                                   {"max_tokens", std::to_string(max_tokens)},
                                   {"context_tokens", std::to_string(context_tokens)}}});
}

// Refuses what cannot fit, judging by its bytes alone: to make tokens of it would hold this thread.
template <class WithPrompt>
std::optional<grpc::Status> RefuseHuge(const Model& model, const WithPrompt& request,
                                       std::uint32_t max_tokens, std::uint32_t context) {
  const std::uint64_t bytes = PromptBytes(request);
  const std::uint64_t least = model.LeastTokens(bytes);
  if (least + max_tokens <= context) return std::nullopt;
  return ContextExceeded(
      absl::InvalidArgumentError(
          absl::StrCat("the prompt has ", bytes, " bytes, which are at least ", least,
                       " tokens, and the answer may have ", max_tokens, ", but the context holds ",
                       context, "; shorten the prompt, split it, or ask for a shorter answer")),
      least, max_tokens, context);
}

Sampling SamplingOf(const v1::Sampling& wanted) {
  Sampling sampling;
  if (wanted.has_temperature()) sampling.temperature = wanted.temperature();
  if (wanted.has_top_k()) sampling.top_k = wanted.top_k();
  if (wanted.has_top_p()) sampling.top_p = wanted.top_p();
  if (wanted.has_min_p()) sampling.min_p = wanted.min_p();
  if (wanted.has_repeat_penalty()) sampling.repeat_penalty = wanted.repeat_penalty();
  if (wanted.has_seed()) sampling.seed = wanted.seed();
  return sampling;
}

v1::FinishReason ReasonOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEnd:
      return v1::FINISH_REASON_END;
    case FinishReason::kStopString:
      return v1::FINISH_REASON_STOP_STRING;
    case FinishReason::kMaxTokens:
      return v1::FINISH_REASON_MAX_TOKENS;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

// One answer on its way to a client. Kept alive by gRPC (self_) until OnDone(), and by the engine
// until the last event.
class GenerateStream final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                             public std::enable_shared_from_this<GenerateStream> {
 public:
  GenerateStream(const Model& model, Engine& engine) : model_(model), engine_(engine) {}

  void Start(const grpc::CallbackServerContext& context, const v1::GenerateRequest& wanted) {
    self_ = shared_from_this();
    const auto huge =
        RefuseHuge(model_, wanted, std::max(wanted.max_tokens(), 1U), engine_.context());
    if (huge) return End(*huge);
    absl::StatusOr<std::vector<Token>> prompt = PromptOf(model_, wanted);
    if (!prompt.ok()) return End(ToGrpc(prompt.status()));
    Request request{.client = ClientName(wanted.client(), context.peer()),
                    .cache_key = wanted.cache_key(),
                    .prompt = *std::move(prompt),
                    .max_tokens = wanted.max_tokens(),
                    .sampling = SamplingOf(wanted.sampling()),
                    .stops = {wanted.stop().begin(), wanted.stop().end()},
                    .grammar = wanted.grammar()};
    const std::size_t prompt_tokens = request.prompt.size();
    absl::StatusOr<JobId> id =
        engine_.Submit(std::move(request),
                       [self = shared_from_this()](Event event) { self->Take(std::move(event)); });
    if (!id.ok()) return Refuse(id.status(), prompt_tokens, wanted.max_tokens());
    bool is_gone = false;
    {
      absl::MutexLock lock(&mutex_);
      id_ = *id;
      is_gone = is_finished_;
    }
    if (is_gone) engine_.Cancel(*id);  // Its client left before it had a number.
  }

 private:
  void Refuse(const absl::Status& why, std::size_t prompt_tokens, std::uint32_t max_tokens) {
    if (why.code() == absl::StatusCode::kResourceExhausted) {
      return End(ToGrpc(why, {.reason = "QUEUE_FULL", .retry_after = engine_.RetryAfter()}));
    }
    if (prompt_tokens + std::max(max_tokens, 1U) > engine_.context()) {
      return End(ContextExceeded(why, prompt_tokens, max_tokens, engine_.context()));
    }
    End(ToGrpc(why));
  }

  // The engine's thread, or Cancel()'s.
  void Take(Event event) {
    {
      absl::MutexLock lock(&mutex_);
      std::visit(Overload{[this](Queued queued) {
                            mutex_.AssertHeld();
                            queued_ = queued;
                          },
                          [this](Started started) {
                            mutex_.AssertHeld();
                            queued_.reset();
                            started_ = started;
                          },
                          [this](Reading reading) {
                            mutex_.AssertHeld();
                            reading_ = reading;
                          },
                          [this](const Text& text) {
                            mutex_.AssertHeld();
                            reading_.reset();
                            text_ += text.text;
                          },
                          [this](Finished finished) {
                            mutex_.AssertHeld();
                            finished_ = finished;
                          },
                          [this](const absl::Status& error) {
                            mutex_.AssertHeld();
                            error_ = error;
                          }},
                 event);
    }
    Pump();
  }

  // Writes what there is, unless a write is in flight: its end comes here again.
  void Pump() {
    absl::Status error;
    bool is_last = false;
    {
      absl::MutexLock lock(&mutex_);
      if (is_writing_ || is_finished_) return;
      message_.Clear();
      if (queued_) {
        message_.mutable_queued()->set_place(static_cast<std::uint32_t>(queued_->place));
        queued_.reset();
      } else if (started_) {
        WriteStarted();
      } else if (reading_ && text_.empty()) {
        message_.mutable_reading()->set_read_tokens(reading_->read_tokens);
        reading_.reset();
      } else if (!text_.empty()) {
        message_.set_text(std::exchange(text_, ""));
      } else if (finished_) {
        WriteFinished();
        is_last = true;
      } else if (error_.ok()) {
        return;
      } else {
        error = error_;
      }
      if (error.ok()) {
        is_writing_ = true;
        is_finished_ = is_last;
        // Not without the lock: after Finish() gRPC may have done with this call.
        if (is_last) {
          StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
        } else {
          StartWrite(&message_);
        }
      }
    }
    if (!error.ok()) End(ToGrpc(error));
  }
  void WriteStarted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    v1::GenerateResponse::Started& started = *message_.mutable_started();
    started.set_prompt_tokens(started_->prompt_tokens);
    started.set_cached_tokens(started_->cached_tokens);
    started.set_queued_ms(started_->queued_micros / kMicrosPerMs);
    started_.reset();
  }
  void WriteFinished() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    v1::GenerateResponse::Finished& finished = *message_.mutable_finished();
    finished.set_reason(ReasonOf(finished_->reason));
    finished.set_answer_tokens(finished_->answer_tokens);
    finished.set_first_token_ms(finished_->first_token_micros / kMicrosPerMs);
    finished.set_total_ms(finished_->total_micros / kMicrosPerMs);
    finished_.reset();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
    }
    if (!ok) return Leave();
    Pump();
  }
  void OnCancel() override { Leave(); }
  void OnDone() override { self_.reset(); }

  // The client has gone, or its deadline has passed.
  void Leave() {
    JobId id = 0;
    {
      absl::MutexLock lock(&mutex_);
      id = id_;
    }
    End(grpc::Status(grpc::StatusCode::CANCELLED, "the client has gone"));
    if (id != 0) engine_.Cancel(id);
  }

  void End(const grpc::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(is_finished_, true)) Finish(status);
  }

  const Model& model_;
  Engine& engine_;
  std::shared_ptr<GenerateStream> self_;
  absl::Mutex mutex_;  // Also held while gRPC is told what to do; it reacts on other threads.
  JobId id_ ABSL_GUARDED_BY(mutex_) = 0;  // 0 = not submitted yet.
  std::optional<Queued> queued_ ABSL_GUARDED_BY(mutex_);
  std::optional<Started> started_ ABSL_GUARDED_BY(mutex_);
  std::optional<Reading> reading_ ABSL_GUARDED_BY(mutex_);
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::optional<Finished> finished_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish() was called, or will be at once.
  v1::GenerateResponse message_;                      // gRPC's while is_writing_.
};

// A stream that is an error from its beginning. gRPC's until OnDone().
class Refusal final : public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  static Refusal* Make(const grpc::Status& why) {
    auto refusal = std::make_unique<Refusal>();
    refusal->Finish(why);
    return refusal.release();
  }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

Service::Service(const io::Clock& clock) : clock_(clock), started_micros_(clock.NowMicros()) {}

void Service::SetLoading(float progress) {
  absl::MutexLock lock(&mutex_);
  loading_percent_ =
      static_cast<std::uint32_t>(std::clamp(progress * 100, 0.0F, kLoadingPercentMax));
}

void Service::Serve(const Model& model, Engine& engine) {
  absl::MutexLock lock(&mutex_);
  CHECK(!served_.has_value());
  served_.emplace(Served{model, engine});
}

absl::StatusOr<Service::Served> Service::served() const {
  absl::MutexLock lock(&mutex_);
  if (served_) return *served_;
  return absl::UnavailableError(
      absl::StrCat("the model is being loaded, ", loading_percent_, " % so far; ask again"));
}

grpc::ServerWriteReactor<v1::GenerateResponse>* Service::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  const absl::StatusOr<Served> served = this->served();
  if (!served.ok()) return Refusal::Make(LoadingStatus(served.status()));
  auto stream = std::make_shared<GenerateStream>(served->model, served->engine);
  stream->Start(*context, *request);
  return stream.get();
}

grpc::ServerUnaryReactor* Service::CountTokens(grpc::CallbackServerContext* context,
                                               const v1::CountTokensRequest* request,
                                               v1::CountTokensResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Served> served = this->served();
  if (!served.ok()) {
    reactor->Finish(LoadingStatus(served.status()));
    return reactor;
  }
  if (const auto huge = RefuseHuge(served->model, *request, 0, served->engine.context())) {
    reactor->Finish(*huge);
    return reactor;
  }
  const absl::StatusOr<std::vector<Token>> prompt = PromptOf(served->model, *request);
  if (prompt.ok()) response->set_tokens(static_cast<std::uint32_t>(prompt->size()));
  reactor->Finish(prompt.ok() ? grpc::Status::OK : ToGrpc(prompt.status()));
  return reactor;
}

grpc::ServerUnaryReactor* Service::GetModel(grpc::CallbackServerContext* context,
                                            const v1::GetModelRequest* /*request*/,
                                            v1::GetModelResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Served> served = this->served();
  if (!served.ok()) {
    reactor->Finish(LoadingStatus(served.status()));
    return reactor;
  }
  const auto& [model, engine] = *served;
  response->set_name(model.name());
  response->set_description(model.description());
  response->set_architecture(model.architecture());
  response->set_size_bytes(model.size_bytes());
  response->set_parameters(model.parameters());
  response->set_context_tokens(engine.context());
  response->set_trained_context_tokens(model.trained_context());
  response->set_has_chat_template(model.has_chat_template());
  response->set_threads(engine.options().threads);
  response->set_slots(engine.options().slots);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* Service::GetStatus(grpc::CallbackServerContext* context,
                                             const v1::GetStatusRequest* /*request*/,
                                             v1::GetStatusResponse* response) {
  response->set_uptime_ms((clock_.NowMicros() - started_micros_) / kMicrosPerMs);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Served> served = this->served();
  if (!served.ok()) {
    absl::MutexLock lock(&mutex_);
    response->set_loading_percent(loading_percent_);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  const Engine& engine = served->engine;
  const MetricsView view = engine.metrics();
  response->set_slots(engine.options().slots);
  response->set_active(static_cast<std::uint32_t>(view.active));
  response->set_waiting(static_cast<std::uint32_t>(view.waiting));
  response->set_waiting_max(static_cast<std::uint32_t>(engine.options().waiting_max));
  response->set_is_stopping(view.is_stopping);
  response->set_finished(view.counters.finished);
  response->set_cancelled(view.counters.cancelled);
  response->set_refused(view.counters.refused);
  response->set_failed(view.counters.failed);
  response->set_prompt_tokens(view.counters.prompt_tokens);
  response->set_cached_tokens(view.counters.cached_tokens);
  response->set_answer_tokens(view.counters.answer_tokens);
  response->set_decode_steps(view.counters.decode_steps);
  response->set_busy_ms(view.counters.busy_micros / kMicrosPerMs);
  response->set_first_token_ms_p50(view.first_token_micros_p50 / kMicrosPerMs);
  response->set_first_token_ms_p99(view.first_token_micros_p99 / kMicrosPerMs);
  response->set_answer_tokens_per_second(view.answer_tokens_per_second);
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace coterie::llm
