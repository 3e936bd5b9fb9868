// OpenAiService against an HTTP server of the test's own, over real sockets: what streams, what is
// refused, what breaks, and that the key stays where it belongs.

#include <absl/base/thread_annotations.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "io/posix_clock.h"
#include "llm/http_call.h"
#include "llm/openai_service.h"
#include "llm/server.h"

namespace coterie::llm {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

using Request = http::request<http::string_body>;

// Answers every connection with what the answer writes to it; one after the other.
class HttpServer {
 public:
  using Answer = std::function<void(tcp::socket&)>;

  explicit HttpServer(Answer answer, std::uint16_t port = 0)
      : answer_(std::move(answer)),
        acceptor_(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), port)),
        port_(acceptor_.local_endpoint().port()),
        thread_([this] { Run(); }) {}
  ~HttpServer() {
    is_ending_ = true;
    error_code ignored;
    tcp::socket last(io_);  // Wakes accept().
    last.connect({asio::ip::make_address("127.0.0.1"), port_}, ignored);
    thread_.join();
  }

  std::uint16_t port() const { return port_; }
  void Set(Answer answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
  }
  // The last one.
  Request request() {
    absl::MutexLock lock(&mutex_);
    return request_;
  }

 private:
  void Run() {
    while (true) {
      error_code error;
      tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (is_ending_) return;
      boost::beast::flat_buffer buffer;
      Request request;
      http::read(socket, buffer, request, error);
      if (error) continue;
      Answer answer;
      {
        absl::MutexLock lock(&mutex_);
        request_ = request;
        answer = answer_;
      }
      answer(socket);
    }
  }

  absl::Mutex mutex_;
  Answer answer_ ABSL_GUARDED_BY(mutex_);
  Request request_ ABSL_GUARDED_BY(mutex_);
  asio::io_context io_;
  tcp::acceptor acceptor_;
  const std::uint16_t port_;
  std::atomic<bool> is_ending_{false};
  std::jthread thread_;
};

