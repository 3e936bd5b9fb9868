#include "llm/openai_stream.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace coterie::llm {
namespace {

constexpr char kAnswer[] =
    ": keep-alive\r\n\r\n"
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"},\"finish_reason\":null}]}\r\n\r\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"It was \"}}]}\n\n"
    "event: message\nid: 7\ndata:{\"choices\":[{\"delta\":{\"content\":\"\\u00e9lan\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\n"
    "data: [DONE]\n\n";

TEST(OpenAiStream, TextsComeOutHoweverTheBytesComeIn) {
  Prng prng(5);
  for (int round = 0; round < 200; ++round) {
    OpenAiStream stream;
    std::string text;
    std::string_view rest = kAnswer;
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(prng.Between(1, 40), rest.size());
      ASSERT_TRUE(stream.Append(rest.substr(0, size), text).ok());
      rest.remove_prefix(size);
    }
    EXPECT_EQ(text, "It was \xC3\xA9lan");
    EXPECT_TRUE(stream.is_done());
    EXPECT_EQ(stream.reason(), "stop");
    EXPECT_EQ(stream.chunks(), 2u);
  }
}

TEST(OpenAiStream, WhatIsNoneIsAnError) {
  for (const char* bytes :
       {"<html>\n", "data: {\n", "data: 7\n", "data: {}\n", "data: {\"choices\":7}\n",
        "data: {\"choices\":[7]}\n", "{\"choices\":[]}\n"}) {
    OpenAiStream stream;
    std::string text;
    EXPECT_TRUE(absl::IsInternal(stream.Append(bytes, text))) << bytes;
    EXPECT_FALSE(stream.is_done());
  }
  OpenAiStream endless;
  std::string text;
  const std::string piece(64 << 10, 'x');
  absl::Status status;
  for (int i = 0; i < 20 && status.ok(); ++i) status = endless.Append(piece, text);
  EXPECT_TRUE(absl::IsInternal(status));
}

TEST(OpenAiStream, AnErrorInTheStreamIsTheServers) {
  for (const char* bytes : {"data: {\"error\":{\"message\":\"out of memory\"}}\n",
                            "data: {\"error\":\"out of memory\"}\n"}) {
    OpenAiStream stream;
    std::string text;
    const absl::Status status = stream.Append(bytes, text);
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_NE(status.message().find("out of memory"), std::string::npos);
  }
}

}  // namespace
}  // namespace coterie::llm
