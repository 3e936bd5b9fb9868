#include "llm/engine.h"

#include <absl/strings/match.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "base/overload.h"
#include "base/utf8.h"
#include "io/posix_clock.h"
#include "llm/testing/loaded_model.h"
#include "llm/testing/test_models.h"

namespace coterie::llm {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// What became of one request. Filled by the engine's thread, read after Wait().
class Answer {
 public:
  OnEvent Listener() {
    return [this](Event event) {
      absl::MutexLock lock(&mutex_);
      std::visit(Overload{[this](Queued what) { places.push_back(what.place); },
                          [this](Started what) { started = what; },
                          [this](Reading what) { read.push_back(what.read_tokens); },
                          [this](const Text& what) {
                            text += what.text;
                            texts.push_back(what.text);
                          },
                          [this](Finished what) { End(what, absl::OkStatus()); },
                          [this](const absl::Status& what) { End(std::nullopt, what); }},
                 event);
    };
  }
  // Until it is over.
  const Answer& Wait() {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&is_over_), kPatience));
    return *this;
  }
  // Until that much text has come.
  void WaitForTexts(std::size_t count) {
    absl::MutexLock lock(&mutex_);
    wanted_ = count;
    const auto has_them = [](Answer* self) {
      return self->texts.size() >= self->wanted_ || self->is_over_;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(+has_them, this), kPatience));
  }

  // While it goes on.
  std::size_t TextsSoFar() {
    absl::MutexLock lock(&mutex_);
    return texts.size();
  }

  std::vector<std::size_t> places;  // In the queue, as they were told.
  std::optional<Started> started;
  std::vector<std::uint32_t> read;  // Tokens of the prompt.
  std::string text;
  std::vector<std::string> texts;
  std::optional<Finished> finished;
  absl::Status error;
  JobId id = 0;

 private:
  void End(std::optional<Finished> how, absl::Status why) {
    EXPECT_FALSE(is_over_) << "two ends";
    finished = how;
    error = std::move(why);
    is_over_ = true;
  }
  absl::Mutex mutex_;
  std::size_t wanted_ = 0;
  bool is_over_ = false;
};

class EngineTest : public ::testing::Test {
 protected:
  using Kind = testing::ModelKind;

  EngineTest() : log_([](LlamaLog::Level, std::string_view) {}) {}

