// AssistService of a real node, with language models that say what they were told to, or none.

#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "coterie/v1/assist.grpc.pb.h"
#include "rpc/assist_runs.h"
#include "rpc/built_in.h"
#include "rpc/status_map.h"
#include "rpc/test_assist.h"
#include "rpc/testing_llm.h"
#include "rpc/testing_node.h"
#include "state/command.h"

namespace coterie::rpc {
namespace {

TEST_F(AssistTest, TheIdlerServerIsAsked) {
  TestingLlm busy({.pieces = {"busy"}, .active = 3});
  TestingLlm idle({.pieces = {"idle"}, .active = 1});
  Start({busy.address(), idle.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "idle");
  }
  EXPECT_EQ(busy.asked(), 0);
  EXPECT_EQ(idle.asked(), 3);
}

TEST_F(AssistTest, TheServerIsToldForWhomSoThatUsersTakeTurns) {
  TestingLlm llm({.pieces = {"well"}});
  Start({llm.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "well");
  EXPECT_EQ(llm.last_client(), "ann");
  ann_ = std::make_unique<TestingClient>(*node_, "bob");
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "well");
  EXPECT_EQ(llm.last_client(), "bob");
}

TEST_F(AssistTest, AFullServerIsNotAskedWhileAnotherHasRoom) {
  // By its load alone it would be the idler one.
  TestingLlm full({.pieces = {"full"}, .active = 1, .waiting = 1, .waiting_max = 1});
  TestingLlm busy({.pieces = {"busy"}, .active = 4, .waiting = 5});
  Start({full.address(), busy.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "busy");
  EXPECT_EQ(full.asked(), 0);
}

TEST_F(AssistTest, AServerThatHasFilledUpMeanwhileIsPassedOver) {
  TestingLlm filled({.refuses = true});
  TestingLlm busy({.pieces = {"busy"}, .active = 3});
  v1::AskRequest request;
  request.set_question("Who?");
  Start({filled.address(), busy.address()});
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "busy");
  EXPECT_EQ(filled.asked(), 1);

  Start({filled.address()});
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(AssistTest, TooManySuggestionsGoOnInTheNextCall) {
  TestingLlm llm({.answer = [](const std::string& content) {
    std::string corrected = PassageIn(content);
    for (std::size_t at = 0; (at = corrected.find(" go ", at)) != std::string::npos; at += 5) {
      corrected.insert(at + 3, "es");
    }
    return corrected;
  }});
  Start({llm.address()});
  std::string text;
  for (int i = 0; i < 230; ++i) text += absl::StrCat("Now he go to the place ", i, " again. ");
  const std::uint64_t doc = Create(text);

  const Told first = Correct(doc);

  ASSERT_TRUE(first.status.ok()) << first.status.error_message();
  EXPECT_EQ(first.started.backend(), v1::BACKEND_MODEL);
  EXPECT_GT(first.finished.suggestions(), 150u);
  EXPECT_LE(first.finished.suggestions(), state::kSuggestionsMax);
  ASSERT_GT(first.finished.resume_at(), 0u);
  const Told second = Correct(doc, first.finished.resume_at());
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_EQ(second.finished.resume_at(), 0u);
  EXPECT_EQ(first.finished.suggestions() + second.finished.suggestions(), 230u);
  EXPECT_EQ(first.finished.dropped() + second.finished.dropped(), 0u);
}

TEST_F(AssistTest, WithoutAModelTheBuiltInAssistantSpellsAndSaysThatItIsNone) {
  Start({});
  const std::uint64_t doc = Create("\xF0\x9F\x98\x80 I recieve teh mail from NASA and Zork.");

  const Told told = Correct(doc);

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.started.backend(), v1::BACKEND_BUILT_IN);
  EXPECT_EQ(told.started.model(), "built-in, no language model");
  EXPECT_EQ(told.finished.suggestions(), 2u);
  const std::vector<v1::Suggestion> suggestions = Suggestions(doc);
  ASSERT_EQ(suggestions.size(), 2u);
  EXPECT_EQ(suggestions[0].before(), "recieve");
  EXPECT_EQ(suggestions[0].after(), "receive");
  EXPECT_EQ(suggestions[0].begin(), 5u);
  EXPECT_EQ(suggestions[0].author(), "Spelling for ann");
  EXPECT_EQ(suggestions[0].model(), BuiltIn::kName);
  EXPECT_EQ(suggestions[1].before(), "teh");
}

TEST_F(AssistTest, WithoutAModelTheBuiltInAssistantSummarizesAndRefusesTheRest) {
  Start({"127.0.0.1:1"});  // Configured, and not there.
  const std::uint64_t doc = Create(
      "The cluster keeps a log. Every node of the cluster has the log. Lunch was good today.");
  v1::SummarizeRequest summarize;
  summarize.mutable_document()->set_id(doc);
  const Told summary = Ask(&v1::AssistService::Stub::Summarize, summarize);
  EXPECT_TRUE(summary.status.ok()) << summary.status.error_message();
  EXPECT_EQ(summary.started.backend(), v1::BACKEND_BUILT_IN);
  EXPECT_EQ(summary.text, "- The cluster keeps a log.");

  v1::EnhanceRequest enhance;
  enhance.mutable_document()->set_id(doc);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Enhance, enhance).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(AssistTest, TheBuiltInAssistantCanBeAskedFor) {
  TestingLlm llm({.pieces = {"never"}});
  Start({llm.address()});
  const std::uint64_t doc = Create("Teh cluster keeps a log.");
  v1::GrammarRequest request;
  request.mutable_document()->set_id(doc);
  request.mutable_options()->set_built_in(true);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Grammar, request).started.backend(),
            v1::BACKEND_BUILT_IN);
  v1::ContinueRequest go_on;
  go_on.mutable_document()->set_id(doc);
  go_on.mutable_options()->set_built_in(true);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Continue, go_on).status.error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(llm.asked(), 0);
}

