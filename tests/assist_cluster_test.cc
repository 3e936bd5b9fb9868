// The language model in documents, end to end: real nodes, real coterie-llm processes with a model
// whose answers are known. What streams, what is suggested and accepted, and what a dead model's
// server does to editing: nothing.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
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
#include "tests/shell.h"
#include "tests/terminal.h"

#ifndef COTERIE_PROGRAM
#error "COTERIE_PROGRAM is not defined"
#endif

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

  std::unique_ptr<LlmProcess> StartRandomModel(std::vector<std::string> flags = {}) {
    const std::string path = llm::testing::TemporaryPath("assist-random.gguf");
    EXPECT_TRUE(llm::testing::WriteRandomModel(path, 3).ok());
    flags.insert(flags.end(), {"--model", path});
    return Serve(std::move(flags));
  }
  std::unique_ptr<LlmProcess> StartModel(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--model", model_});
    return Serve(std::move(flags));
  }
  static std::unique_ptr<LlmProcess> Serve(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--listen", "127.0.0.1:0"});
    auto process = LlmProcess::Start(flags);
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
  static llm::v1::GetStatusResponse StatusOf(const LlmProcess& model) {
    const auto stub = llm::v1::LlmService::NewStub(
        grpc::CreateChannel(model.address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    llm::v1::GetStatusResponse status;
    EXPECT_TRUE(stub->GetStatus(&context, {}, &status).ok());
    return status;
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
  EXPECT_TRUE(WaitUntil([&] { return StatusOf(**model).active() == 0; }, absl::Seconds(10)));
  const auto load = StatusOf(**model);
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

TEST_F(Assist, ASeedMeansTheSameAnswer) {
  const auto model = StartRandomModel();
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  v1::AskRequest request = Question("Who?");
  request.mutable_options()->set_max_tokens(40);
  request.mutable_options()->set_seed(7);

  const Told first = Ask(request);
  const Told again = Ask(request);
  request.mutable_options()->set_seed(8);
  const Told other = Ask(request);

  EXPECT_TRUE(first.status.ok()) << first.status;
  EXPECT_FALSE(first.text.empty());
  EXPECT_EQ(first.text, again.text);
  EXPECT_NE(first.text, other.text);
  EXPECT_EQ(first.finished.cut_off(), v1::AssistEvent::CUT_OFF_MAX_TOKENS);
}

TEST_F(Assist, WhatIsTooLongIsRefusedWithBothLengths) {
  const auto model = StartModel({"--context", "512"});
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  v1::AskRequest request = Question("Who?");
  *request.mutable_document() = Create("notes", std::string(3'000, 'a'));

  const Told told = Ask(request);

  const client::ErrorDetail detail = client::DetailOf(told.status);
  EXPECT_EQ(detail.reason, "CONTEXT_EXCEEDED") << told.status;
  EXPECT_EQ(detail.Get("context_tokens"), "512");
  EXPECT_GT(std::stoi("0" + detail.Get("prompt_tokens")), 512);
}

// A question of `who` that lasts until it is given up, however often it has to be asked.
class LongQuestion {
 public:
  explicit LongQuestion(client::Client& who) : thread_([this, &who] { Ask(who); }) {}
  ~LongQuestion() {
    stop_.Notify();
    thread_.join();
  }
  LongQuestion(const LongQuestion&) = delete;
  LongQuestion& operator=(const LongQuestion&) = delete;

 private:
  void Ask(client::Client& who) {
    v1::AskRequest request;
    request.set_question("Who?");
    request.mutable_options()->set_max_tokens(1'900);
    request.mutable_options()->set_seed(1);
    while (!stop_.HasBeenNotified()) {
      static_cast<void>(
          who.Assist(request, absl::Now() + absl::Seconds(60),
                     [this](const v1::AssistEvent&) { return !stop_.HasBeenNotified(); }));
    }
  }

  absl::Notification stop_;
  std::thread thread_;
};

TEST_F(Assist, AFullQueueIsSaidWithWhenToComeAgain) {
  const auto model = StartRandomModel({"--slots", "1", "--queue", "1"});
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  const auto is_full = [&] {
    const auto load = StatusOf(*model);
    return load.active() == 1 && load.waiting() == 1;
  };
  {
    const LongQuestion answered(*ann_);
    const LongQuestion waits(*ann_);
    ASSERT_TRUE(WaitUntil(is_full, absl::Seconds(20)));

    const std::uint64_t refused = StatusOf(*model).refused();
    absl::Time asked_at;
    Told told;
    std::swap(ann_, bob_);
    // Now and then a long question ends, and there is a place until it is asked again.
    EXPECT_TRUE(WaitUntil(
        [&] {
          asked_at = absl::Now();
          told = Ask(Question("Who?"));
          return absl::IsResourceExhausted(told.status);
        },
        absl::Seconds(60)))
        << told.status;
    std::swap(ann_, bob_);

    const client::ErrorDetail detail = client::DetailOf(told.status);
    EXPECT_EQ(detail.reason, "QUEUE_FULL");
    EXPECT_GE(detail.retry_after.value_or(absl::ZeroDuration()), absl::Milliseconds(500));
    EXPECT_LT(absl::Now() - asked_at, absl::Seconds(5));
    EXPECT_GT(StatusOf(*model).refused(), refused);
  }
  v1::AskRequest again = Question("Who?");
  again.mutable_options()->set_max_tokens(3);
  const Told told = Ask(again);
  EXPECT_TRUE(told.status.ok()) << told.status;
}

TEST_F(Assist, AServerThatComesBackAnswersAgain) {
  auto model = StartModel();
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  EXPECT_EQ(Ask(Question("Who?")).text, kStory);
  const std::string address = model->address();
  model->Signal(SIGKILL);
  EXPECT_TRUE(absl::IsUnavailable(Ask(Question("Who?")).status));

  auto again = LlmProcess::Start({"--model", model_, "--listen", address});

  ASSERT_TRUE(again.ok()) << again.status();
  Told told;
  EXPECT_TRUE(WaitUntil(
      [&] {
        told = Ask(Question("Who?"));
        return !absl::IsUnavailable(told.status);
      },
      absl::Seconds(20)))
      << told.status;
  EXPECT_EQ(told.text, kStory) << told.status;
}

TEST_F(Assist, AFrozenServerIsGivenUp) {
  const auto model = StartRandomModel();
  ASSERT_NE(model, nullptr);
  StartNodes({model->address()});
  v1::AskRequest request = Question("Who?");
  request.mutable_options()->set_max_tokens(1'900);
  request.mutable_options()->set_seed(1);
  bool is_frozen = false;
  Told told;
  told.status =
      ann_->Assist(request, absl::Now() + absl::Seconds(60), [&](const v1::AssistEvent& event) {
        if (!event.text().empty() && !std::exchange(is_frozen, true)) model->Signal(SIGSTOP);
        return true;
      });
  model->Signal(SIGCONT);
  EXPECT_TRUE(is_frozen);
  EXPECT_EQ(client::DetailOf(told.status).reason, "MODEL_UNAVAILABLE") << told.status;
}

class AssistProgram : public Assist {
 protected:
  void Begin(const LlmProcess& model) {
    StartNodes({model.address()});
    shell_.SetNodes(cluster_->client_addresses());
    Ok("coterie login mia");
  }
  void Ok(const std::string& script) { ASSERT_EQ(shell_.Run(script), 0) << shell_.output(); }

  Shell shell_{COTERIE_PROGRAM};
};

TEST_F(AssistProgram, AppliesWhatIsSuggested) {
  const auto model = StartModel();
  ASSERT_NE(model, nullptr);
  Begin(*model);
  const std::string wrong =
      "The quick brown fox jump over one lazy dog near caf\xC3\xA9 \xF0\x9F\x98\x80.";
  Ok("coterie write -c first '" + wrong + "'");
  Ok("coterie grammar first --apply && coterie cat first");
  EXPECT_TRUE(shell_.Says(kStory)) << shell_.output();

  Ok("coterie write -c second '" + wrong + "'");
  Ok("coterie enhance second --tone formal && coterie suggestions second");
  EXPECT_TRUE(shell_.Says("more formal")) << shell_.output();
  Ok("coterie enhance second --apply && coterie cat second");
  EXPECT_TRUE(shell_.Says(kStory)) << shell_.output();

  Ok("coterie ask 'Who?' --max-tokens 3");
  EXPECT_TRUE(shell_.Says("cut off: ")) << shell_.output();
}

TEST_F(AssistProgram, AFullQueueIsExplained) {
  const auto model = StartRandomModel({"--slots", "1", "--queue", "1"});
  ASSERT_NE(model, nullptr);
  Begin(*model);
  const LongQuestion answered(*ann_);
  const LongQuestion waits(*ann_);
  ASSERT_TRUE(WaitUntil([&] { return StatusOf(*model).waiting() == 1; }, absl::Seconds(20)));

  // Now and then a long question ends, and there is a place until it is asked again.
  EXPECT_TRUE(WaitUntil([&] { return shell_.Run("coterie ask 'Who?'") != 0; }, absl::Seconds(60)));

  EXPECT_TRUE(shell_.Says("queue is full")) << shell_.output();
  EXPECT_TRUE(shell_.Says("ask again in ")) << shell_.output();
}

TEST_F(AssistProgram, AnInterruptStopsTheModel) {
  const auto model = StartRandomModel();
  ASSERT_NE(model, nullptr);
  Begin(*model);

  // Interrupted at its first letter. In the foreground, because a shell's background ignores it.
  shell_.Run(std::string("mkfifo f\n"
                         "(exec 3<f; head -c 1 <&3 >first; kill -INT $(cat pid); cat <&3 >rest) &\n"
                         "sh -c 'echo $$ >pid; exec ") +
             COTERIE_PROGRAM +
             " ask Who? --max-tokens 1900 --seed 1' >f\n"
             "echo ended with $?; wait");

  EXPECT_TRUE(shell_.Says("ended with 130")) << shell_.output();
  EXPECT_TRUE(WaitUntil([&] { return StatusOf(*model).cancelled() == 1; }, absl::Seconds(10)));
  EXPECT_LT(StatusOf(*model).answer_tokens(), 1'900u);
}

TEST_F(AssistProgram, CtrlCInTheShellStopsWritingAndSaysHowToTakeItBack) {
  const auto model = StartRandomModel();
  ASSERT_NE(model, nullptr);
  Begin(*model);
  Ok("coterie new story 'Once upon a time'");
  Terminal terminal("'" COTERIE_PROGRAM "' shell --silent", shell_.folder(),
                    {"HOME=.", "TERM=xterm", "COTERIE_NODES=" + cluster_->client_address(1)});
  ASSERT_TRUE(terminal.Shows("coterie> ")) << terminal.output();

  terminal.Type("continue story --max-tokens 1900 --seed 1\r");
  ASSERT_TRUE(WaitUntil([&] { return StatusOf(*model).answer_tokens() > 20; }, absl::Seconds(20)))
      << terminal.output();
  terminal.Type("\x03");

  EXPECT_TRUE(terminal.Shows("take it back with: coterie continue story --undo "))
      << terminal.output();
  EXPECT_TRUE(terminal.Shows("coterie> ")) << terminal.output();
}

}  // namespace
}  // namespace coterie::tests
