#include "llm/model.h"

#include <absl/strings/match.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "llm/chat_template.h"
#include "llm/model_file.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"

namespace coterie::llm {
namespace {

using testing::TemporaryPath;

class ModelTest : public ::testing::Test {
 protected:
  ModelTest() : log_([](LlamaLog::Level, std::string_view) {}), path_(TemporaryPath("a.gguf")) {}
  ~ModelTest() override { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }
  absl::Status Load() { return Model::Load({.path = path_}, log_).status(); }

  LlamaLog log_;
  const std::string path_;
};

TEST_F(ModelTest, SaysWhatItIs) {
  const std::unique_ptr<Model> model = testing::LoadTestModel(testing::ModelKind::kChain, log_);

  EXPECT_EQ(model->name(), "chain");
  EXPECT_EQ(model->architecture(), "llama");
  EXPECT_EQ(model->trained_context(), 2'048U);
  EXPECT_GT(model->size_bytes(), 1'000'000U);
  EXPECT_TRUE(model->has_chat_template());
}

TEST_F(ModelTest, MissingFile) { EXPECT_EQ(Load().code(), absl::StatusCode::kNotFound); }

TEST_F(ModelTest, NotAGguf) {
  std::ofstream(path_) << "PK\x03\x04 something else";
  EXPECT_EQ(Load().code(), absl::StatusCode::kInvalidArgument);
  std::ofstream(path_, std::ios::trunc).close();
  EXPECT_EQ(Load().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelTest, TruncatedAnywhere) {
  ASSERT_TRUE(testing::WriteChainModel(path_).ok());
  const std::uintmax_t size = std::filesystem::file_size(path_);
  for (const std::uintmax_t left : {size - 1, size / 2, size / 1'000, std::uintmax_t{30}}) {
    std::filesystem::resize_file(path_, left);
    const absl::Status status = Load();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << left;
    EXPECT_TRUE(absl::StrContains(status.message(), "truncated")) << status;
  }
}

TEST_F(ModelTest, UnknownArchitecture) {
  ASSERT_TRUE(testing::WriteUnknownModel(path_).ok());
  const absl::Status status = Load();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_TRUE(absl::StrContains(status.message(), "'nobody-knows-this'")) << status;
}

TEST_F(ModelTest, ControlTokensInATextArePlainTextUnlessTheyCount) {
  const std::unique_ptr<Model> model = testing::LoadTestModel(testing::ModelKind::kChain, log_);

  EXPECT_EQ(model->Tokenize("</s>", ControlTokens::kCount), (std::vector<Token>{1, 2}));
  EXPECT_EQ(model->Tokenize("</s>", ControlTokens::kPlainText).size(), 5U);
}

TEST_F(ModelTest, RefusesChatsThatAreNone) {
  const std::unique_ptr<Model> model = testing::LoadTestModel(testing::ModelKind::kChain, log_);

  EXPECT_EQ(model->TokenizeChat({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(model->TokenizeChat({{"tool", "x"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ChatTemplate, RendersWhatLlamaCppKnowsByName) {
  const auto chatml = ChatTemplate::Make("chatml", "</s>");
  ASSERT_TRUE(chatml.has_value());
  EXPECT_EQ(chatml->Render({{"user", "Hi"}}),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  const std::string text(5'000, 'x');
  EXPECT_TRUE(absl::StrContains(chatml->Render({{"user", text}}), text));

  EXPECT_FALSE(ChatTemplate::Make("", "</s>").has_value());
  EXPECT_FALSE(ChatTemplate::Make("nobody knows this", "</s>").has_value());
}

TEST_F(ModelTest, FindsTheOnlyModelOfAFolder) {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const absl::Status none = FindModel("", folder).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  for (const char* said : {"https://", "668788096", "Apache-2.0", folder.c_str(), "sha256sum"}) {
    EXPECT_TRUE(absl::StrContains(none.message(), said)) << said;
  }
  std::ofstream(path_).close();
  EXPECT_EQ(*FindModel("", folder), path_);
  std::ofstream(TemporaryPath("b.gguf")).close();
  EXPECT_EQ(FindModel("", folder).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*FindModel("this", folder), "this");
}

}  // namespace
}  // namespace coterie::llm
