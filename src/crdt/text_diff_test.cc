#include "crdt/text_diff.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "base/utf8.h"

namespace coterie::crdt {
namespace {

const std::vector<std::string> kPieces = {"a",    "b",  " ",  "\n", "é", "€",  "\U0001F600",
                                          "word", "漢", "字", "か", "ไ", "한", "\U00020BB7"};

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
std::string Applied(std::string_view text, const std::vector<TextChange>& changes) {
  std::string made;
  TextSize size;  // Of `made`.
  for (const TextChange& change : changes) {
    CHECK(change.position.bytes >= made.size());
    const std::string_view kept = text.substr(0, change.position.bytes - made.size());
    made += kept;
    size += MeasureUtf8(kept);
    EXPECT_EQ(size, change.position);
    text.remove_prefix(kept.size());
    EXPECT_TRUE(text.starts_with(change.deleted));
    EXPECT_TRUE(IsValidUtf8(change.deleted) && IsValidUtf8(change.inserted));
    EXPECT_FALSE(change.deleted.empty() && change.inserted.empty());
    text.remove_prefix(change.deleted.size());
    made += change.inserted;
    size += MeasureUtf8(change.inserted);
  }
  return made.append(text);
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
    source += "old" + std::to_string(i) + "\n";
    target += "new" + std::to_string(i) + "\n";
  }
  const std::vector<TextChange> changes = DiffTexts("same\n" + source, "same\n" + target);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].position.bytes, 5u);
}

std::uint64_t DeletedBytes(const std::vector<TextChange>& changes) {
  std::uint64_t bytes = 0;
  for (const TextChange& change : changes) bytes += change.deleted.size();
  return bytes;
}

TEST(TextDiff, AWordInEachOfManyLinesIsAllThatChanges) {
  std::string source;
  std::string target;
  for (int i = 0; i < 5'000; ++i) {
    source += "old " + std::to_string(i) + "\n";
    target += "new " + std::to_string(i) + "\n";
  }
  const std::vector<TextChange> changes = DiffTexts(source, target);
  EXPECT_EQ(Applied(source, changes), target);
  EXPECT_EQ(DeletedBytes(changes), 5'000 * 3u);
}

// Of scripts without spaces a code point is what a word is elsewhere.
TEST(TextDiff, WhatIsWrittenWithoutSpacesIsComparedByCodePoints) {
  const std::vector<TextChange> changes =
      DiffTexts("我们今天在这里一起写一份很长的文件。\U00020BB7野家",
                "我们明天在这里一起写一份很短的文件！\U00020BB7屋家");
  ASSERT_EQ(changes.size(), 4u);
  const std::vector<std::string> deleted = {"今", "长", "。", "野"};
  const std::vector<std::string> inserted = {"明", "短", "！", "屋"};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(changes[i].deleted, deleted[i]);
    EXPECT_EQ(changes[i].inserted, inserted[i]);
  }
  EXPECT_EQ(DiffTexts("ภาษาไทยเขียนติดกัน", "ภาษาลาวเขียนติดกัน")[0].deleted, "ไทย");
  // But those that put spaces are compared by words.
  EXPECT_EQ(DiffTexts("größer als жизнь", "größer wie Смерть")[0].deleted, "als");
}

// Letters and digits without a space or a line feed for long, each different from its neighbours.
std::string LongLine(std::uint64_t seed, int words) {
  Prng prng(seed);
  std::string line;
  for (int i = 0; i < words; ++i) line += std::to_string(prng.Below(1'000'000)) + " ";
  return line;
}

TEST(TextDiff, ALongLineIsComparedByWordsToo) {
  const std::string middle = LongLine(1, 300'000);  // 2 MB.
  const std::string source = "one " + middle + "two " + middle + "three";
  const std::string target = "1 " + middle + "2 " + middle + "3";
  const std::vector<TextChange> changes = DiffTexts(source, target);
  EXPECT_EQ(Applied(source, changes), target);
  EXPECT_EQ(changes.size(), 3u);
  EXPECT_EQ(DeletedBytes(changes), 11u);
}

TEST(TextDiff, ManyChangesOfALongTextCostNothingElse) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    std::string source;
    std::string target;
    std::uint64_t changed = 0;
    for (int i = 0; i < 60'000; ++i) {
      const std::string word = std::to_string(prng.Below(1'000'000'000));
      const std::string end = prng.Chance(1, 12) ? "\n" : " ";
      source += word + end;
      const bool is_changed = prng.Chance(1, 40);
      if (is_changed) changed += word.size();
      target += (is_changed ? "x" : word) + end;
    }
    const std::vector<TextChange> changes = DiffTexts(source, target);
    ASSERT_EQ(Applied(source, changes), target) << "seed " << seed;
    EXPECT_LE(DeletedBytes(changes), changed + changed / 10) << "seed " << seed;
  }
}

TEST(TextDiff, TooManyPlacesAreJoined) {
  std::string source;
  std::string target;
  Prng prng(7);
  for (int i = 0; i < 40'000; ++i) {
    const std::string word = std::to_string(prng.Next());
    source += word + " old ";
    target += word + " new ";
  }
  const std::vector<TextChange> changes = DiffTexts(source, target);
  EXPECT_EQ(changes.size(), 16'384u);
  EXPECT_EQ(Applied(source, changes), target);
}

// What comparing them naively takes minutes for, or gigabytes.
TEST(TextDiff, NoTextsTakeLong) {
  constexpr std::size_t kBytes = 8 << 20;
  const auto repeated = [](std::string_view piece) {
    std::string text;
    while (text.size() < kBytes) text += piece;
    return text;
  };
  Prng prng(3);
  std::string noise;  // Of few different pieces, none of them there once.
  while (noise.size() < kBytes) noise += kPieces[prng.Below(kPieces.size())];
  std::string other_noise;
  while (other_noise.size() < kBytes) other_noise += kPieces[prng.Below(kPieces.size())];
  for (const auto& [source, target] : std::vector<std::pair<std::string, std::string>>{
           {repeated("\n"), repeated("\n\r")},
           {repeated("a b "), "x" + repeated("b a c ")},
           {repeated("一二三"), repeated("三一")},
           {noise, other_noise},
           {noise, repeated("a ") + noise + other_noise},
           {LongLine(1, 1'000'000), LongLine(2, 1'000'000)},
           {repeated(std::string(100'000, 'a')), repeated(std::string(99'999, 'a') + "b")}}) {
    EXPECT_EQ(Applied(source, DiffTexts(source, target)), target);
  }
}

}  // namespace
}  // namespace coterie::crdt