TEST_F(AssistTest, ReadsNoMoreThanTheRange) {
  TestingLlm llm({.answer = [](const std::string& content) { return content; }});
  Start({llm.address()});
  const std::uint64_t doc = Create("\xF0\x9F\x98\x80 is one. Two is here. Three follows.");
  v1::SummarizeRequest summarize;
  summarize.mutable_document()->set_id(doc);
  summarize.mutable_range()->set_begin(11);
  summarize.mutable_range()->set_end(23);
  for (const bool is_built_in : {false, true}) {
    summarize.mutable_options()->set_built_in(is_built_in);
    const Told told = Ask(&v1::AssistService::Stub::Summarize, summarize);
    EXPECT_NE(told.text.find("Two is here."), std::string::npos) << told.text;
    EXPECT_EQ(told.text.find("one"), std::string::npos) << told.text;
    EXPECT_EQ(told.text.find("Three"), std::string::npos) << told.text;
  }

  v1::AskRequest ask;
  *ask.mutable_document() = summarize.document();
  *ask.mutable_range() = summarize.range();
  ask.set_question("Who?");
  const Told told = Ask(&v1::AssistService::Stub::Ask, ask);
  EXPECT_NE(told.text.find("Two is here."), std::string::npos) << told.text;
  EXPECT_EQ(told.text.find("Three"), std::string::npos) << told.text;
  ask.mutable_range()->set_end(999);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, ask).status.error_code(),
            grpc::StatusCode::OUT_OF_RANGE);
}