void Write(tcp::socket& socket, const std::string& bytes) {
  error_code ignored;
  asio::write(socket, asio::buffer(bytes), ignored);
}
void WriteChunk(tcp::socket& socket, const std::string& data) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  Write(socket, absl::StrCat(size, data, "\r\n"));
}
void BeginStream(tcp::socket& socket) {
  Write(socket,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}
std::string TextChunk(const std::string& text) {
  return "data: {\"choices\":[{\"delta\":{\"content\":\"" + text + "\"}}]}\n\n";
}
constexpr char kStopChunk[] = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
void AnswerStatus(tcp::socket& socket, const std::string& line, const std::string& body,
                  const std::string& headers = {}) {
  Write(socket, absl::StrCat("HTTP/1.1 ", line, "\r\n", headers, "Content-Length: ", body.size(),
                             "\r\n\r\n", body));
}
// Blocks until the other side has closed the connection.
bool IsClosed(tcp::socket& socket) {
  error_code error;
  char byte = 0;
  socket.read_some(asio::buffer(&byte, 1), error);
  return static_cast<bool>(error);
}

class OpenAiTest : public testing::Test {
 protected:
  void Serve(HttpServer::Answer answer, OpenAiOptions options = {.model = "tiny"}) {
    http_ = std::make_unique<HttpServer>(std::move(answer));
    options.url = *ParseUrl(absl::StrCat("http://127.0.0.1:", http_->port()));
    options.api_key = kKey;
    auto service = std::make_unique<OpenAiService>(std::move(options), clock_);
    service_ = service.get();
    auto server = Server::Start({.listen = "127.0.0.1:0",
                                 .credentials = grpc::InsecureServerCredentials(),
                                 .service = std::move(service),
                                 .stop = [this](absl::Time) { service_->Stop(); }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::LlmService::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()),
                                                        grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Stop(absl::Now());
  }

  struct Told {
    grpc::Status status;
    std::string text;
    v1::GenerateResponse::Finished finished;
    std::string reason;
    std::map<std::string, std::string> metadata;
    std::int64_t retry_after = 0;
  };
  static v1::GenerateRequest Question(const std::string& text = "Who?",
                                      const std::string& client = "") {
    v1::GenerateRequest request;
    v1::ChatMessage& message = *request.mutable_chat()->add_messages();
    message.set_role("user");
    message.set_content(text);
    request.set_client(client);
    return request;
  }
  grpc::Status GetStatus(v1::GetStatusResponse* response) {
    grpc::ClientContext context;
    return stub_->GetStatus(&context, {}, response);
  }
  void WaitForWaiting(std::uint32_t count) {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    v1::GetStatusResponse status;
    while (GetStatus(&status).ok() && status.waiting() != count && absl::Now() < end) {
    }
    ASSERT_EQ(status.waiting(), count);
  }
  bool BecomesWell(bool is_well) {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    v1::GetStatusResponse status;
    while (GetStatus(&status).ok() != is_well && absl::Now() < end) {
    }
    return GetStatus(&status).ok() == is_well;
  }
  Told Ask(const v1::GenerateRequest& request = Question(),
           const std::function<void(grpc::ClientContext&)>& on_text = {}) {
    Told told;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    const auto reader = stub_->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
      told.text += response.text();
      if (response.has_finished()) told.finished = response.finished();
      if (on_text && !response.text().empty()) on_text(context);
    }
    told.status = reader->Finish();
    google::rpc::Status rich;
    rich.ParseFromString(told.status.error_details());
    for (const auto& detail : rich.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::RetryInfo retry;
      if (detail.UnpackTo(&info)) {
        told.reason = info.reason();
        told.metadata = {info.metadata().begin(), info.metadata().end()};
      }
      if (detail.UnpackTo(&retry)) told.retry_after = retry.retry_delay().seconds();
    }
    EXPECT_EQ(told.status.error_message().find(kKey), std::string::npos);
    return told;
  }

  static constexpr char kKey[] = "sk-very-secret";
  static constexpr absl::Duration kMoment = absl::Milliseconds(5);
  io::PosixClock clock_;
  std::unique_ptr<HttpServer> http_;
  OpenAiService* service_ = nullptr;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::LlmService::Stub> stub_;
};

TEST_F(OpenAiTest, StreamsWhatComesInChunks) {
  Serve([](tcp::socket& socket) {
    BeginStream(socket);
    const std::string first = TextChunk("It was ");
    WriteChunk(socket, first.substr(0, 20));  // In the middle of a line.
    WriteChunk(socket, first.substr(20) + TextChunk("\\u00e9lan.") + kStopChunk);
    WriteChunk(socket, "data: [DONE]\n\n");
    Write(socket, "0\r\n\r\n");
  });
  v1::GenerateRequest request = Question();
  request.mutable_sampling()->set_seed(7);
  request.set_max_tokens(40);

  const Told told = Ask(request);

  EXPECT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.text, "It was \xC3\xA9lan.");
  EXPECT_EQ(told.finished.reason(), v1::FINISH_REASON_END);
  const Request seen = http_->request();
  EXPECT_EQ(seen.target(), "/v1/chat/completions");
  EXPECT_EQ(seen[http::field::authorization], "Bearer sk-very-secret");
  for (const char* part : {"\"model\":\"tiny\"", "\"stream\":true", "\"seed\":7",
                           "\"max_tokens\":40", "\"content\":\"Who?\""}) {
    EXPECT_NE(seen.body().find(part), std::string::npos) << part << " in " << seen.body();
  }
}

