// The language model in documents, end to end: real nodes, real coterie-llm processes with a model
// whose answers are known. What streams, what is suggested and accepted, and what a dead model's
// server does to editing: nothing.

#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/error_detail.h"
#include "coterie/llm/v1/llm.grpc.pb.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"
#include "tests/cluster_process.h"
#include "tests/llm_process.h"
#include "tests/pacing.h"

namespace coterie::tests {
namespace {

using llm::testing::kStory;

struct Told {
  absl::Status status;
  std::string text;
  std::string model;
  v1::AssistEvent::Finished finished;
};

class Assist : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = llm::testing::TemporaryPath("assist-chain.gguf");
    ASSERT_TRUE(llm::testing::WriteChainModel(model_).ok());
  }

  std::unique_ptr<LlmProcess> StartModel() {
    auto process = LlmProcess::Start({"--model", model_, "--listen", "127.0.0.1:0"});
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  void StartNodes(const std::vector<std::string>& llm_addresses) {
    ClusterProcess::Conditions conditions;
    for (const std::string& address : llm_addresses) {
      conditions.flags.push_back("--llm");
      conditions.flags.push_back(address);
    }
    auto cluster = ClusterProcess::Start(3, conditions);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
  }
  std::unique_ptr<client::Client> LoginAs(const std::string& user) {
    auto client = client::Client::Open({.addresses = cluster_->client_addresses()});
    EXPECT_TRUE(client.ok());
    EXPECT_TRUE((*client)->Login(user, "a password that is long").ok());
    return *std::move(client);
  }
  v1::DocumentRef Create(const std::string& name, const std::string& text) {
    v1::CreateDocumentRequest request;
    request.set_name(name);
    request.set_text(text);
    const auto created = ann_->Call(request);
    EXPECT_TRUE(created.ok()) << created.status();
    v1::DocumentRef ref;
    if (created.ok()) ref.set_id(created->document_id());
    return ref;
  }
  std::string TextOf(const v1::DocumentRef& document) {
    v1::GetDocumentRequest request;
    *request.mutable_document() = document;
    const auto response = bob_->Call(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->text() : "";
  }
  void Type(const v1::DocumentRef& document, std::uint64_t position, const std::string& inserted) {
    v1::EditDocumentRequest request;
    *request.mutable_document() = document;
    request.add_splices()->set_position(position);
    request.mutable_splices(0)->set_inserted(inserted);
    const auto edited = bob_->Call(request);
    EXPECT_TRUE(edited.ok()) << edited.status();
  }
  template <class Request>
  Told Ask(const Request& request, const std::function<void(const Told&)>& on_text = {}) {
    Told told;
    told.status =
        ann_->Assist(request, absl::Now() + absl::Seconds(20), [&](const v1::AssistEvent& event) {
          told.text += event.text();
          if (event.has_started()) told.model = event.started().model();
          if (event.has_finished()) told.finished = event.finished();
          if (on_text && !event.text().empty()) on_text(told);
          return true;
        });
    return told;
  }
  static v1::AskRequest Question(const std::string& text) {
    v1::AskRequest request;
    request.set_question(text);
    return request;
  }
  absl::Status Resolve(const v1::DocumentRef& document, std::uint64_t batch,
                       std::uint32_t ordinal = 0) {
    v1::ResolveSuggestionRequest request;
    *request.mutable_document() = document;
    request.mutable_suggestion()->set_batch(batch);
    request.mutable_suggestion()->set_ordinal(ordinal);
    request.set_decision(v1::ResolveSuggestionRequest::DECISION_ACCEPT);
    return bob_->Call(request).status();
  }

  static inline std::string model_;
  std::unique_ptr<ClusterProcess> cluster_;
  std::unique_ptr<client::Client> ann_;
  std::unique_ptr<client::Client> bob_;
};

TEST_F(Assist, WithoutAModelSaysWhatToDo) {
  StartNodes({});

  const Told told = Ask(Question("Who?"));

  EXPECT_EQ(client::DetailOf(told.status).reason, "NO_MODEL");
  EXPECT_NE(std::string(told.status.message()).find("--llm HOST:PORT"), std::string::npos);
}

TEST_F(Assist, StreamsAndSuggestsWhileOthersType) {
  const auto model = StartModel();
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  const Told asked = Ask(Question("Who?"));
  EXPECT_TRUE(asked.status.ok()) << asked.status;
  EXPECT_EQ(asked.text, kStory);
  EXPECT_FALSE(asked.model.empty());

  // What the model answers to anything is the correction of this.
  const v1::DocumentRef doc = Create(
      "fox", "The quick brown fox jump over one lazy dog near caf\xC3\xA9 \xF0\x9F\x98\x80.");
  v1::GrammarRequest grammar;
  *grammar.mutable_document() = doc;
  const Told told = Ask(grammar);
  ASSERT_TRUE(told.status.ok()) << told.status;
  ASSERT_EQ(told.finished.suggestions(), 1u);
  EXPECT_EQ(told.finished.dropped(), 0u);
  Type(doc, 0, "Look! ");
  Type(doc, 6 + 4, "very ");  // Before "quick".
  v1::ListSuggestionsRequest list;
  *list.mutable_document() = doc;
  const auto open = bob_->Call(list);
  ASSERT_TRUE(open.ok()) << open.status();
  ASSERT_EQ(open->suggestions_size(), 1);
  EXPECT_EQ(open->suggestions(0).author(), "AI for ann");
  EXPECT_EQ(open->suggestions(0).begin(), 6u + 5u + 20u);
  EXPECT_TRUE(Resolve(doc, told.finished.batch()).ok());
  EXPECT_EQ(TextOf(doc),
            "Look! The very quick brown fox jumps over one lazy dog near "
            "caf\xC3\xA9 \xF0\x9F\x98\x80.");
  EXPECT_TRUE(absl::IsNotFound(Resolve(doc, told.finished.batch())));

  // What is no correction is held back.
  const v1::DocumentRef other = Create("other", "Quite another text stands here, on seas.");
  *grammar.mutable_document() = other;
  const Told held = Ask(grammar);
  EXPECT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.finished.suggestions(), 0u);
  EXPECT_EQ(held.finished.dropped(), 1u);

  v1::ContinueRequest go_on;
  *go_on.mutable_document() = other;
  const Told continued = Ask(go_on);
  EXPECT_EQ(continued.text, kStory);
  ASSERT_EQ(continued.finished.suggestions(), 1u);
  EXPECT_TRUE(Resolve(other, continued.finished.batch(), 1).ok());
  EXPECT_EQ(TextOf(other), std::string("Quite another text stands here, on seas.") + kStory);

  v1::SummarizeRequest summarize;
  *summarize.mutable_document() = other;
  EXPECT_EQ(Ask(summarize).text, kStory);
}

TEST_F(Assist, ADeadServerIsPassedOverAndEditingGoesOn) {
  auto first = StartModel();
  auto second = StartModel();
  ASSERT_TRUE(first != nullptr && second != nullptr);
  StartNodes({first->address(), second->address()});
  const v1::DocumentRef doc = Create("notes", "a");
  EXPECT_EQ(Ask(Question("Who?")).text, kStory);

  first->Signal(SIGKILL);
  EXPECT_EQ(Ask(Question("Who?")).text, kStory);
  second->Signal(SIGKILL);
  const Told told = Ask(Question("Who?"));

  EXPECT_EQ(client::DetailOf(told.status).reason, "MODEL_UNAVAILABLE") << told.status;
  Type(doc, 1, "b");
  EXPECT_EQ(TextOf(doc), "ab");
}

TEST_F(Assist, AServerThatDiesInTheMiddleIsAClearError) {
  const std::string path = llm::testing::TemporaryPath("assist-random.gguf");
  ASSERT_TRUE(llm::testing::WriteRandomModel(path, 3).ok());
  auto model = LlmProcess::Start({"--model", path, "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(model.ok()) << model.status();
  StartNodes({(*model)->address()});
  const v1::DocumentRef doc = Create("notes", "a");
  v1::ContinueRequest request;  // Some hundred tokens at random.
  *request.mutable_document() = doc;
  request.mutable_options()->set_max_tokens(1'000);
  request.mutable_options()->set_seed(1);

  bool is_killed = false;
  const Told told = Ask(request, [&](const Told&) {
    if (!std::exchange(is_killed, true)) (*model)->Signal(SIGKILL);
  });

  EXPECT_TRUE(is_killed);
  EXPECT_TRUE(absl::IsUnavailable(told.status)) << told.status;
  EXPECT_EQ(client::DetailOf(told.status).reason, "MODEL_UNAVAILABLE");
  EXPECT_NE(std::string(told.status.message()).find("in the middle of its answer"),
            std::string::npos)
      << told.status;
  EXPECT_EQ(TextOf(doc), "a");
  v1::ListSuggestionsRequest list;
  *list.mutable_document() = doc;
  EXPECT_EQ(ann_->Call(list)->suggestions_size(), 0);
}

TEST_F(Assist, GivingUpStopsTheModelAndAViewerMayAskAlone) {
  const std::string path = llm::testing::TemporaryPath("assist-long.gguf");
  ASSERT_TRUE(llm::testing::WriteRandomModel(path, 3).ok());
  auto model = LlmProcess::Start({"--model", path, "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(model.ok()) << model.status();
  StartNodes({(*model)->address()});
  const v1::DocumentRef doc = Create("notes", "a");
  v1::AskRequest request = Question("Who?");
  *request.mutable_document() = doc;
  request.mutable_options()->set_max_tokens(1'500);
  request.mutable_options()->set_seed(1);

  const absl::Status status =
      ann_->Assist(request, absl::Now() + absl::Seconds(20),
                   [](const v1::AssistEvent& event) { return event.text().empty(); });

  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  const auto stub = coterie::llm::v1::LlmService::NewStub(
      grpc::CreateChannel((*model)->address(), grpc::InsecureChannelCredentials()));
  coterie::llm::v1::GetStatusResponse load;
  EXPECT_TRUE(WaitUntil(
      [&] {
        grpc::ClientContext context;
        return stub->GetStatus(&context, {}, &load).ok() && load.active() == 0;
      },
      absl::Seconds(10)));
  EXPECT_EQ(load.cancelled(), 1u);
  EXPECT_LT(load.answer_tokens(), 1'500u);

  v1::ShareDocumentRequest share;
  *share.mutable_document() = doc;
  share.mutable_grant()->set_role(v1::ROLE_VIEWER);
  EXPECT_TRUE(ann_->Call(share).ok());
  request.mutable_options()->set_max_tokens(3);
  v1::GrammarRequest grammar;
  *grammar.mutable_document() = doc;
  std::swap(ann_, bob_);
  EXPECT_TRUE(Ask(request).status.ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Ask(grammar).status));
}

}  // namespace
}  // namespace coterie::tests
