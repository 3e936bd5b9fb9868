#include "rpc/testing_llm.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "rpc/status_map.h"

namespace coterie::rpc {
namespace {

constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kDefaultTokens = 512;
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

class TestingLlm::Service final : public llm::v1::LlmService::Service {
 public:
  explicit Service(Script script) : script_(std::move(script)) {}

  grpc::Status Generate(grpc::ServerContext* context, const llm::v1::GenerateRequest* request,
                        grpc::ServerWriter<llm::v1::GenerateResponse>* writer) override {
    const int call = ++asked;
    if (script_.refuses) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full"};
    if (!script_.failure.ok() && call > script_.answers) return script_.failure;
    std::size_t prompt_bytes = 0;
    for (const auto& message : request->chat().messages()) prompt_bytes += message.content().size();
    const std::uint32_t prompt_tokens = TokensOf(prompt_bytes);
    if (script_.context_tokens != 0 &&
        prompt_tokens + std::max(1u, request->max_tokens()) > script_.context_tokens) {
      return TooLong(prompt_tokens, request->max_tokens());
    }
    Remember(*request, prompt_bytes);
    SayQueued(*writer);
    llm::v1::GenerateResponse started;
    started.mutable_started()->set_prompt_tokens(prompt_tokens);
    bool is_there = writer->Write(started);
    if (script_.reads) {
      llm::v1::GenerateResponse reading;
      reading.mutable_reading()->set_read_tokens(prompt_tokens / 2);
      is_there = writer->Write(reading);
      script_.holds();
    }
    std::vector<std::string> pieces = script_.pieces;
    if (script_.answer) {
      const auto& messages = request->chat().messages();
      pieces = {script_.answer(messages.empty() ? "" : messages.rbegin()->content())};
    }
    const std::uint32_t room = AnswerTokens(prompt_tokens, request->max_tokens());
    const bool is_cut = Cut(pieces, room);
    for (const std::string& piece : pieces) {
      is_there = is_there && Say(*writer, piece);
      if (script_.dies > died_ && ++died_ > 0) return {grpc::StatusCode::UNAVAILABLE, "killed"};
    }
    // As fast as the caller reads.
    while (script_.is_endless && is_there && !context->IsCancelled()) {
      is_there = Say(*writer, pieces.back());
    }
    if (context->IsCancelled() || !is_there) {
      absl::MutexLock lock(&mutex_);
      ++cancelled_;
      return grpc::Status::CANCELLED;
    }
    llm::v1::GenerateResponse finished;
    finished.mutable_finished()->set_reason(is_cut ? llm::v1::FINISH_REASON_MAX_TOKENS
                                                   : llm::v1::FINISH_REASON_END);
    if (is_cut) finished.mutable_finished()->set_answer_tokens(room);
    writer->Write(finished);
    return grpc::Status::OK;
  }
  grpc::Status GetModel(grpc::ServerContext* /*context*/, const llm::v1::GetModelRequest*,
                        llm::v1::GetModelResponse* response) override {
    if (loaded_ < static_cast<int>(script_.loading.size())) {
      return {grpc::StatusCode::UNAVAILABLE, "the model is being loaded"};
    }
    if (script_.is_mute) return {grpc::StatusCode::DEADLINE_EXCEEDED, "it does not say"};
    response->set_name("testing");
    response->set_context_tokens(script_.context_tokens);
    return grpc::Status::OK;
  }
  grpc::Status GetStatus(grpc::ServerContext* /*context*/, const llm::v1::GetStatusRequest*,
                         llm::v1::GetStatusResponse* response) override {
    ++asked_for_status;
    if (const auto at = static_cast<std::size_t>(loaded_); at < script_.loading.size()) {
      response->set_loading_percent(script_.loading[at]);
      ++loaded_;
      return grpc::Status::OK;
    }
    response->set_slots(kSlots);
    response->set_active(script_.active);
    response->set_waiting(script_.waiting);
    response->set_waiting_max(script_.waiting_max);
    return grpc::Status::OK;
  }