// An answer as long as the context, or longer, would leave nothing for the text.
TEST_F(AssistTest, WhateverIsWantedTheTextHasHalfOfTheContext) {
  TestingLlm llm({.context_tokens = 1'000, .answer = PassageIn});
  Start({llm.address()});
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Now he went to the place again. ";
  const std::uint64_t doc = Create(text);
  v1::SummarizeRequest summarize;
  summarize.mutable_document()->set_id(doc);
  summarize.mutable_options()->set_max_tokens(4'000'000'000);
  const Told summary = Ask(&v1::AssistService::Stub::Summarize, summarize);
  EXPECT_TRUE(summary.status.ok()) << summary.status.error_message();
  EXPECT_LT(llm.asked(), 10);

  v1::ContinueRequest go_on;
  *go_on.mutable_document() = summarize.document();
  *go_on.mutable_options() = summarize.options();
  EXPECT_TRUE(Ask(&v1::AssistService::Stub::Continue, go_on).status.ok());

  v1::GrammarRequest correct;
  *correct.mutable_document() = summarize.document();
  *correct.mutable_options() = summarize.options();
  EXPECT_TRUE(Ask(&v1::AssistService::Stub::Grammar, correct).status.ok());
}

TEST_F(AssistTest, ATextThatFitsInNoWayIsNotSent) {
  TestingLlm llm({.pieces = {"a"}, .context_tokens = 100, .token_bytes = 100'000});
  Start({llm.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  request.mutable_document()->set_id(Create(std::string(200 << 10, 'a')));
  const Told told = Ask(&v1::AssistService::Stub::Ask, request);
  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(told.status.error_details().find("CONTEXT_EXCEEDED"), std::string::npos);
  EXPECT_EQ(llm.asked(), 0);
  request.mutable_range()->set_end(90 << 10);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "a");
}

TEST_F(AssistTest, ContinuesWhereItIsAskedTo) {
  TestingLlm llm({.pieces = {" brown", " fox"}});
  Start({llm.address()});
  const std::uint64_t doc = Create("The quick jumps.");
  v1::ContinueRequest request;
  request.mutable_document()->set_id(doc);
  request.set_mode(v1::ContinueRequest::MODE_WRITE);
  request.set_position(9);
  EXPECT_TRUE(Ask(&v1::AssistService::Stub::Continue, request).status.ok());
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(doc);
  EXPECT_EQ(ann_->Call(&v1::DocumentService::Stub::GetDocument, get).text(),
            "The quick brown fox jumps.");
  request.set_position(99);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Continue, request).status.error_code(),
            grpc::StatusCode::OUT_OF_RANGE);
}

// Accepts connections and says nothing, as a host does whose process is stopped.
class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(listen(socket_, 8) == 0);
    CHECK(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  const int socket_;
  int port_ = 0;
};

TEST_F(AssistTest, ServersAreAskedHowTheyAreTogether) {
  const SilentServer silent[4];
  TestingLlm llm({.pieces = {"here"}});
  Start({silent[0].address(), silent[1].address(), silent[2].address(), silent[3].address(),
         llm.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "here");
  // One after the other they would take four seconds.
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
}

TEST_F(AssistTest, WhatServersHaveJustSaidIsRemembered) {
  TestingLlm llm({.answer = PassageIn});
  Start({llm.address()});
  std::string text;
  for (int i = 0; i < 400; ++i) text += "Now he went to the place again. ";
  EXPECT_TRUE(Correct(Create(text)).status.ok());
  EXPECT_GT(llm.asked(), 20);
  EXPECT_LT(llm.asked_for_status(), llm.asked() / 2);
}

grpc::Status Failure(grpc::StatusCode code, const std::string& reason) {
  const absl::Status status(static_cast<absl::StatusCode>(code), "it says " + reason);
  return ToGrpc(WithDetail(status, {.reason = reason}));
}

TEST_F(AssistTest, AnotherServerIsAskedForWhatIsThisOnesFault) {
  for (const grpc::Status& failure :
       {Failure(grpc::StatusCode::INTERNAL, "MODEL_FAILED"),
        Failure(grpc::StatusCode::FAILED_PRECONDITION, "MISCONFIGURED"),
        Failure(grpc::StatusCode::UNAVAILABLE, "MODEL_UNREACHABLE")}) {
    TestingLlm broken({.failure = failure});
    TestingLlm other({.pieces = {"other"}, .active = 3});
    Start({broken.address(), other.address()});
    v1::AskRequest request;
    request.set_question("Who?");
    EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "other");
    EXPECT_EQ(broken.asked(), 1);

    Start({broken.address()});
    const Told told = Ask(&v1::AssistService::Stub::Ask, request);
    EXPECT_EQ(told.status.error_code(), failure.error_code());
    EXPECT_NE(told.status.error_message().find(failure.error_message()), std::string::npos)
        << told.status.error_message();
  }
  TestingLlm mute({.pieces = {"mute"}, .is_mute = true});
  TestingLlm other({.pieces = {"other"}, .active = 3});
  Start({mute.address(), other.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "other");
}

TEST_F(AssistTest, WhatHasBeenShownIsNotBegunAnewElsewhere) {
  TestingLlm dying({.pieces = {"Ana ", "decided."}, .active = 1, .dies = 1});
  TestingLlm other({.pieces = {"Bob."}, .active = 3});
  Start({dying.address(), other.address()});
  v1::AskRequest request;
  request.set_question("Who?");

  const Told told = Ask(&v1::AssistService::Stub::Ask, request);

  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(errors::ReasonOf(PassedOn(told.status)), "MODEL_UNAVAILABLE");
  EXPECT_NE(told.status.error_message().find("in the middle of its answer"), std::string::npos);
  EXPECT_EQ(told.text, "Ana ");
  EXPECT_EQ(other.asked(), 0);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).text, "Ana decided.");
}

TEST_F(AssistTest, WhatTheRequestIsToBlameForIsAskedOnce) {
  TestingLlm refusing({.failure = Failure(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST")});
  TestingLlm other({.pieces = {"other"}, .active = 3});
  Start({refusing.address(), other.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, request).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(other.asked(), 0);
}

TEST_F(AssistTest, WhoTakesNothingIsCutOff) {
  TestingLlm llm({.pieces = {std::string(2 << 10, 'a')}, .is_endless = true});
  Start({llm.address()}, absl::Seconds(1));
  v1::AskRequest request;
  request.set_question("Who?");
  grpc::ClientContext context;
  ann_->Prepare(context);
  grpc::ChannelArguments arguments;  // That takes little unread.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  v1::AssistService::Stub stub(
      grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", node_->server().client_port()),
                                grpc::InsecureChannelCredentials(), arguments));
  const auto reader = stub.Ask(&context, request);

  EXPECT_TRUE(llm.WaitUntilCancelled(1));

  v1::AssistEvent event;
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::ABORTED);
}

// What gRPC keeps of a call is gone when the call is: an event that comes meanwhile is not written.
TEST_F(AssistTest, CallersMayGoAtAnyTime) {
  constexpr int kCallers = 8;
  const absl::Time end = absl::Now() + absl::Seconds(2);
  TestingLlm llm({.pieces = {"a"}, .is_endless = true});
  Start({llm.address()});
  std::vector<std::jthread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([this, end] {
      v1::AssistService::Stub stub(node_->channel());
      v1::AskRequest request;
      request.set_question("Who?");
      do {
        grpc::ClientContext context;
        ann_->Prepare(context);
        const auto reader = stub.Ask(&context, request);
        v1::AssistEvent event;
        reader->Read(&event);  // Or it is refused: too many of ann's are not gone yet.
        context.TryCancel();
        EXPECT_FALSE(reader->Finish().ok());
      } while (absl::Now() < end);
    });
  }
  callers.clear();
  EXPECT_TRUE(llm.WaitUntilCancelled(1));
}

// One that waits at each station until it is let on, so that what it says there is taken.
class Stations {
 public:
  void Hold() {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&is_let_on_), absl::Seconds(20));
    is_let_on_ = false;
  }
  void LetOn() {
    absl::MutexLock lock(&mutex_);
    is_let_on_ = true;
  }

 private:
  absl::Mutex mutex_;
  bool is_let_on_ = false;
};

TEST_F(AssistTest, WhoWaitsForTheModelIsToldForWhat) {
  Stations stations;
  TestingLlm llm(
      {.pieces = {"well"}, .place = 3, .reads = true, .holds = [&stations] { stations.Hold(); }});
  Start({llm.address()});
  const std::uint64_t doc = Create("Ana decided it.");
  grpc::ClientContext context;
  ann_->Prepare(context);
  v1::AskRequest request;
  request.mutable_document()->set_id(doc);
  request.set_question("Who?");
  v1::AssistService::Stub stub(node_->channel());
  const auto reader = stub.Ask(&context, request);
  v1::AssistEvent event;

  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.queued().place(), 3u);
  stations.LetOn();
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(event.has_started());
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.reading().percent(), 49u);
  stations.LetOn();
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.text(), "well");
  while (reader->Read(&event)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(AssistTest, AModelThatIsBeingLoadedIsWaitedFor) {
  // Asked how it is while nobody waits, too: what is told before that is nobody's.
  TestingLlm llm({.pieces = {"well"}, .loading = {10, 40, 40, 80}});
  Start({llm.address()});
  v1::AskRequest request;
  request.set_question("Who?");

  const Told told = Ask(&v1::AssistService::Stub::Ask, request);

  EXPECT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.text, "well");
  EXPECT_EQ(told.waited, (std::vector<std::string>{"loading 10", "loading 40", "loading 80"}));
}