TEST_F(OpenAiTest, AStopStringEndsTheAnswerAndTheConnection) {
  absl::Notification closed;
  Serve([&closed](tcp::socket& socket) {
    BeginStream(socket);
    WriteChunk(socket, TextChunk("one ##") + TextChunk("# two"));
    if (IsClosed(socket)) closed.Notify();
  });
  v1::GenerateRequest request = Question();
  request.add_stop("###");

  const Told told = Ask(request);

  EXPECT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.text, "one ");
  EXPECT_EQ(told.finished.reason(), v1::FINISH_REASON_STOP_STRING);
  EXPECT_TRUE(closed.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(OpenAiTest, RefusalsSayWhatToDo) {
  Serve([](tcp::socket&) {});
  const auto ask = [this](const std::string& line, const std::string& headers = {}) {
    http_->Set([line, headers](tcp::socket& socket) {
      AnswerStatus(socket, line, R"({"error":{"message":"because\nof it"}})", headers);
    });
    return Ask();
  };

  const Told denied = ask("401 Unauthorized");
  EXPECT_EQ(denied.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(denied.status.error_message().find("401: because of it; give coterie-llm its key"),
            std::string::npos)
      << denied.status.error_message();
  EXPECT_EQ(denied.reason, "MISCONFIGURED");

  const Told busy = ask("429 Too Many Requests", "Retry-After: 17\r\n");
  EXPECT_EQ(busy.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(busy.reason, "QUEUE_FULL");
  EXPECT_EQ(busy.retry_after, 17);

  const Told broken = ask("500 Internal Server Error");
  EXPECT_EQ(broken.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(broken.reason, "MODEL_UNREACHABLE");

  EXPECT_EQ(ask("404 Not Found").status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ask("400 Bad Request").status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OpenAiTest, WhatBreaksIsSaid) {
  Serve([](tcp::socket& socket) {
    BeginStream(socket);
    WriteChunk(socket, TextChunk("half"));
  });
  const Told broken_off = Ask();
  EXPECT_EQ(broken_off.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(broken_off.text, "half");

  http_->Set([](tcp::socket& socket) {  // Ended well, but not the answer.
    BeginStream(socket);
    WriteChunk(socket, TextChunk("half"));
    Write(socket, "0\r\n\r\n");
  });
  EXPECT_NE(Ask().status.error_message().find("in the middle of its answer"), std::string::npos);

  http_->Set([](tcp::socket& socket) {
    BeginStream(socket);
    WriteChunk(socket, "data: {\"choices\": oops\n\n");
  });
  EXPECT_EQ(Ask().status.error_code(), grpc::StatusCode::INTERNAL);

  http_->Set([](tcp::socket& socket) { Write(socket, "SSH-2.0-OpenSSH_9.2\r\n"); });
  EXPECT_EQ(Ask().status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(OpenAiTest, SilenceIsGivenUp) {
  Serve(
      [](tcp::socket& socket) {
        BeginStream(socket);
        WriteChunk(socket, TextChunk("and then"));
        IsClosed(socket);  // Says nothing more.
      },
      {.model = "tiny", .silence_max = absl::Milliseconds(300)});
  const Told silent = Ask();
  EXPECT_EQ(silent.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(silent.status.error_message().find("has said nothing for 300ms"), std::string::npos)
      << silent.status.error_message();
}

TEST_F(OpenAiTest, AClientThatGoesClosesTheConnection) {
  for (const bool is_silent : {true, false}) {
    absl::Notification closed;
    const auto answer = [&closed, is_silent](tcp::socket& socket) {
      BeginStream(socket);
      error_code error;
      do {
        WriteChunk(socket, TextChunk("one"));
        asio::write(socket, asio::buffer("1\r\n\n\r\n", 6), error);  // An empty line.
      } while (!is_silent && !error);
      if (IsClosed(socket)) closed.Notify();
    };
    if (http_ == nullptr) Serve(answer);
    http_->Set(answer);

    const Told told = Ask(Question(), [](grpc::ClientContext& context) { context.TryCancel(); });

    EXPECT_EQ(told.status.error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(closed.WaitForNotificationWithTimeout(absl::Seconds(10))) << is_silent;
  }
}

TEST_F(OpenAiTest, NobodyThereIsSaid) {
  Serve([](tcp::socket&) {});
  http_.reset();
  const Told told = Ask();
  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(told.status.error_message().find("cannot be connected to"), std::string::npos)
      << told.status.error_message();
}

TEST_F(OpenAiTest, ProbesForTheModel) {
  Serve([](tcp::socket& socket) {
    AnswerStatus(socket, "200 OK", R"({"data":[{"id":"small"},{"id":"tiny"}]})");
  });
  EXPECT_EQ(*service_->Probe(), "tiny");
  EXPECT_EQ(http_->request().target(), "/v1/models");
  OpenAiService other({.url = *ParseUrl(absl::StrCat("http://127.0.0.1:", http_->port())),
                       .model = "large",
                       .silence_max = absl::Seconds(5)},
                      clock_);
  EXPECT_TRUE(absl::IsNotFound(other.Probe().status()));
}

void AnswerShortly(tcp::socket& socket) {
  BeginStream(socket);
  WriteChunk(socket, TextChunk("Yes.") + kStopChunk);
  Write(socket, "0\r\n\r\n");
}

TEST_F(OpenAiTest, AnEmptyAnswerTookAsLongAsItTook) {
  Serve([](tcp::socket& socket) {
    BeginStream(socket);
    WriteChunk(socket, kStopChunk);
    Write(socket, "0\r\n\r\n");
  });
  const Told told = Ask();
  EXPECT_TRUE(told.status.ok());
  EXPECT_LE(told.finished.first_token_ms(), told.finished.total_ms());
  EXPECT_LT(told.finished.total_ms(), 20'000U);
}

TEST_F(OpenAiTest, WhatTheApiLacksIsRefused) {
  Serve(AnswerShortly);
  const auto ask = [](const std::function<void(v1::Sampling&)>& set) {
    v1::GenerateRequest request = Question();
    set(*request.mutable_sampling());
    return request;
  };
  using Sampling = v1::Sampling;
  for (const v1::GenerateRequest& request :
       {ask([](Sampling& sampling) { sampling.set_top_k(40); }),
        ask([](Sampling& sampling) { sampling.set_min_p(0.1F); }),
        ask([](Sampling& sampling) { sampling.set_repeat_penalty(1.1F); }),
        ask([](Sampling& sampling) { sampling.set_temperature(std::nanf("")); })}) {
    const Told told = Ask(request);
    EXPECT_EQ(told.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(told.reason, "BAD_REQUEST");
  }
  const Told none = Ask(ask([](Sampling& sampling) {
    sampling.set_top_k(0);
    sampling.set_min_p(0);
    sampling.set_repeat_penalty(1);
  }));
  EXPECT_TRUE(none.status.ok()) << none.status.error_message();
}

TEST_F(OpenAiTest, TooLongAPromptIsSaidWithBothLengths) {
  Serve([](tcp::socket& socket) {
    AnswerStatus(socket, "400 Bad Request",
                 R"({"error":{"type":"exceed_context_size_error","message":"too long",)"
                 R"("n_prompt_tokens":9000,"n_ctx":4096}})");
  });
  const Told told = Ask();
  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(told.reason, "CONTEXT_EXCEEDED");
  EXPECT_EQ(told.metadata.at("prompt_tokens"), "9000");
  EXPECT_EQ(told.metadata.at("context_tokens"), "4096");
}

TEST_F(OpenAiTest, AServerThatComesLaterIsFound) {
  for (const bool is_watched : {true, false}) {
    TearDown();
    Serve([](tcp::socket&) {}, {.probe_again_every = kMoment});
    const std::uint16_t port = http_->port();
    http_.reset();
    EXPECT_TRUE(absl::IsUnavailable(service_->Probe().status()));
    v1::GetStatusResponse status;
    EXPECT_EQ(GetStatus(&status).error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(Ask().reason, "MODEL_UNREACHABLE");
    if (is_watched) service_->Watch([](const absl::Status&) {});

    http_ = std::make_unique<HttpServer>(
        [](tcp::socket& socket) { AnswerStatus(socket, "200 OK", R"({"data":[{"id":"late"}]})"); },
        port);
    if (is_watched) {
      EXPECT_TRUE(BecomesWell(true));
    } else {
      EXPECT_EQ(*service_->Probe(), "late");
    }
    service_->Stop();  // No probe between this and the answer.
  }
}

// Without a name nothing is asked for: the first request finds it out.
TEST_F(OpenAiTest, ARequestFindsTheModelThatIsNotKnownYet) {
  Serve([](tcp::socket&) {}, {});
  int asked = 0;
  http_->Set([&asked](tcp::socket& socket) {
    if (asked++ > 0) return AnswerShortly(socket);
    AnswerStatus(socket, "200 OK", R"({"data":[{"id":"late"}]})");
  });

  const Told told = Ask();

  EXPECT_EQ(told.text, "Yes.") << told.status.error_message();
  EXPECT_NE(http_->request().body().find("\"model\":\"late\""), std::string::npos);
}

TEST_F(OpenAiTest, AServerThatDiesIsNotReadyUntilItLives) {
  Serve(AnswerShortly, {.model = "tiny", .probe_again_every = kMoment});
  absl::Mutex mutex;
  std::vector<bool> told;
  service_->Watch([&](const absl::Status& health) {
    absl::MutexLock lock(&mutex);
    told.push_back(health.ok());
  });
  EXPECT_TRUE(Ask().status.ok());
  v1::GetStatusResponse status;
  EXPECT_TRUE(GetStatus(&status).ok());

  const std::uint16_t port = http_->port();
  http_.reset();
  EXPECT_EQ(Ask().status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(GetStatus(&status).error_code(), grpc::StatusCode::UNAVAILABLE);  // At once.

  http_ = std::make_unique<HttpServer>(
      [](tcp::socket& socket) { AnswerStatus(socket, "200 OK", R"({"data":[{"id":"tiny"}]})"); },
      port);
  EXPECT_TRUE(BecomesWell(true));
  service_->Stop();
  EXPECT_EQ(told, (std::vector<bool>{false, true}));
}

// A server that lists its models and says 500 to one client's prompt is well for the others.
TEST_F(OpenAiTest, OneClientsErrorsDoNotMakeItUnready) {
  Serve([](tcp::socket& socket) { AnswerStatus(socket, "500 Internal Server Error", "no"); },
        {.model = "tiny"});
  const auto ask = [this](const std::string& client) {
    v1::GenerateRequest request = Question();
    request.set_client(client);
    return Ask(request).status.error_code();
  };
  v1::GetStatusResponse status;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("ann"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(GetStatus(&status).ok());

  EXPECT_EQ(ask("bob"), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(GetStatus(&status).error_code(), grpc::StatusCode::UNAVAILABLE);
}

// One place: what the HTTP server sees is in which order the others came to it.
TEST_F(OpenAiTest, ThoseWhoWaitTakeTurns) {
  absl::Notification may_end;
  absl::Mutex mutex;
  std::string order;
  Serve([](tcp::socket&) {},
        {.model = "tiny", .slots = 1, .waiting_max = 4, .waiting_per_client_max = 3});
  http_->Set([&](tcp::socket& socket) {
    const std::string body = http_->request().body();
    const std::size_t at = body.find("\"content\":\"") + 11;
    {
      absl::MutexLock lock(&mutex);
      absl::StrAppend(&order, body.substr(at, 2), " ");
    }
    may_end.WaitForNotification();
    AnswerShortly(socket);
  });
  std::vector<std::thread> clients;
  std::uint32_t waiting = 0;
  for (const char* name : {"a0", "a1", "a2", "a3", "b1"}) {
    clients.emplace_back([this, name] {
      EXPECT_TRUE(Ask(Question(name, std::string(name, 1))).status.ok()) << name;
    });
    if (waiting++ > 0) {
      WaitForWaiting(waiting - 1);
    } else {
      v1::GetStatusResponse status;
      while (GetStatus(&status).ok() && status.active() == 0) {
      }
    }
  }

  const Told full = Ask(Question("c1", "c"));
  may_end.Notify();
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(full.reason, "QUEUE_FULL");
  EXPECT_GT(full.retry_after, 0);
  EXPECT_EQ(order, "a0 a1 b1 a2 a3 ");
}

TEST_F(OpenAiTest, WhoWaitsIsToldHisPlace) {
  absl::Notification may_end;
  Serve(
      [&](tcp::socket& socket) {
        may_end.WaitForNotification();
        AnswerShortly(socket);
      },
      {.model = "tiny", .slots = 1, .waiting_max = 4, .waiting_per_client_max = 2});
  std::thread running([this] { EXPECT_TRUE(Ask(Question("x", "a")).status.ok()); });
  v1::GetStatusResponse status;
  while (GetStatus(&status).ok() && status.active() == 0) {
  }
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, Question("x", "b"));
  v1::GenerateResponse response;

  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.queued().place(), 1U);
  may_end.Notify();
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_TRUE(response.has_started());
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  running.join();
}

TEST_F(OpenAiTest, OneClientMayNotHaveTheWholeQueue) {
  absl::Notification may_end;
  Serve(
      [&may_end](tcp::socket& socket) {
        may_end.WaitForNotification();
        AnswerShortly(socket);
      },
      {.model = "tiny", .slots = 1, .waiting_max = 4, .waiting_per_client_max = 1});
  std::vector<std::thread> clients;
  for (std::uint32_t waiting = 0; waiting < 2; ++waiting) {
    clients.emplace_back([this] { EXPECT_TRUE(Ask(Question("x", "a")).status.ok()); });
    v1::GetStatusResponse status;
    while (GetStatus(&status).ok() && status.active() + status.waiting() != waiting + 1) {
    }
  }

  EXPECT_EQ(Ask(Question("x", "a")).reason, "QUEUE_FULL");
  clients.emplace_back([this] { EXPECT_TRUE(Ask(Question("x", "b")).status.ok()); });
  WaitForWaiting(2);

  may_end.Notify();
  for (std::thread& client : clients) client.join();
}

TEST(HttpUrl, IsParsedOrRefused) {
  const auto url = ParseUrl("https://models.example.org/api/");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->has_tls);
  EXPECT_EQ(url->host, "models.example.org");
  EXPECT_EQ(url->port, "443");
  EXPECT_EQ(url->path, "/api");
  EXPECT_EQ(ParseUrl("http://127.0.0.1:11434")->port, "11434");
  for (const char* bad : {"", "ftp://x", "http://", "http://x:y", "http://u:p@x", "http://x/?a=b",
                          "http://x y", "x:80"}) {
    EXPECT_FALSE(ParseUrl(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace coterie::llm
