// TLS between nodes and the language model's server: a node that shows a certificate is answered,
// and nobody else; a node gives no text to a server that it does not know.

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/error_detail.h"
#include "coterie/llm/v1/llm.grpc.pb.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"
#include "tests/authority.h"
#include "tests/cluster_process.h"
#include "tests/llm_process.h"

namespace coterie::tests {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kRefusal = absl::Seconds(3);

class LlmTls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = llm::testing::TemporaryPath("tls-chain.gguf");
    ASSERT_TRUE(llm::testing::WriteChainModel(model_).ok());
  }
  void SetUp() override {
    ASSERT_TRUE(ours_.made() && others_.made());
    auto server =
        LlmProcess::Start({"--model", model_, "--listen", "127.0.0.1:0", "--tls-cert",
                           ours_.certificate(), "--tls-key", ours_.key(), "--tls-ca", ours_.ca()});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // What a node with these flags answers to a question; "" and `error_` if nothing.
  std::string AskNode(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--llm", server_->address()});
    auto cluster = ClusterProcess::Start(1, {.flags = flags});
    if (!cluster.ok()) return std::string(cluster.status().message());
    auto client = client::Client::Open({.addresses = (*cluster)->client_addresses()});
    if (!client.ok() || !(*client)->Login("ann", "a password that is long").ok()) return "no login";
    v1::AskRequest request;
    request.set_question("Who?");
    std::string text;
    error_ = (*client)->Assist(request, absl::Now() + kPatience, [&](const v1::AssistEvent& event) {
      text += event.text();
      return true;
    });
    return text;
  }
  grpc::StatusCode CallWith(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const auto stub =
        coterie::llm::v1::LlmService::NewStub(grpc::CreateChannel(server_->address(), credentials));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kRefusal));
    coterie::llm::v1::GetModelResponse model;
    return stub->GetModel(&context, {}, &model).error_code();
  }

  static inline std::string model_;
  const Authority ours_;
  const Authority others_;
  std::unique_ptr<LlmProcess> server_;
  absl::Status error_;
};

TEST_F(LlmTls, ANodeWithACertificateIsAnswered) {
  EXPECT_EQ(AskNode({"--llm-tls-ca", ours_.ca(), "--llm-tls-cert", ours_.certificate(),
                     "--llm-tls-key", ours_.key()}),
            llm::testing::kStory);
  EXPECT_TRUE(error_.ok()) << error_;
}

TEST_F(LlmTls, NobodyElseIs) {
  const grpc::SslCredentialsOptions nameless{.pem_root_certs = ReadWhole(ours_.ca())};
  grpc::SslCredentialsOptions known = nameless;
  known.pem_private_key = ReadWhole(ours_.key());
  known.pem_cert_chain = ReadWhole(ours_.certificate());
  grpc::SslCredentialsOptions stranger = nameless;
  stranger.pem_private_key = ReadWhole(others_.key());
  stranger.pem_cert_chain = ReadWhole(others_.certificate());
  EXPECT_EQ(CallWith(grpc::SslCredentials(known)), grpc::StatusCode::OK);
  EXPECT_EQ(CallWith(grpc::SslCredentials(nameless)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallWith(grpc::SslCredentials(stranger)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallWith(grpc::InsecureChannelCredentials()), grpc::StatusCode::UNAVAILABLE);

  EXPECT_EQ(AskNode({}), "");
  EXPECT_EQ(client::DetailOf(error_).reason, "MODEL_UNAVAILABLE") << error_;
}

TEST_F(LlmTls, ANodeAsksNoServerOfAnotherAuthority) {
  EXPECT_EQ(AskNode({"--llm-tls-ca", others_.ca(), "--llm-tls-cert", ours_.certificate(),
                     "--llm-tls-key", ours_.key()}),
            "");
  EXPECT_EQ(client::DetailOf(error_).reason, "MODEL_UNAVAILABLE") << error_;
}

TEST_F(LlmTls, WhatDoesNotFitIsToldBeforeAnythingStarts) {
  const auto refusal = [](const std::vector<std::string>& flags) {
    const absl::StatusOr<Ended> ended = RunLlm(flags);
    EXPECT_TRUE(ended.ok() && ended->exit_code == 2);
    return ended.ok() ? ended->output : "";
  };
  EXPECT_TRUE(absl::StrContains(refusal({"--tls-cert", ours_.certificate()}), "both or neither"));
  EXPECT_TRUE(absl::StrContains(refusal({"--tls-ca", ours_.ca()}), "--tls-ca needs --tls-cert"));
  EXPECT_TRUE(
      absl::StrContains(refusal({"--tls-cert", ours_.certificate(), "--tls-key", others_.key()}),
                        "is not the key of"));
  EXPECT_TRUE(absl::StrContains(AskNode({"--llm-tls-cert", ours_.certificate()}),
                                "--llm-tls-cert and --llm-tls-key: give both or neither"));
}

}  // namespace
}  // namespace coterie::tests