  void Load(Kind kind, EngineOptions options = {.context = 2'048, .slots = 2}) {
    model_ = testing::LoadTestModel(kind, log_);
    auto engine = Engine::Start(*model_, options, clock_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  Request Ask(std::string_view prompt, std::uint32_t max_tokens = 64) {
    Request request{.client = "test",
                    .prompt = model_->Tokenize(prompt, ControlTokens::kPlainText),
                    .max_tokens = max_tokens};
    request.sampling.temperature = 0;
    return request;
  }
  void Send(Request request, Answer& answer) {
    const absl::StatusOr<JobId> id = engine_->Submit(std::move(request), answer.Listener());
    ASSERT_TRUE(id.ok()) << id.status();
    answer.id = *id;
  }
  std::string TextOf(Request request) {
    Answer answer;
    Send(std::move(request), answer);
    EXPECT_TRUE(answer.Wait().error.ok()) << answer.error;
    return answer.text;
  }

  LlamaLog log_;
  io::PosixClock clock_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, StreamsTheKnownAnswer) {
  Load(Kind::kChain);
  Answer answer;
  Send(Ask("Tell me.\n"), answer);

  answer.Wait();

  EXPECT_EQ(answer.text, testing::kStory);
  EXPECT_GT(answer.texts.size(), 10U);  // Word by word.
  for (const std::string& text : answer.texts) EXPECT_NE(text, "");
  ASSERT_TRUE(answer.finished);
  EXPECT_EQ(answer.finished->reason, FinishReason::kEnd);
  EXPECT_EQ(answer.finished->answer_tokens, 19U);
  EXPECT_EQ(answer.started->prompt_tokens, 10U);
}

TEST_F(EngineTest, WritesAChatAsTheModelWasTrained) {
  Load(Kind::kChain);
  const auto chat = model_->TokenizeChat({{"system", "Be kind."}, {"user", "Hi </s>!"}});
  ASSERT_TRUE(chat.ok());

  // One end of text for each message, and none for the one that a writer spelled.
  EXPECT_EQ(std::count(chat->begin(), chat->end(), 2), 2);
  std::string text;
  for (const Token token : *chat) text += token == 2 ? "</s>" : model_->Piece(token);
  EXPECT_EQ(text, "<|system|>\nBe kind.</s>\n<|user|>\nHi < /s>!</s>\n<|assistant|>\n");
  Request request = Ask("");
  request.prompt = *chat;
  EXPECT_EQ(TextOf(request), testing::kStory);
}

TEST_F(EngineTest, EndsBeforeAStopStringAcrossTokens) {
  Load(Kind::kChain);
  Request request = Ask("\n");
  request.stops = {"zebra", "wn fox j"};
  Answer answer;
  Send(request, answer);

  EXPECT_EQ(answer.Wait().text, "The quick bro");
  EXPECT_EQ(answer.finished->reason, FinishReason::kStopString);
}

TEST_F(EngineTest, EndsAtMostTokens) {
  Load(Kind::kChain);
  Answer answer;
  Send(Ask("#", 5), answer);

  EXPECT_EQ(answer.Wait().text, " tick tock tick tock tick");
  EXPECT_EQ(answer.finished->reason, FinishReason::kMaxTokens);
  EXPECT_EQ(answer.finished->answer_tokens, 5U);
}

TEST_F(EngineTest, ALimitCutsNoCharacterInTwo) {
  Load(Kind::kChain);
  for (std::uint32_t most = 1; most < 19; ++most) {  // The accents are several tokens each.
    const std::string text = TextOf(Ask("\n", most));
    EXPECT_TRUE(IsValidUtf8(text)) << most;
    EXPECT_TRUE(std::string_view(testing::kStory).starts_with(text)) << most << ": " << text;
  }
}

TEST_F(EngineTest, ReplacesBytesThatAreNoText) {
  Load(Kind::kChain);
  EXPECT_EQ(TextOf(Ask("!")), "\xEF\xBF\xBDok");
}

// Two ways after each "t", so that they double with each token.
TEST_F(EngineTest, AGrammarThatTakesTooLongEndsItsAnswer) {
  Load(Kind::kChain, {.context = 512, .slots = 2, .grammar_token_max = absl::Milliseconds(20)});
  Request request = Ask("#", 200);
  request.grammar = "root ::= x\nx ::= \"t\" x \"y\" | \"t\" x \"z\"";
  Answer answer;

  Send(std::move(request), answer);

  EXPECT_TRUE(absl::StrContains(answer.Wait().error.message(), "too many ways")) << answer.error;
  EXPECT_LT(answer.text.size(), 100U);
  EXPECT_EQ(TextOf(Ask("\n")), testing::kStory);
}

TEST_F(EngineTest, KeepsToAGrammar) {
  Load(Kind::kChain);
  Request request = Ask("?");
  request.grammar = R"(root ::= " blue" (" red" | " zebra"))";
  EXPECT_EQ(TextOf(request), " blue red");

  request.grammar = "root ::= (";
  Answer answer;
  EXPECT_EQ(engine_->Submit(request, answer.Listener()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, DrawsTheSameForTheSameSeed) {
  Load(Kind::kChain);
  Request request = Ask("?");
  request.sampling.temperature = 1;
  request.sampling.seed = 5;
  const std::string first = TextOf(request);

  EXPECT_EQ(TextOf(request), first);
  request.sampling.seed = 6;
  EXPECT_NE(TextOf(request), first);
  request.sampling.seed.reset();
  EXPECT_NE(TextOf(request), TextOf(request));
}

// The hard half of it: every logit depends on all of the prompt, others run beside it in varying
// company, and the prompt's beginning is taken from the cache, copied, or computed anew.
TEST_F(EngineTest, RepeatsASeededAnswerWhateverElseGoesOn) {
  Load(Kind::kRandom, {.context = 1'024, .slots = 4, .threads = 2});
  const std::string document(300, 'd');
  Request request = Ask(document + "ask", 40);
  request.sampling.temperature = 1;
  request.sampling.seed = 9;
  const std::string alone = TextOf(request);

  for (int round = 0; round < 3; ++round) {
    Answer others[5];
    for (int i = 0; i < 5; ++i) {
      Request other = Ask(document.substr(0, 40 * i + round) + "other", 30);
      other.client = "other";
      other.sampling.temperature = 1;
      Send(other, others[i]);
      if (i == 2) {
        EXPECT_EQ(TextOf(request), alone) << round;
      }
    }
    for (Answer& other : others) other.Wait();
  }
}

TEST_F(EngineTest, AnswersTheSameFromTheCache) {
  Load(Kind::kRandom, {.context = 1'024, .slots = 2});
  const std::string document(400, 'x');
  const std::string fresh = TextOf(Ask(document + " second?"));
  TextOf(Ask("something else of another slot, so that the first is not the last"));
  TextOf(Ask(document + " first?"));

  Answer answer;
  Send(Ask(document + " second?"), answer);
  EXPECT_EQ(answer.Wait().text, fresh);
  EXPECT_EQ(answer.started->prompt_tokens, 411U);
  EXPECT_GE(answer.started->cached_tokens, 402U);
}

TEST_F(EngineTest, CopiesTheBeginningFromABusySlot) {
  Load(Kind::kRandom, {.context = 1'024, .slots = 2});
  const std::string document(400, 'x');
  const std::string fresh = TextOf(Ask(document + " second?"));
  Answer busy;
  Send(Ask(document + " first?", 500), busy);
  busy.WaitForTexts(1);

  Answer answer;
  Send(Ask(document + " second?"), answer);

  EXPECT_EQ(answer.Wait().text, fresh);
  EXPECT_GE(answer.started->cached_tokens, 402U);
  engine_->Cancel(busy.id);
  busy.Wait();
}

TEST_F(EngineTest, CancellingFreesTheSlot) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  Answer next;
  Send(Ask("\n"), next);
  endless.WaitForTexts(3);
  EXPECT_EQ(engine_->metrics().active, 1U);
  EXPECT_EQ(engine_->metrics().waiting, 1U);

  engine_->Cancel(endless.id);

  EXPECT_EQ(endless.Wait().error.code(), absl::StatusCode::kCancelled);
  EXPECT_LT(endless.texts.size(), 2'000U);
  EXPECT_EQ(next.Wait().text, testing::kStory);
  EXPECT_EQ(engine_->metrics().active, 0U);
  EXPECT_EQ(engine_->metrics().counters.cancelled, 1U);
}

TEST_F(EngineTest, CancelsWhatStillWaits) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  Answer waiting;
  Send(Ask("\n"), waiting);

  engine_->Cancel(waiting.id);
  EXPECT_EQ(waiting.Wait().error.code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(waiting.started);
  engine_->Cancel(endless.id);
  endless.Wait();
  engine_->Cancel(endless.id);  // Nothing any more.
}

TEST_F(EngineTest, WhoGetsASlotAtOnceIsToldOfNoQueue) {
  Load(Kind::kChain);
  Answer answer;
  Send(Ask("\n"), answer);

  EXPECT_TRUE(answer.Wait().places.empty());
  EXPECT_TRUE(answer.read.empty());  // Nor of a prompt that takes a moment.
}

TEST_F(EngineTest, ALongPromptSaysHowFarItIsRead) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1, .tell_every = absl::ZeroDuration()});
  Answer answer;
  Send(Ask(std::string(98, 'a') + "\n"), answer);  // A token each, and the first one.

  answer.Wait();

  EXPECT_EQ(answer.read, (std::vector<std::uint32_t>{32, 64, 96}));
  EXPECT_EQ(answer.text, testing::kStory);
}

TEST_F(EngineTest, RefusesWhatDoesNotFitWithBothLengths) {
  Load(Kind::kChain, {.context = 256, .slots = 1});
  Answer answer;
  const auto refused = engine_->Submit(Ask(std::string(200, 'a'), 100), answer.Listener());

  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(refused.status().message(), "201 tokens"));
  EXPECT_TRUE(absl::StrContains(refused.status().message(), "100"));
  EXPECT_TRUE(absl::StrContains(refused.status().message(), "256"));
  // What fits exactly is answered to its end.
  EXPECT_EQ(TextOf(Ask(std::string(199, 'a') + "#", 55)).substr(0, 10), " tick tock");
}

TEST_F(EngineTest, RefusesWhenTheQueueIsFull) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1, .waiting_max = 2, .waiting_per_client_max = 2});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  endless.WaitForTexts(1);
  Answer waiting[2];
  for (Answer& answer : waiting) Send(Ask("\n"), answer);

  Answer refused;
  const auto status = engine_->Submit(Ask("\n"), refused.Listener()).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(engine_->RetryAfter(), absl::ZeroDuration());
  EXPECT_EQ(engine_->metrics().counters.refused, 1U);
  engine_->Cancel(endless.id);
  for (Answer& answer : waiting) EXPECT_EQ(answer.Wait().text, testing::kStory);
}

TEST_F(EngineTest, OneClientMayNotHaveTheWholeQueue) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1, .waiting_max = 4, .waiting_per_client_max = 1});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  endless.WaitForTexts(1);
  Answer waiting;
  Send(Ask("\n"), waiting);

  Answer refused;
  EXPECT_EQ(engine_->Submit(Ask("\n"), refused.Listener()).status().code(),
            absl::StatusCode::kResourceExhausted);
  Request other = Ask("\n");
  other.client = "another";
  Answer taken;
  Send(std::move(other), taken);

  engine_->Cancel(endless.id);
  EXPECT_EQ(waiting.Wait().text, testing::kStory);
  EXPECT_EQ(taken.Wait().text, testing::kStory);
}

TEST_F(EngineTest, ServesManyClientsInTurns) {
  Load(Kind::kChain,
       {.context = 2'048, .slots = 2, .waiting_max = 200, .waiting_per_client_max = 40});
  absl::Mutex mutex;
  std::vector<std::string> order;  // In which they began.
  std::deque<Answer> answers;
  const auto send = [&](const std::string& client) {
    Answer& answer = answers.emplace_back();
    Request request = Ask("\n");
    request.client = client;
    auto id =
        engine_->Submit(request, [&, client, listen = answer.Listener()](Event event) mutable {
          if (std::holds_alternative<Started>(event)) {
            absl::MutexLock lock(&mutex);
            order.push_back(client);
          }
          listen(std::move(event));
        });
    ASSERT_TRUE(id.ok()) << id.status();
  };
  Answer blockers[2];
  for (Answer& blocker : blockers) {
    Send(Ask("#", 2'000), blocker);
    blocker.WaitForTexts(1);
  }
  for (int i = 0; i < 40; ++i) send("greedy");
  for (int i = 0; i < 31; ++i) send("client " + std::to_string(i));
  for (Answer& blocker : blockers) engine_->Cancel(blocker.id);
  for (Answer& answer : answers) EXPECT_EQ(answer.Wait().text, testing::kStory);
  for (Answer& blocker : blockers) blocker.Wait();

  // Each of the 32 has one turn before the greedy one has its second.
  EXPECT_EQ(std::count(order.begin(), order.begin() + 32, "greedy"), 1);
}

TEST_F(EngineTest, ANewcomerDoesNotStallTheOthers) {
  Load(Kind::kChain, {.context = 2'048, .slots = 2});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  endless.WaitForTexts(1);
  Answer newcomer;
  Send(Ask(std::string(1'000, 'a') + "\n"), newcomer);
  newcomer.Wait();
  const std::size_t meanwhile = endless.TextsSoFar();
  engine_->Cancel(endless.id);
  endless.Wait();

  EXPECT_GE(meanwhile, 1'000 / kPromptChunk);  // A token a chunk, at least.
}

TEST_F(EngineTest, StopFinishesWhatIsThere) {
  Load(Kind::kChain, {.context = 512, .slots = 1});
  Answer answers[3];
  for (Answer& answer : answers) Send(Ask("\n"), answer);

  engine_->Stop(absl::Now() + kPatience);

  for (Answer& answer : answers) EXPECT_EQ(answer.Wait().text, testing::kStory);
  Answer late;
  EXPECT_EQ(engine_->Submit(Ask("\n"), late.Listener()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(EngineTest, StopEndsTheRestAtItsDeadline) {
  Load(Kind::kChain, {.context = 2'048, .slots = 1});
  Answer endless;
  Send(Ask("#", 2'000), endless);
  Answer waiting;
  Send(Ask("\n"), waiting);
  endless.WaitForTexts(1);

  engine_->Stop(absl::Now());

  EXPECT_EQ(endless.Wait().error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(waiting.Wait().error.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace coterie::llm
