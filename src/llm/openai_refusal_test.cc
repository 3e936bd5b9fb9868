#include "llm/openai_refusal.h"

#include <absl/strings/match.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace coterie::llm {
namespace {

using Metadata = std::map<std::string, std::string>;

Refusal Refused(int status, const std::string& body) {
  return RefusalOf({.status = status, .body = body}, 500);
}

// As each server words it.
TEST(OpenAiRefusal, TooLongAPromptHasBothLengths) {
  const Refusal llama = Refused(
      400, R"({"error":{"code":400,"message":"the request exceeds the available context size",)"
           R"("type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}})");
  EXPECT_EQ(llama.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(llama.detail.reason, "CONTEXT_EXCEEDED");
  EXPECT_EQ(
      llama.detail.metadata,
      (Metadata{{"prompt_tokens", "9000"}, {"max_tokens", "500"}, {"context_tokens", "4096"}}));

  const Refusal openai = Refused(
      400,
      R"({"error":{"message":"This model's maximum context length is 8192 tokens. However, your )"
      R"(messages resulted in 10002 tokens. Please reduce the length of the messages.",)"
      R"("type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})");
  EXPECT_EQ(openai.detail.reason, "CONTEXT_EXCEEDED");
  EXPECT_EQ(
      openai.detail.metadata,
      (Metadata{{"prompt_tokens", "10002"}, {"max_tokens", "500"}, {"context_tokens", "8192"}}));

  const Refusal vllm = Refused(
      400, R"({"object":"error","message":"This model's maximum context length is 2048 tokens. )"
           R"(However, you requested 2600 tokens (2100 in the messages, 500 in the completion).",)"
           R"("type":"BadRequestError","param":null,"code":400})");
  EXPECT_EQ(vllm.detail.reason, "CONTEXT_EXCEEDED");
  EXPECT_EQ(
      vllm.detail.metadata,
      (Metadata{{"prompt_tokens", "2100"}, {"max_tokens", "500"}, {"context_tokens", "2048"}}));

  const Refusal silent = Refused(400, R"({"error":{"code":"context_length_exceeded"}})");
  EXPECT_EQ(silent.detail.reason, "CONTEXT_EXCEEDED");
  EXPECT_EQ(silent.detail.metadata, (Metadata{{"max_tokens", "500"}}));
}

TEST(OpenAiRefusal, OtherFaultsOfTheRequestAreBadRequests) {
  for (const char* body : {"", "[]", "null", "{", R"({"error":"no"})", R"({"error":{"message":7}})",
                           R"({"error":{"n_prompt_tokens":-1}})"}) {
    EXPECT_EQ(Refused(400, body).detail.reason, "BAD_REQUEST") << body;
  }
  EXPECT_TRUE(absl::StrContains(Refused(422, R"({"error":"no\nway"})").status.message(),
                                "says 422: no way"));
}

}  // namespace
}  // namespace coterie::llm
