// Long tasks of AssistService on a real node: answers that were cut off, texts that are too long
// for the model, and what is kept when something fails late.

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rpc/llm_servers.h"
#include "rpc/test_assist.h"
#include "state/command.h"

namespace coterie::rpc {
namespace {

std::string Mistakes(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += absl::StrCat("Now he go to the place ", i, " again. ");
  return text;
}

// "go" is "goes", and all else as it is.
std::string Corrected(const std::string& content) {
  std::string corrected = PassageIn(content);
  for (std::size_t at = 0; (at = corrected.find(" go ", at)) != std::string::npos; at += 5) {
    corrected.insert(at + 3, "es");
  }
  return corrected;
}

class RewritingTest : public AssistTest {
 protected:
  v1::GrammarRequest GrammarOf(std::uint64_t doc, std::uint32_t max_tokens = 0) {
    v1::GrammarRequest request;
    request.mutable_document()->set_id(doc);
    request.mutable_options()->set_max_tokens(max_tokens);
    return request;
  }
  Told Run(const v1::GrammarRequest& request, absl::Duration timeout = absl::Seconds(20)) {
    return Ask(&v1::AssistService::Stub::Grammar, request, timeout);
  }
  void ExpectCorrections(std::uint64_t doc) {
    for (const v1::Suggestion& suggestion : Suggestions(doc)) {
      EXPECT_EQ(suggestion.before(), "go");
      EXPECT_EQ(suggestion.after(), "goes");
      EXPECT_FALSE(suggestion.is_stale());
    }
  }
  std::string TextOf(std::uint64_t doc) {
    v1::GetDocumentRequest get;
    get.mutable_document()->set_id(doc);
    return ann_->Call(&v1::DocumentService::Stub::GetDocument, get).text();
  }
};

// An embed is a unit of the text, and none of its letters.
TEST_F(RewritingTest, SuggestionsMeanTheirPlacesBesideEmbeds) {
  TestingLlm llm({.context_tokens = 2'048, .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(3));
  v1::EditDocumentRequest edit;
  edit.mutable_document()->set_id(doc);
  edit.set_delta(R"([{"insert":{"image":"a.png"}},{"retain":15},{"insert":{"image":"b.png"}}])");
  ann_->Call(&v1::DocumentService::Stub::EditDocument, edit);
  ASSERT_TRUE(ann_->status.ok()) << ann_->status.error_message();

  const Told told = Run(GrammarOf(doc));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 3u);
  ExpectCorrections(doc);
  for (const v1::Suggestion& suggestion : Suggestions(doc)) {
    v1::ResolveSuggestionRequest accept;
    accept.mutable_document()->set_id(doc);
    *accept.mutable_suggestion() = suggestion.id();
    accept.set_decision(v1::ResolveSuggestionRequest::DECISION_ACCEPT);
    ann_->Call(&v1::AssistService::Stub::ResolveSuggestion, accept);
    EXPECT_TRUE(ann_->status.ok()) << ann_->status.error_message();
  }
  EXPECT_EQ(TextOf(doc), Corrected("\n" + Mistakes(3) + "\n"));
}

TEST_F(RewritingTest, ACutOffCorrectionSuggestsNoDeletion) {
  TestingLlm llm({.context_tokens = 2'048, .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(40));

  // 440 bytes of passages of 600: what the guard lets pass.
  const Told told = Run(GrammarOf(doc, 110));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 40u);
  EXPECT_EQ(told.finished.passages_cut(), 0u);
  ExpectCorrections(doc);
}

TEST_F(RewritingTest, ACutOffChangeOfToneSuggestsNoDeletion) {
  TestingLlm llm({.context_tokens = 2'048, .answer = PassageIn});
  Start({llm.address()});
  std::string text;  // Without numbers, which the guard watches.
  for (int i = 0; i < 60; ++i) text += "Now he went to the place again. ";
  const std::uint64_t doc = Create(text);
  v1::EnhanceRequest request;
  request.mutable_document()->set_id(doc);
  request.mutable_options()->set_max_tokens(110);

  const Told told = Ask(&v1::AssistService::Stub::Enhance, request);

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 0u);
  EXPECT_TRUE(Suggestions(doc).empty());
}

TEST_F(RewritingTest, WhatIsCutOffHoweverShortIsCounted) {
  TestingLlm llm({.context_tokens = 2'048, .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(std::string(50, 'a') + " " + std::string(50, 'b'));

  const Told told = Run(GrammarOf(doc, 10));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 0u);
  EXPECT_EQ(told.finished.passages_cut(), 2u);
}

TEST_F(RewritingTest, ThreeTokensALetterAreNotCutOff) {
  // Each byte a token: the answers are longer than the 512 tokens that a server gives by itself.
  TestingLlm llm({.context_tokens = 4'096, .token_bytes = 1, .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(40));

  const Told told = Run(GrammarOf(doc));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 40u);
  EXPECT_EQ(llm.asked(), 3);
  ExpectCorrections(doc);
}

TEST_F(RewritingTest, ASmallContextGetsSmallPassages) {
  TestingLlm llm({.context_tokens = 1'024, .token_bytes = 1, .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(40));

  const Told told = Run(GrammarOf(doc));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_EQ(told.finished.suggestions(), 40u);
  ExpectCorrections(doc);
}

TEST_F(RewritingTest, WhoIsShownATextIsToldThatItWasCutOff) {
  TestingLlm llm({.pieces = {std::string(3'000, 'a')}, .context_tokens = 1'024});
  Start({llm.address()});
  const std::uint64_t doc = Create(std::string(2'000, 'b'));
  v1::AskRequest ask;
  ask.set_question("Who?");
  const Told free = Ask(&v1::AssistService::Stub::Ask, ask);
  EXPECT_EQ(free.text.size(), 512u * 4);
  EXPECT_EQ(free.finished.cut_off(), v1::AssistEvent::CUT_OFF_MAX_TOKENS);

  ask.mutable_document()->set_id(doc);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, ask).finished.cut_off(),
            v1::AssistEvent::CUT_OFF_CONTEXT);
  ask.mutable_options()->set_max_tokens(7);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Ask, ask).finished.cut_off(),
            v1::AssistEvent::CUT_OFF_MAX_TOKENS);

  v1::SummarizeRequest summarize;
  summarize.mutable_document()->set_id(doc);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Summarize, summarize).finished.cut_off(),
            v1::AssistEvent::CUT_OFF_MAX_TOKENS);
  v1::ContinueRequest go_on;
  go_on.mutable_document()->set_id(doc);
  for (const auto mode : {v1::ContinueRequest::MODE_SUGGEST, v1::ContinueRequest::MODE_WRITE}) {
    go_on.set_mode(mode);
    EXPECT_EQ(Ask(&v1::AssistService::Stub::Continue, go_on).finished.cut_off(),
              v1::AssistEvent::CUT_OFF_MAX_TOKENS);
  }
}

TEST_F(RewritingTest, ASuggestionThatHoldsNoMoreSaysSo) {
  TestingLlm llm({.pieces = {std::string(100'000, 'a')}, .token_bytes = 1'000});
  Start({llm.address()});
  v1::ContinueRequest go_on;
  go_on.mutable_document()->set_id(Create("b"));
  const Told told = Ask(&v1::AssistService::Stub::Continue, go_on);
  EXPECT_EQ(told.finished.cut_off(), v1::AssistEvent::CUT_OFF_SUGGESTION);
  EXPECT_EQ(told.finished.suggestions(), 1u);
}

TEST_F(RewritingTest, SummariesAndContinuationsFitTheModelsContext) {
  for (const std::uint32_t token_bytes : {1u, 2u, 4u}) {
    TestingLlm llm({.pieces = {"- a point"}, .context_tokens = 2'048, .token_bytes = token_bytes});
    Start({llm.address()});
    const std::uint64_t doc = Create(Mistakes(600));
    v1::SummarizeRequest summarize;
    summarize.mutable_document()->set_id(doc);
    const Told told = Ask(&v1::AssistService::Stub::Summarize, summarize);
    EXPECT_TRUE(told.status.ok()) << told.status.error_message();
    EXPECT_EQ(told.text, "- a point");
    // Not by the smallest of prompts either.
    EXPECT_GT(llm.longest_prompt(), (2'048u - 512) * token_bytes / 2);

    v1::ContinueRequest go_on;
    go_on.mutable_document()->set_id(doc);
    EXPECT_TRUE(Ask(&v1::AssistService::Stub::Continue, go_on).status.ok());
  }
}

TEST_F(RewritingTest, AQuestionAboutTooLongATextNamesBothLengths) {
  TestingLlm llm({.pieces = {"never"}, .context_tokens = 256});
  Start({llm.address()});
  v1::AskRequest ask;
  ask.set_question("Who?");
  ask.mutable_document()->set_id(Create(Mistakes(100)));
  const Told told = Ask(&v1::AssistService::Stub::Ask, ask);
  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(told.status.error_details().find("CONTEXT_EXCEEDED"), std::string::npos);
}

TEST_F(RewritingTest, APassageWhoseServerDiesIsAskedForAgain) {
  TestingLlm first({.dies = 1, .answer = Corrected});
  TestingLlm other({.active = 3, .answer = Corrected});
  Start({first.address(), other.address()});
  const std::uint64_t doc = Create(Mistakes(60));
  const Told elsewhere = Run(GrammarOf(doc));
  ASSERT_TRUE(elsewhere.status.ok()) << elsewhere.status.error_message();
  EXPECT_EQ(elsewhere.finished.suggestions(), 60u);

  TestingLlm alone({.dies = 1, .answer = Corrected});
  Start({alone.address()});
  const Told again = Run(GrammarOf(Create(Mistakes(60))));
  ASSERT_TRUE(again.status.ok()) << again.status.error_message();
  EXPECT_EQ(again.finished.suggestions(), 60u);
}

TEST_F(RewritingTest, WhatIsFinishedIsKeptWhenTheModelFails) {
  TestingLlm llm({.failure = grpc::Status(grpc::StatusCode::INTERNAL, "it could not compute"),
                  .answers = 3,
                  .answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(100));

  const Told told = Run(GrammarOf(doc));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_GT(told.finished.suggestions(), 20u);
  EXPECT_EQ(told.finished.suggestions(), Suggestions(doc).size());
  EXPECT_EQ(told.finished.why_stopped(), "it could not compute");
  // There the next call goes on.
  EXPECT_EQ(TextOf(doc).substr(told.finished.resume_at(), 7), "Now he ");
  ExpectCorrections(doc);
}

TEST_F(RewritingTest, WhatIsFinishedIsKeptWhenTimeIsOver) {
  std::atomic<int> asked = 0;
  Cancellation never;
  TestingLlm llm({.answer = [&](const std::string& content) {
    if (++asked > 2) never.WaitFor(absl::Seconds(60));
    return Corrected(content);
  }});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(100));

  const Told told = Run(GrammarOf(doc), absl::Seconds(20));
  never.Cancel();

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_GT(told.finished.suggestions(), 20u);
  EXPECT_GT(told.finished.resume_at(), 0u);
  EXPECT_NE(told.finished.why_stopped().find("time"), std::string::npos);
}

TEST_F(RewritingTest, MoreVersionsThanAreKeptCostNothingThatIsFinished) {
  std::uint64_t doc = 0;
  std::unique_ptr<TestingClient> bob;
  TestingLlm llm({.answer = [&](const std::string& content) {
    // At the front, so that everything moves.
    for (int i = 0; i < 400; ++i) {
      v1::EditDocumentRequest edit;
      edit.mutable_document()->set_id(doc);
      edit.add_splices()->set_inserted("x");
      bob->Call(&v1::DocumentService::Stub::EditDocument, edit);
    }
    return Corrected(content);
  }});
  Start({llm.address()});
  doc = Create(Mistakes(60));
  v1::ShareDocumentRequest share;
  share.mutable_document()->set_id(doc);
  share.mutable_grant()->set_role(v1::ROLE_EDITOR);
  ann_->Call(&v1::DocumentService::Stub::ShareDocument, share);
  bob = std::make_unique<TestingClient>(*node_, "bob");

  const Told told = Run(GrammarOf(doc), absl::Seconds(240));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  EXPECT_GT(llm.asked(), 3);
  EXPECT_EQ(told.finished.suggestions(), 60u);
  EXPECT_GT(told.finished.batches_size(), 1);
  EXPECT_EQ(Suggestions(doc).size(), 60u);
  ExpectCorrections(doc);
}

TEST_F(RewritingTest, AnInstructionIsTheModelsAndNotTheTexts) {
  std::string asked;
  TestingLlm llm({.answer = [&asked](const std::string& content) {
    asked = content;
    return std::string("Ein ganz anderer Satz.");
  }});
  Start({llm.address()});
  const std::uint64_t doc = Create("Quite another sentence.");
  v1::EnhanceRequest request;
  request.mutable_document()->set_id(doc);
  request.set_instruction("in German");

  const Told told = Ask(&v1::AssistService::Stub::Enhance, request);

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  // Behind the fence, where no text gets.
  EXPECT_GT(asked.find("Instruction: in German"), asked.rfind(">>>"));
  EXPECT_EQ(told.finished.dropped(), 0u);  // Although no word is the same.
  ASSERT_EQ(Suggestions(doc).size(), 1u);
  EXPECT_EQ(Suggestions(doc)[0].after(), "Ein ganz anderer Satz.");
  EXPECT_EQ(Suggestions(doc)[0].why(), "in German");

  request.set_instruction(std::string(1'025, 'x'));
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Enhance, request).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RewritingTest, MoreVersionsThanAreKeptDoNotEndALiveText) {
  std::uint64_t doc = 0;
  std::unique_ptr<TestingClient> bob;
  TestingLlm llm({.answer = [&](const std::string&) {
    // At the front, so that everything moves.
    for (std::size_t i = 0; i <= state::kVersionsPerDocumentMax + state::kArchivedPerChange; ++i) {
      v1::EditDocumentRequest edit;
      edit.mutable_document()->set_id(doc);
      edit.add_splices()->set_inserted("x");
      bob->Call(&v1::DocumentService::Stub::EditDocument, edit);
    }
    return std::string(" upon a time.");
  }});
  Start({llm.address()});
  doc = Create("Once");
  v1::ShareDocumentRequest share;
  share.mutable_document()->set_id(doc);
  share.mutable_grant()->set_role(v1::ROLE_EDITOR);
  ann_->Call(&v1::DocumentService::Stub::ShareDocument, share);
  bob = std::make_unique<TestingClient>(*node_, "bob");
  v1::ContinueRequest request;
  request.mutable_document()->set_id(doc);
  request.set_mode(v1::ContinueRequest::MODE_WRITE);

  const Told told = Ask(&v1::AssistService::Stub::Continue, request, absl::Seconds(240));

  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(doc);
  EXPECT_EQ(ann_->Call(&v1::DocumentService::Stub::GetDocument, get).text(),
            std::string(state::kVersionsPerDocumentMax + state::kArchivedPerChange + 1, 'x') +
                "Once upon a time.");
}

TEST_F(RewritingTest, EndsEarlyWhereTheDocumentTakesNoMoreSuggestions) {
  TestingLlm llm({.answer = Corrected});
  Start({llm.address()});
  const std::uint64_t doc = Create(Mistakes(1'100));
  std::uint64_t begin = 0;
  std::size_t kept = 0;
  for (int call = 0; call < 5; ++call) {
    const Told told = Correct(doc, begin);
    ASSERT_TRUE(told.status.ok()) << told.status.error_message();
    kept += told.finished.suggestions();
    begin = told.finished.resume_at();
    ASSERT_GT(begin, 0u);
  }
  ASSERT_LE(kept, state::kOpenSuggestionsMax);
  const int asked = llm.asked();

  // A little room is left, or none.
  Told told = Correct(doc, begin);
  for (int call = 0; call < 3 && told.status.ok(); ++call) {
    told = Correct(doc, told.finished.resume_at());
  }
  EXPECT_EQ(told.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_LE(llm.asked(), asked + 5);
  const std::size_t open = Suggestions(doc).size();
  EXPECT_LE(open, state::kOpenSuggestionsMax);
  EXPECT_GT(open, state::kOpenSuggestionsMax - 30);
}

TEST_F(RewritingTest, SaysWhatAChangeOfToneIsFor) {
  TestingLlm llm({.pieces = {"Would you kindly come tomorrow?"}});
  Start({llm.address()});
  const std::uint64_t doc = Create("Can you please come tomorrow?");
  v1::EnhanceRequest request;
  request.mutable_document()->set_id(doc);
  request.set_tone(v1::EnhanceRequest::TONE_FORMAL);
  EXPECT_EQ(Ask(&v1::AssistService::Stub::Enhance, request).finished.suggestions(), 1u);
  EXPECT_EQ(Suggestions(doc).at(0).why(), "more formal");
}

}  // namespace
}  // namespace coterie::rpc
