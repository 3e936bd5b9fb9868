#include "rpc/testing_llm.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <utility>

#include "base/check.h"

namespace coterie::rpc {
namespace {

constexpr std::uint32_t kSlots = 4;
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

class TestingLlm::Service final : public llm::v1::LlmService::Service {
 public:
  explicit Service(Script script) : script_(std::move(script)) {}

  grpc::Status Generate(grpc::ServerContext* context, const llm::v1::GenerateRequest* request,
                        grpc::ServerWriter<llm::v1::GenerateResponse>* writer) override {
    ++asked;
    if (script_.refuses) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full"};
    llm::v1::GenerateResponse started;
    started.mutable_started();
    bool is_there = writer->Write(started);
    std::vector<std::string> pieces = script_.pieces;
    if (script_.answer) {
      const auto& messages = request->chat().messages();
      pieces = {script_.answer(messages.empty() ? "" : messages.rbegin()->content())};
    }
    for (const std::string& piece : pieces) is_there = is_there && Say(*writer, piece);
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
    finished.mutable_finished()->set_reason(llm::v1::FINISH_REASON_END);
    writer->Write(finished);
    return grpc::Status::OK;
  }
  grpc::Status GetModel(grpc::ServerContext* /*context*/, const llm::v1::GetModelRequest*,
                        llm::v1::GetModelResponse* response) override {
    response->set_name("testing");
    return grpc::Status::OK;
  }
  grpc::Status GetStatus(grpc::ServerContext* /*context*/, const llm::v1::GetStatusRequest*,
                         llm::v1::GetStatusResponse* response) override {
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

  std::atomic<int> asked{0};

 private:
  static bool Say(grpc::ServerWriter<llm::v1::GenerateResponse>& writer, const std::string& text) {
    llm::v1::GenerateResponse response;
    response.set_text(text);
    return writer.Write(response);
  }

  const Script script_;
  absl::Mutex mutex_;
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
};

TestingLlm::TestingLlm(Script script) : service_(std::make_unique<Service>(std::move(script))) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr && port_ != 0);
}

TestingLlm::~TestingLlm() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

std::string TestingLlm::address() const { return absl::StrCat("127.0.0.1:", port_); }
int TestingLlm::asked() const { return service_->asked; }
bool TestingLlm::WaitUntilCancelled(int calls) const { return service_->Wait(calls); }

}  // namespace coterie::rpc
