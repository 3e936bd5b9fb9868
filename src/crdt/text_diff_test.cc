#include "crdt/text_diff.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

const std::vector<std::string> kPieces = {"a", "b", " ", "\n", "é", "€", "\U0001F600", "word"};

std::string RandomText(Prng& prng, std::uint64_t pieces) {
  std::string text;
  while (pieces-- > 0) text += kPieces[prng.Below(kPieces.size())];
  return text;
}

// `text` with some code points left out and some pieces put in.
std::string Mutated(Prng& prng, const std::string& text) {
  std::string mutated;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = CodePointLength(std::string_view(text).substr(i));
    if (prng.Chance(1, 12)) mutated += kPieces[prng.Below(kPieces.size())];
    if (!prng.Chance(1, 12)) mutated.append(text, i, size);
    i += size;
  }
  return mutated;
}

// Checks that every change fits, and what they make of `text`.
std::string Applied(std::string text, const std::vector<TextChange>& changes) {
  for (const TextChange& change : changes) {
    const std::size_t at = change.position.bytes;
    EXPECT_EQ(text.compare(at, change.deleted.size(), change.deleted), 0);
    EXPECT_EQ(MeasureUtf8(std::string_view(text).substr(0, at)), change.position);
    EXPECT_TRUE(IsValidUtf8(change.deleted) && IsValidUtf8(change.inserted));
    EXPECT_FALSE(change.deleted.empty() && change.inserted.empty());
    text.replace(at, change.deleted.size(), change.inserted);
  }
  return text;
}

TEST(TextDiff, TurnsAnyTextIntoAnyOther) {
  Prng prng(4);
  for (int round = 0; round < 20'000; ++round) {
    const std::string source = RandomText(prng, prng.Below(40));
    const std::string target =
        prng.Chance(1, 3) ? RandomText(prng, prng.Below(40)) : Mutated(prng, source);
    const std::vector<TextChange> changes = DiffTexts(source, target);
    ASSERT_EQ(Applied(source, changes), target);
    ASSERT_EQ(changes.empty(), source == target);
  }
}

TEST(TextDiff, LeavesAloneWhatBothHave) {
  const std::vector<TextChange> changes =
      DiffTexts("one\ntwo words here\nthree\nfour\n", "one\ntwo worms here\nthree\nfive\nfour\n");
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].position.bytes, 11u);
  EXPECT_EQ(changes[0].deleted, "d");
  EXPECT_EQ(changes[0].inserted, "m");
  EXPECT_EQ(changes[1].deleted, "");
  EXPECT_EQ(changes[1].inserted, "e\nfiv");
}

TEST(TextDiff, LongTextsThatHaveLittleInCommonAreReplaced) {
  std::string source;
  std::string target;
  for (int i = 0; i < 5'000; ++i) {
    source += "old " + std::to_string(i) + "\n";
    target += "new " + std::to_string(i) + "\n";
  }
  const std::vector<TextChange> changes = DiffTexts("same\n" + source, "same\n" + target);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].position.bytes, 5u);
}

}  // namespace
}  // namespace coterie::crdt
