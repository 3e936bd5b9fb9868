// The sampler against llama.cpp's grammars: what it would not survive never reaches it.

#include "llm/sampler.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/prng.h"
#include "llm/testing/loaded_model.h"

namespace coterie::llm {
namespace {

class SamplerTest : public ::testing::Test {
 protected:
  SamplerTest() : log_([](LlamaLog::Level, std::string_view) {}) {
    model_ = testing::LoadTestModel(testing::ModelKind::kChain, log_);
  }
  absl::StatusOr<Sampler> Make(const std::string& grammar, float temperature = 0) {
    Request request;
    request.grammar = grammar;
    request.sampling.temperature = temperature;
    return Sampler::Make(model_->vocab(), request, 1);
  }

  std::vector<float> Logits() const {
    return std::vector<float>(static_cast<std::size_t>(llama_vocab_n_tokens(model_->vocab())));
  }

  LlamaLog log_;
  std::unique_ptr<Model> model_;
};

// Each of these ended the process, or took minutes.
TEST_F(SamplerTest, WhatWouldKillLlamaCppIsRefused) {
  const std::string deep(32'700, '(');
  std::string ladder = "root ::= r0\n";
  for (int i = 0; i < 60; ++i)
    absl::StrAppend(&ladder, "r", i, " ::= r", i + 1, " | r", i + 1, "\n");
  for (const std::string& grammar :
       {absl::StrCat("root ::= ", deep, "\"a\"", std::string(32'700, ')')),
        std::string("root ::= b root\nb ::= c\nc ::= "),
        std::string("root ::= b root \"z\" | \"x\"\nb ::= c\nc ::= | \"y\""),
        std::string("root ::= \"a\"{5,2}"), absl::StrCat(ladder, "r60 ::= \"a\""),
        absl::StrCat("root ::= \"", std::string(60'000, 'a'), "\"{1999}")}) {
    EXPECT_EQ(Make(grammar).status().code(), absl::StatusCode::kInvalidArgument)
        << grammar.substr(0, 100);
  }
}

TEST_F(SamplerTest, AGrammarThatAllowsNothingIsSaid) {
  const std::vector<float> logits = Logits();
  for (const float temperature : {0.0F, 1.0F}) {
    absl::StatusOr<Sampler> sampler = Make("root ::= \"\\UFFFFFFFF\"", temperature);
    ASSERT_TRUE(sampler.ok()) << sampler.status();
    EXPECT_EQ(sampler->Draw(logits.data()), std::nullopt);
  }
}

// Mostly GBNF, of the rules root, a and b; some of it is spoilt.
std::string RandomSequence(Prng& prng, int depth) {
  constexpr const char* kItems[] = {"\"a\"", "[a-z]", "a", "b",     "root",
                                    "\"\"",  "[^x]",  ".", "\"ab\""};
  constexpr const char* kAgain[] = {"", "", "", "", "*", "+", "?", "{2}", "{0,3}", "{4,}", "{0}"};
  std::string text = prng.Chance(2, 3) ? "\"a\" " : "";  // Else most would be left-recursive.
  for (std::uint64_t i = prng.Below(4); i > 0; --i) {
    if (depth > 0 && prng.Chance(1, 4)) {
      absl::StrAppend(&text, "(", RandomSequence(prng, depth - 1), "|",
                      RandomSequence(prng, depth - 1), ")");
    } else {
      text += kItems[prng.Below(std::size(kItems))];
    }
    absl::StrAppend(&text, kAgain[prng.Below(std::size(kAgain))], prng.Chance(1, 5) ? " | " : " ");
  }
  return text;
}
std::string RandomGrammar(Prng& prng) {
  std::string text =
      absl::StrCat("root ::= ", RandomSequence(prng, 3), "\na ::= ", RandomSequence(prng, 2),
                   "\nb ::= ", RandomSequence(prng, 2));
  constexpr char kSpoil[] = "\"[]()|*+?{},\\\n<>!#-.:a1 ";
  for (std::uint64_t i = prng.Chance(1, 3) ? prng.Below(4) : 0; i > 0; --i) {
    text[prng.Below(text.size())] = kSpoil[prng.Below(sizeof kSpoil - 1)];
  }
  return text;
}

// What is taken is one that llama.cpp takes, and that can be followed.
TEST_F(SamplerTest, RandomGrammarsAreRefusedOrFollowed) {
  const char* more = std::getenv("COTERIE_GRAMMARS");
  int grammars = 3'000;
  const bool is_more = more != nullptr && absl::SimpleAtoi(more, &grammars);
  const std::uint64_t seed = is_more ? std::random_device()() : 11;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Prng prng(seed);
  const std::vector<float> logits = Logits();
  int taken = 0;
  for (int i = 0; i < grammars; ++i) {
    const std::string grammar = RandomGrammar(prng);
    absl::StatusOr<Sampler> sampler = Make(grammar, 1);
    if (!sampler.ok()) {
      const bool is_ours = !absl::StrContains(sampler.status().message(), "llama.cpp does not");
      // Tokens are looked up by llama.cpp alone.
      EXPECT_TRUE(is_ours || absl::StrContains(grammar, "<")) << sampler.status() << grammar;
      continue;
    }
    ++taken;
    for (int step = 0; step < 8 && sampler->Draw(logits.data()); ++step) {
    }
  }
  EXPECT_GT(taken, grammars / 10);
}

}  // namespace
}  // namespace coterie::llm
