#include "llm/service.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "io/posix_clock.h"
#include "llm/server.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"

namespace coterie::llm {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

struct Outcome {
  std::string text;
  std::vector<v1::GenerateResponse> responses;
  grpc::Status status;
};

struct Details {
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
};
Details DetailsOf(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  Details details;
  for (const auto& any : rich.details()) {
    if (any.Is<google::rpc::ErrorInfo>()) any.UnpackTo(&details.info);
    if (any.Is<google::rpc::RetryInfo>()) any.UnpackTo(&details.retry);
  }
  return details;
}

v1::GenerateRequest Ask(const std::string& prompt, std::uint32_t max_tokens = 0) {
  v1::GenerateRequest request;
  request.set_text(prompt);
  request.set_max_tokens(max_tokens);
  request.mutable_sampling()->set_temperature(0);
  return request;
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() : log_([](LlamaLog::Level, std::string_view) {}) {}
  ~ServiceTest() override {
    if (server_ != nullptr) server_->Stop(absl::InfinitePast());
  }

  void Serve(const EngineOptions& options) {
    model_ = testing::LoadTestModel(testing::ModelKind::kChain, log_);
    auto engine = Engine::Start(*model_, options, clock_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    auto service = std::make_unique<Service>(clock_);
    service->Serve(*model_, *engine_);
    auto server = Server::Start({.listen = "127.0.0.1:0",
                                 .credentials = grpc::InsecureServerCredentials(),
                                 .service = std::move(service),
                                 .stop = [this](absl::Time deadline) { engine_->Stop(deadline); }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::LlmService::NewStub(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(server_->port()), grpc::InsecureChannelCredentials()));
  }

  Outcome Generate(const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    Outcome outcome;
    const auto stream = stub_->Generate(&context, request);
    v1::GenerateResponse response;
    while (stream->Read(&response)) {
      outcome.text += response.text();
      outcome.responses.push_back(response);
    }
    outcome.status = stream->Finish();
    return outcome;
  }
  // Occupies a slot until it is destroyed.
  class Endless {
   public:
    explicit Endless(ServiceTest& test) {
      stream_ = test.stub_->Generate(&context_, Ask("#", 2'000));
      v1::GenerateResponse response;
      while (stream_->Read(&response) && !response.has_text()) {
      }
      EXPECT_TRUE(response.has_text());
    }
    ~Endless() {
      context_.TryCancel();
      v1::GenerateResponse response;
      while (stream_->Read(&response)) {
      }
      EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>> stream_;
  };
  v1::GetStatusResponse Status() {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    EXPECT_TRUE(stub_->GetStatus(&context, {}, &response).ok());
    return response;
  }

  LlamaLog log_;
  io::PosixClock clock_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::LlmService::Stub> stub_;
};

TEST_F(ServiceTest, StreamsAChatsAnswer) {
  Serve({.context = 512, .slots = 2});
  v1::GenerateRequest request;
  v1::ChatMessage& message = *request.mutable_chat()->add_messages();
  message.set_role("user");
  message.set_content("Tell me a story.");
  request.mutable_sampling()->set_seed(3);

  const Outcome outcome = Generate(request);

  ASSERT_TRUE(outcome.status.ok()) << outcome.status.error_message();
  EXPECT_EQ(outcome.text, testing::kStory);
  ASSERT_GE(outcome.responses.size(), 3U);
  EXPECT_GT(outcome.responses.front().started().prompt_tokens(), 20U);
  EXPECT_EQ(outcome.responses.back().finished().reason(), v1::FINISH_REASON_END);
  EXPECT_EQ(outcome.responses.back().finished().answer_tokens(), 19U);
}

TEST_F(ServiceTest, StopsAtAStopString) {
  Serve({.context = 512, .slots = 2});
  v1::GenerateRequest request = Ask("\n");
  request.add_stop("x jumps");

  const Outcome outcome = Generate(request);

  EXPECT_EQ(outcome.text, "The quick brown fo");
  EXPECT_EQ(outcome.responses.back().finished().reason(), v1::FINISH_REASON_STOP_STRING);
}

TEST_F(ServiceTest, RefusesWhatIsWrongWithAReason) {
  Serve({.context = 256, .slots = 1});
  const Outcome too_long = Generate(Ask(std::string(300, 'a'), 20));
  EXPECT_EQ(too_long.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::ErrorInfo info = DetailsOf(too_long.status).info;
  EXPECT_EQ(info.reason(), "CONTEXT_EXCEEDED");
  EXPECT_EQ(info.metadata().at("prompt_tokens"), "301");
  EXPECT_EQ(info.metadata().at("max_tokens"), "20");
  EXPECT_EQ(info.metadata().at("context_tokens"), "256");

  v1::GenerateRequest request = Ask("x");
  request.mutable_sampling()->set_temperature(-1);
  const Outcome bad = Generate(request);
  EXPECT_EQ(bad.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailsOf(bad.status).info.reason(), "BAD_REQUEST");
  EXPECT_EQ(Generate({}).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request = Ask("x");
  for (int i = 0; i < 17; ++i) request.add_stop("s");
  EXPECT_EQ(Generate(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// A node passes on a document of any size.
TEST_F(ServiceTest, HugePromptsAreRefusedWithBothLengths) {
  Serve({.context = 256, .slots = 1});
  v1::GenerateRequest chat;
  chat.mutable_sampling()->set_temperature(0);
  v1::ChatMessage& message = *chat.mutable_chat()->add_messages();
  message.set_role("user");
  message.set_content(std::string(64 << 20, 'a'));
  const v1::GenerateRequest text = Ask(std::string(5 << 20, 'a'), 20);
  for (const v1::GenerateRequest& request : {chat, text}) {
    const Outcome outcome = Generate(request);

    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    const google::rpc::ErrorInfo info = DetailsOf(outcome.status).info;
    EXPECT_EQ(info.reason(), "CONTEXT_EXCEEDED") << outcome.status.error_message();
    EXPECT_GT(std::stoull(info.metadata().at("prompt_tokens")), 100'000U);
    EXPECT_EQ(info.metadata().at("context_tokens"), "256");
  }

  grpc::ClientContext context;
  v1::CountTokensRequest count;
  count.set_text(std::string(5 << 20, 'a'));
  v1::CountTokensResponse counted;
  const grpc::Status status = stub_->CountTokens(&context, count, &counted);
  EXPECT_EQ(DetailsOf(status).info.reason(), "CONTEXT_EXCEEDED");
}

TEST_F(ServiceTest, FullQueueSaysWhenToComeAgain) {
  Serve({.context = 2'048, .slots = 1, .waiting_max = 1, .waiting_per_client_max = 1});
  const Endless running(*this);
  grpc::ClientContext context;
  const auto waiting = stub_->Generate(&context, Ask("\n"));
  while (Status().waiting() == 0) {
  }

  const Outcome refused = Generate(Ask("\n"));

  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const Details details = DetailsOf(refused.status);
  EXPECT_EQ(details.info.reason(), "QUEUE_FULL");
  EXPECT_GT(details.retry.retry_delay().seconds() + details.retry.retry_delay().nanos(), 0);
  context.TryCancel();
  v1::GenerateResponse response;
  while (waiting->Read(&response)) {
  }
  waiting->Finish();
}

TEST_F(ServiceTest, AClientThatLeavesFreesItsSlot) {
  Serve({.context = 2'048, .slots = 1});
  { const Endless running(*this); }

  EXPECT_EQ(Generate(Ask("\n")).text, testing::kStory);

  const v1::GetStatusResponse status = Status();
  EXPECT_EQ(status.cancelled(), 1U);
  EXPECT_EQ(status.finished(), 1U);
  EXPECT_LT(status.answer_tokens(), 2'000U);
}

TEST_F(ServiceTest, ThirtyTwoClientsAtOnce) {
  Serve({.context = 512, .slots = 4, .waiting_max = 64, .waiting_per_client_max = 4});
  std::deque<Outcome> outcomes(32);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    clients.emplace_back([this, i, &outcomes] {
      v1::GenerateRequest request = Ask(std::string(i * 7, 'a') + "\n");
      request.set_client("client " + std::to_string(i));
      outcomes[i] = Generate(request);
    });
  }
  for (std::thread& client : clients) client.join();

  for (const Outcome& outcome : outcomes) {
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    EXPECT_EQ(outcome.text, testing::kStory);
  }
  EXPECT_EQ(Status().finished(), 32U);
  EXPECT_EQ(Status().active(), 0U);
}

TEST_F(ServiceTest, WhoWaitsIsToldHisPlaceAsItChanges) {
  Serve({.context = 2'048, .slots = 1, .tell_every = absl::ZeroDuration()});
  auto running = std::make_unique<Endless>(*this);
  grpc::ClientContext first_context;
  const auto first = stub_->Generate(&first_context, Ask("\n"));
  v1::GenerateResponse response;
  ASSERT_TRUE(first->Read(&response));
  EXPECT_EQ(response.queued().place(), 1U);
  grpc::ClientContext second_context;
  v1::GenerateRequest request = Ask("\n");
  request.set_client("another");
  const auto second = stub_->Generate(&second_context, request);
  ASSERT_TRUE(second->Read(&response));
  EXPECT_EQ(response.queued().place(), 2U);

  first_context.TryCancel();
  ASSERT_TRUE(second->Read(&response));
  EXPECT_EQ(response.queued().place(), 1U);
  running.reset();
  ASSERT_TRUE(second->Read(&response));
  EXPECT_TRUE(response.has_started());
  ASSERT_TRUE(second->Read(&response));
  EXPECT_TRUE(response.has_text());

  while (first->Read(&response)) {
  }
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (second->Read(&response)) {
  }
  EXPECT_TRUE(second->Finish().ok());
}

TEST_F(ServiceTest, WhileTheModelIsLoadedItSaysHowFarAndRefusesTheRest) {
  auto owned = std::make_unique<Service>(clock_);
  Service& service = *owned;
  auto server = Server::Start({.listen = "127.0.0.1:0",
                               .credentials = grpc::InsecureServerCredentials(),
                               .service = std::move(owned),
                               .stop = [](absl::Time) {}});
  ASSERT_TRUE(server.ok()) << server.status();
  stub_ = v1::LlmService::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string((*server)->port()), grpc::InsecureChannelCredentials()));

  service.SetLoading(0.42F);
  EXPECT_EQ(Status().loading_percent(), 42U);
  service.SetLoading(1.0F);  // It does not serve yet.
  EXPECT_EQ(Status().loading_percent(), 99U);
  const Outcome refused = Generate(Ask("\n"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(DetailsOf(refused.status).info.reason(), "MODEL_LOADING");
  grpc::ClientContext context;
  v1::GetModelResponse model;
  EXPECT_EQ(stub_->GetModel(&context, {}, &model).error_code(), grpc::StatusCode::UNAVAILABLE);

  model_ = testing::LoadTestModel(testing::ModelKind::kChain, log_);
  engine_ = *Engine::Start(*model_, {.context = 512, .slots = 1}, clock_);
  service.Serve(*model_, *engine_);
  EXPECT_FALSE(Status().has_loading_percent());
  EXPECT_EQ(Generate(Ask("\n")).text, testing::kStory);
  (*server)->Stop(absl::InfinitePast());
}

TEST_F(ServiceTest, CountsAndDescribes) {
  Serve({.context = 512, .slots = 3});
  grpc::ClientContext context;
  v1::CountTokensRequest count;
  count.set_text("abc");
  v1::CountTokensResponse counted;
  ASSERT_TRUE(stub_->CountTokens(&context, count, &counted).ok());
  EXPECT_EQ(counted.tokens(), 4U);

  grpc::ClientContext second;
  v1::GetModelResponse model;
  ASSERT_TRUE(stub_->GetModel(&second, {}, &model).ok());
  EXPECT_EQ(model.name(), "chain");
  EXPECT_EQ(model.context_tokens(), 512U);
  EXPECT_EQ(model.slots(), 3U);
  EXPECT_TRUE(model.has_chat_template());
}

}  // namespace
}  // namespace coterie::llm