  bool Wait(int calls) {
    absl::MutexLock lock(&mutex_);
    const auto is_reached = [this, calls] {
      mutex_.AssertReaderHeld();
      return cancelled_ >= calls;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_reached), kPatience);
  }

  std::string last_client() const {
    absl::MutexLock lock(&mutex_);
    return last_client_;
  }
  std::size_t longest_prompt() const {
    absl::MutexLock lock(&mutex_);
    return longest_prompt_;
  }

  std::atomic<int> asked{0};
  std::atomic<int> asked_for_status{0};

 private:
  std::uint32_t TokensOf(std::size_t bytes) const {
    return static_cast<std::uint32_t>((bytes + script_.token_bytes - 1) / script_.token_bytes);
  }
  // As coterie-llm has it: 512, or what there is room for.
  std::uint32_t AnswerTokens(std::uint32_t prompt_tokens, std::uint32_t max_tokens) const {
    if (max_tokens != 0) return max_tokens;
    if (script_.context_tokens == 0) return kDefaultTokens;
    return std::min(kDefaultTokens, script_.context_tokens - prompt_tokens);
  }
  static grpc::Status TooLong(std::uint32_t prompt_tokens, std::uint32_t max_tokens) {
    const absl::Status status = absl::InvalidArgumentError("the prompt is too long");
    return ToGrpc(WithDetail(status, {.reason = "CONTEXT_EXCEEDED",
                                      .metadata = {{"prompt_tokens", absl::StrCat(prompt_tokens)},
                                                   {"max_tokens", absl::StrCat(max_tokens)}}}));
  }
  // Whether the pieces have more tokens together, and then without what does not fit.
  bool Cut(std::vector<std::string>& pieces, std::uint32_t tokens) const {
    std::size_t left = std::size_t{tokens} * script_.token_bytes;
    for (auto piece = pieces.begin(); piece != pieces.end(); ++piece) {
      if (piece->size() > left) {
        while (left > 0 && IsContinuationByte((*piece)[left])) --left;
        piece->resize(left);
        pieces.erase(piece + 1, pieces.end());
        return true;
      }
      left -= piece->size();
    }
    return false;
  }
  void Remember(const llm::v1::GenerateRequest& request, std::size_t bytes) {
    absl::MutexLock lock(&mutex_);
    last_client_ = request.client();
    longest_prompt_ = std::max(longest_prompt_, bytes);
  }
  void SayQueued(grpc::ServerWriter<llm::v1::GenerateResponse>& writer) const {
    if (script_.place == 0) return;
    llm::v1::GenerateResponse queued;
    queued.mutable_queued()->set_place(script_.place);
    writer.Write(queued);
    script_.holds();
  }
  static bool Say(grpc::ServerWriter<llm::v1::GenerateResponse>& writer, const std::string& text) {
    llm::v1::GenerateResponse response;
    response.set_text(text);
    return writer.Write(response);
  }

  const Script script_;
  std::atomic<int> died_{0};
  std::atomic<int> loaded_{0};  // Of script_.loading, so many were said.
  mutable absl::Mutex mutex_;
  std::string last_client_ ABSL_GUARDED_BY(mutex_);
  std::size_t longest_prompt_ ABSL_GUARDED_BY(mutex_) = 0;
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
};

TestingLlm::TestingLlm(Script script) : service_(std::make_unique<Service>(std::move(script))) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  // As the real one: nodes ask whether it lives while an answer takes its time.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr && port_ != 0);
}

TestingLlm::~TestingLlm() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

std::string TestingLlm::address() const { return absl::StrCat("127.0.0.1:", port_); }
int TestingLlm::asked() const { return service_->asked; }
int TestingLlm::asked_for_status() const { return service_->asked_for_status; }
std::string TestingLlm::last_client() const { return service_->last_client(); }
std::size_t TestingLlm::longest_prompt() const { return service_->longest_prompt(); }
bool TestingLlm::WaitUntilCancelled(int calls) const { return service_->Wait(calls); }

}  // namespace coterie::rpc
