#include "llm/placement.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace coterie::llm {
namespace {

// Tokens first, first + 1 and so on.
std::vector<Token> Tokens(std::size_t count, Token first = 0) {
  std::vector<Token> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

// `count` of document `document`, then `more` tokens of a question.
std::vector<Token> Prompt(Token document, std::size_t count, Token question, std::size_t more) {
  std::vector<Token> tokens = Tokens(count, document * 1'000'000);
  for (const Token token : Tokens(more, question * 1'000'000)) tokens.push_back(token);
  return tokens;
}

std::string Describe(const Placement& placement) {
  std::string text = "slot " + std::to_string(placement.slot);
  if (placement.copy_from) text += " from " + std::to_string(*placement.copy_from);
  return text + " reuses " + std::to_string(placement.reused);
}

TEST(Placement, ContinuesWhereThePromptBegan) {
  const auto first = Prompt(1, 500, 7, 20);
  const auto other = Prompt(2, 500, 7, 20);
  const auto next = Prompt(1, 500, 8, 20);
  const SlotView slots[] = {{.cached = other, .is_free = true, .used_at = 1},
                            {.cached = first, .is_free = true, .used_at = 2},
                            {.is_free = true}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = next})), "slot 1 reuses 500");
}

TEST(Placement, LeavesOneTokenToCompute) {
  const auto same = Tokens(100);
  const SlotView slots[] = {{.cached = same, .is_free = true}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = same})), "slot 0 reuses 99");
}

TEST(Placement, DoesNotDestroyAnotherDocumentForASharedBeginning) {
  std::vector<Token> system = Tokens(50);
  std::vector<Token> first = system;
  for (const Token token : Tokens(500, 1'000)) first.push_back(token);
  std::vector<Token> second = system;
  for (const Token token : Tokens(500, 5'000)) second.push_back(token);
  const SlotView slots[] = {{.cached = first, .is_free = true, .used_at = 9}, {.is_free = true}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = second})), "slot 1 reuses 0");  // 50 are too few.
}

TEST(Placement, CopiesFromABusySlot) {
  const auto first = Prompt(1, 500, 7, 20);
  const auto next = Prompt(1, 500, 8, 20);
  const SlotView slots[] = {{.cached = first, .is_free = false}, {.is_free = true}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = next})), "slot 1 from 0 reuses 500");
}

TEST(Placement, PrefersTheSameDocumentEvenIfItsBeginningChanged) {
  const auto old = Prompt(1, 500, 7, 20);
  const auto other = Prompt(2, 500, 7, 20);
  const auto changed = Prompt(3, 500, 7, 20);
  const SlotView slots[] = {{.cached = other, .cache_key = "b", .is_free = true, .used_at = 1},
                            {.cached = old, .cache_key = "a", .is_free = true, .used_at = 2}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = changed, .cache_key = "a"})), "slot 1 reuses 0");
}

TEST(Placement, ElseTakesTheOneThatWasNotUsedLongest) {
  const auto one = Prompt(1, 500, 7, 20);
  const auto two = Prompt(2, 500, 7, 20);
  const auto three = Prompt(3, 500, 7, 20);
  const SlotView slots[] = {{.cached = one, .is_free = true, .used_at = 5},
                            {.cached = two, .is_free = true, .used_at = 3}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = three})), "slot 1 reuses 0");
}

TEST(Placement, ReusesOnlyWholeRepeatableChunksForASeed) {
  const auto first = Prompt(1, 500, 7, 20);
  const auto next = Prompt(1, 500, 8, 20);
  const SlotView slots[] = {{.cached = first, .repeatable = 448, .is_free = true}};

  EXPECT_EQ(Describe(Place(slots, {.tokens = next, .chunk = 64})), "slot 0 reuses 448");
  const SlotView mixed[] = {{.cached = first, .repeatable = 100, .is_free = true}};
  EXPECT_EQ(Describe(Place(mixed, {.tokens = next, .chunk = 64})), "slot 0 reuses 64");
}

}  // namespace
}  // namespace coterie::llm
