// The LLM server as a process: what it says when it cannot start, and how it ends.

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "client/connection.h"
#include "client/health.h"
#include "coterie/llm/v1/llm.grpc.pb.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"
#include "tests/llm_process.h"

namespace coterie::tests {
namespace {

using llm::testing::TemporaryPath;
namespace v1 = llm::v1;

constexpr absl::Duration kPatience = absl::Seconds(60);

class LlmServer : public ::testing::Test {
 protected:
  LlmServer() : model_(TemporaryPath("chain.gguf")) {
    EXPECT_TRUE(llm::testing::WriteChainModel(model_).ok());
  }
  ~LlmServer() override {
    std::filesystem::remove_all(std::filesystem::path(model_).parent_path());
  }

  // The process ends with this code, having said this in one line of its own.
  void ExpectEnd(const std::vector<std::string>& flags, int code, const std::string& text) {
    const absl::StatusOr<Ended> ended = RunLlm(flags);
    ASSERT_TRUE(ended.ok()) << ended.status();
    EXPECT_EQ(ended->exit_code, code) << ended->output;
    const std::size_t line = ended->output.find("coterie-llm: ");
    ASSERT_NE(line, std::string::npos) << ended->output;
    EXPECT_TRUE(absl::StrContains(ended->output.substr(line), text)) << ended->output;
    if (code != 3) {
      EXPECT_EQ(std::count(ended->output.begin() + static_cast<std::ptrdiff_t>(line),
                           ended->output.end(), '\n'),
                1);
    }
  }
  std::unique_ptr<LlmProcess> Start(std::vector<std::string> flags = {}) {
    for (const char* flag : {"--listen", "127.0.0.1:0", "--model", model_.c_str()}) {
      flags.emplace_back(flag);
    }
    auto process = LlmProcess::Start(flags);
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  std::unique_ptr<v1::LlmService::Stub> Connect(const LlmProcess& process) {
    return v1::LlmService::NewStub(
        grpc::CreateChannel(process.address(), grpc::InsecureChannelCredentials()));
  }
  v1::GenerateRequest Ask(const std::string& prompt, std::uint32_t max_tokens) {
    v1::GenerateRequest request;
    request.set_text(prompt);
    request.set_max_tokens(max_tokens);
    return request;
  }

  const std::string model_;
};

struct Heard {
  std::string text;
  grpc::Status status;
};
Heard HearOut(grpc::ClientReader<v1::GenerateResponse>& stream) {
  Heard heard;
  v1::GenerateResponse response;
  while (stream.Read(&response)) heard.text += response.text();
  heard.status = stream.Finish();
  return heard;
}

TEST_F(LlmServer, SaysWhatIsWrongWithTheModel) {
  const std::string bad = TemporaryPath("bad.gguf");
  ExpectEnd({"--model", bad}, 3, "no such file");
  std::ofstream(bad) << "no model at all";
  ExpectEnd({"--model", bad}, 4, "not a GGUF file");
  std::filesystem::copy_file(model_, bad, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(bad, 1'000'000);
  ExpectEnd({"--model", bad}, 4, "truncated: 1000000 of ");
  ASSERT_TRUE(llm::testing::WriteUnknownModel(bad).ok());
  ExpectEnd({"--model", bad}, 5, "unknown model architecture: 'nobody-knows-this'");
}

TEST_F(LlmServer, SaysWhatToDownloadWhereThereIsNoModel) {
  const std::string empty = TemporaryPath("none");
  ExpectEnd({"--models", empty}, 3, "668788096");
  ExpectEnd({"--models", empty}, 3, "curl -L -o " + empty);
}

TEST_F(LlmServer, SaysWhatIsWrongWithFlagsAndPorts) {
  ExpectEnd({"--slots", "0"}, 2, "--slots 0: must be 1 to 64");
  ExpectEnd({"--no-such-flag"}, 2, "no-such-flag");
  ExpectEnd({"--model", model_, "--chat-template", "nobodys"}, 2, "--chat-template");
  const auto first = Start();
  ExpectEnd({"--model", model_, "--listen", first->address()}, 1, "cannot listen at");
}

TEST_F(LlmServer, SaysWhatItServes) {
  const auto process = Start({"--context", "512", "--slots", "3", "--threads", "1"});

  EXPECT_TRUE(absl::StrContains(process->output(),
                                "chain (llama ?B (guessed) all F32, 1 MB), context 512 of 2048, "
                                "3 slots, 1 threads, nice 10"))
      << process->output();
  EXPECT_TRUE(absl::StrContains(process->output(), "loading: 100 %"));
  client::Connection connection(process->address(), {});
  EXPECT_TRUE(client::CheckHealth(connection, absl::Now() + kPatience).ok());
}

TEST_F(LlmServer, FinishesItsAnswersWhenItIsStopped) {
  const auto process = Start();
  const auto stub = Connect(*process);
  grpc::ClientContext context;
  const auto stream = stub->Generate(&context, Ask("#", 1'000));
  v1::GenerateResponse response;
  while (stream->Read(&response) && !response.has_text()) {
  }

  process->Signal(SIGTERM);

  const Heard heard = HearOut(*stream);
  EXPECT_TRUE(heard.status.ok()) << heard.status.error_message();
  EXPECT_EQ((response.text() + heard.text).size(), 5 * 1'000U);
  const auto ended = process->WaitForEnd();
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->exit_code, 0);
}

TEST_F(LlmServer, KilledInTheMiddleOfAnAnswerIsAClearError) {
  auto process = Start();
  const auto stub = Connect(*process);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto stream = stub->Generate(&context, Ask("#", 2'000));
  v1::GenerateResponse response;
  while (stream->Read(&response) && !response.has_text()) {
  }

  process->Signal(SIGKILL);

  EXPECT_EQ(HearOut(*stream).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(process->WaitForEnd()->exit_code, -1);

  process = Start();
  grpc::ClientContext again;
  again.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  EXPECT_EQ(HearOut(*Connect(*process)->Generate(&again, Ask("\n", 0))).text, llm::testing::kStory);
}

}  // namespace
}  // namespace coterie::tests