TEST_F(AssistTest, AServerThatAnswersIsNotMadeToWaitForOneThatIsLoading) {
  TestingLlm loading({.pieces = {"late"}, .loading = std::vector<std::uint32_t>(100, 10)});
  TestingLlm ready({.pieces = {"well"}});
  Start({loading.address(), ready.address()});
  v1::AskRequest request;
  request.set_question("Who?");

  const Told told = Ask(&v1::AssistService::Stub::Ask, request);

  EXPECT_EQ(told.text, "well");
  EXPECT_TRUE(told.waited.empty());
}

TEST_F(AssistTest, GrammarWaitsForAModelInsteadOfSpelling) {
  TestingLlm llm({.loading = {10}, .answer = PassageIn});
  Start({llm.address()});

  const Told told = Correct(Create("I recieve mail."));

  EXPECT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.started.backend(), v1::BACKEND_MODEL);
}

TEST_F(AssistTest, WhoWaitsForAThreadIsToldHisPlace) {
  absl::Notification go_on;
  TestingLlm llm({.answer = [&](const std::string&) {
    go_on.WaitForNotificationWithTimeout(absl::Seconds(30));
    return "a";
  }});
  Start({llm.address()});
  v1::AskRequest request;
  request.set_question("Who?");
  v1::AssistService::Stub stub(node_->channel());
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::AssistEvent>>> readers;
  v1::AssistEvent event;
  for (std::size_t i = 0; i <= kAssistThreads.running_per_user_max; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    ann_->Prepare(*contexts.back());
    readers.push_back(stub.Ask(contexts.back().get(), request));
    ASSERT_TRUE(readers.back()->Read(&event));
  }
  EXPECT_EQ(WaitOf(event), "queued 1");

  go_on.Notify();
  ASSERT_TRUE(readers.back()->Read(&event));
  EXPECT_TRUE(event.has_started());
  for (const auto& reader : readers) {
    while (reader->Read(&event)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
}

// Many calls of one user, each on a thread of its own.
class Asking {
 public:
  Asking(TestingNode& node, const TestingClient& client, int calls) {
    for (int i = 0; i < calls; ++i) {
      grpc::ClientContext& context =
          *contexts_.emplace_back(std::make_unique<grpc::ClientContext>());
      client.Prepare(context);
      threads_.emplace_back([this, &node, &context] {
        v1::AskRequest request;
        request.set_question("Who?");
        v1::AssistService::Stub stub(node.channel());
        const auto reader = stub.Ask(&context, request);
        v1::AssistEvent event;
        while (reader->Read(&event)) {
        }
        const grpc::Status status = reader->Finish();
        absl::MutexLock lock(&mutex_);
        ended_.push_back(status);
      });
    }
  }
  ~Asking() {
    for (const auto& context : contexts_) context->TryCancel();
  }
  std::vector<grpc::Status> WaitForEnds(std::size_t count,
                                        absl::Duration patience = absl::Seconds(10)) {
    absl::MutexLock lock(&mutex_);
    const auto have_ended = [&] { return ended_.size() >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&have_ended), patience);
    return ended_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<grpc::Status> ended_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::jthread> threads_;
};

TEST_F(AssistTest, OneUserTakesNotAllPlaces) {
  absl::Notification go_on;
  TestingLlm llm({.answer = [&](const std::string&) {
    go_on.WaitForNotificationWithTimeout(absl::Seconds(30));
    return "a";
  }});
  Start({llm.address()});
  {
    Asking anns(*node_, *ann_, 14);
    const std::vector<grpc::Status> refused = anns.WaitForEnds(2);
    ASSERT_EQ(refused.size(), 2u);
    for (const grpc::Status& status : refused) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      EXPECT_NE(status.error_details().find("RetryInfo"), std::string::npos);
    }
    EXPECT_LE(llm.asked(), 4);

    const TestingClient bob(*node_, "bob");
    grpc::ClientContext context;
    bob.Prepare(context);
    v1::AskRequest request;
    request.set_question("Who?");
    v1::AssistService::Stub stub(node_->channel());
    const auto reader = stub.Ask(&context, request);
    v1::AssistEvent event;
    EXPECT_TRUE(reader->Read(&event));
    context.TryCancel();
  }
  // Who has gone holds no place for long: as many again.
  std::size_t refused = 0;
  for (int i = 0; i < 20 && refused != 1; ++i) {
    Asking again(*node_, *ann_, 13);
    refused = again.WaitForEnds(2, absl::Seconds(2)).size();
  }
  EXPECT_EQ(refused, 1u);
  go_on.Notify();
}

}  // namespace
}  // namespace coterie::rpc
