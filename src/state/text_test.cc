// Texts and UTF-8 against strings and arithmetic that are plainly right.

#include "state/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "state/names.h"

namespace coterie::state {
namespace {

const std::vector<std::string> kLetters = {"a", "é", "€", "\U0001F600", "\n"};

std::string RandomText(Prng& prng, std::size_t letters) {
  std::string text;
  while (letters-- > 0) text += kLetters[prng.Below(kLetters.size())];
  return text;
}

// Byte offsets where a letter begins, and the end.
std::vector<std::size_t> Boundaries(const std::string& text) {
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!IsContinuationByte(text[i])) at.push_back(i);
  }
  at.push_back(text.size());
  return at;
}

TEST(Text, BehavesLikeAString) {
  Prng prng(1);
  for (int round = 0; round < 60; ++round) {
    std::string naive = RandomText(prng, round % 5 == 0 ? 20'000 : prng.Below(200));
    Text text(naive);
    for (int step = 0; step < 40; ++step) {
      const std::vector<std::size_t> at = Boundaries(naive);
      std::size_t begin = prng.Below(at.size());
      std::size_t end = std::min(at.size() - 1, begin + prng.Below(30));
      const std::string inserted = RandomText(prng, prng.Below(40));
      text.Replace(at[begin], at[end] - at[begin], inserted);
      naive.replace(at[begin], at[end] - at[begin], inserted);
      ASSERT_EQ(text.size(), MeasureUtf8(naive));
    }
    ASSERT_EQ(text.ToString(), naive);
    const std::vector<std::size_t> at = Boundaries(naive);
    const std::size_t letter = prng.Below(at.size());
    const auto place = text.Locate(letter, PositionUnit::kCodePoint);
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->bytes, at[letter]);
    EXPECT_EQ(*place, MeasureUtf8(std::string_view(naive).substr(0, at[letter])));
    EXPECT_EQ(text.LocateByte(at[letter]), *place);
    EXPECT_FALSE(text.Locate(at.size(), PositionUnit::kCodePoint).has_value());
  }
}

TEST(Text, AppliesAndRevertsChanges) {
  Prng prng(2);
  for (int round = 0; round < 300; ++round) {
    const std::string before = RandomText(prng, 30);
    const std::vector<std::size_t> at = Boundaries(before);
    const std::size_t begin = prng.Below(at.size());
    const std::size_t end = begin + prng.Below(at.size() - begin);
    Text text(before);
    const Change change{.position = text.LocateByte(at[begin]),
                        .deleted = before.substr(at[begin], at[end] - at[begin]),
                        .inserted = RandomText(prng, 4)};
    ASSERT_TRUE(text.Accepts(change));
    text.Apply(change);
    std::string expected = before;
    expected.replace(at[begin], at[end] - at[begin], change.inserted);
    EXPECT_EQ(text.ToString(), expected);
    text.Revert(change);
    EXPECT_EQ(text.ToString(), before);
  }
}

TEST(Text, FindsTheShortestChangeOnLetters) {
  Prng prng(4);
  for (int round = 0; round < 2'000; ++round) {
    const std::string source = RandomText(prng, prng.Below(12));
    std::string target = source;
    if (prng.Chance(1, 3)) {
      target = RandomText(prng, prng.Below(12));
    } else {
      const std::vector<std::size_t> at = Boundaries(source);
      const std::size_t begin = prng.Below(at.size());
      const std::size_t end = begin + prng.Below(at.size() - begin);
      target.replace(at[begin], at[end] - at[begin], RandomText(prng, prng.Below(3)));
    }
    Text text(source);
    const std::optional<Change> change = DiffTexts(text, target);
    ASSERT_EQ(change.has_value(), source != target);
    if (!change) continue;
    EXPECT_TRUE(IsValidUtf8(change->inserted));
    EXPECT_TRUE(IsValidUtf8(change->deleted));
    EXPECT_TRUE(change->deleted.empty() || change->inserted.empty() ||
                Text(change->deleted).CommonWith(change->inserted).prefix_bytes == 0);
    ASSERT_TRUE(text.Accepts(*change));
    text.Apply(*change);
    text.CheckInvariants();
    EXPECT_EQ(text.ToString(), target);
  }
}

TEST(Text, AcceptsOnlyChangesThatFit) {
  const Text text("aé\U0001F600b");
  const auto accepts = [&](const TextSize& position, const std::string& deleted) {
    return text.Accepts({.position = position, .deleted = deleted, .inserted = "x"});
  };
  EXPECT_TRUE(accepts({1, 1, 1}, "é"));
  EXPECT_TRUE(accepts({8, 5, 4}, ""));
  EXPECT_FALSE(accepts({1, 1, 1}, "b"));   // Another letter.
  EXPECT_FALSE(accepts({2, 1, 1}, ""));    // Within a letter.
  EXPECT_FALSE(accepts({1, 2, 1}, "é"));   // The units disagree.
  EXPECT_FALSE(accepts({7, 4, 3}, "bb"));  // Past the end.
  EXPECT_FALSE(accepts({99, 99, 99}, ""));
  EXPECT_FALSE(accepts({~0ull, 0, 0}, "ab"));
  EXPECT_FALSE(text.Accepts({.position = {}, .inserted = "\xff"}));
}

TEST(Text, NoPositionIsWithinASurrogatePair) {
  const Text text("a\U0001F600b");
  EXPECT_EQ(text.Locate(1, PositionUnit::kUtf16)->bytes, 1u);
  EXPECT_FALSE(text.Locate(2, PositionUnit::kUtf16).has_value());
  EXPECT_EQ(text.Locate(3, PositionUnit::kUtf16)->bytes, 5u);
  EXPECT_EQ(text.Locate(4, PositionUnit::kUtf16)->bytes, 6u);
  EXPECT_FALSE(text.Locate(5, PositionUnit::kUtf16).has_value());
  EXPECT_FALSE(text.Locate(~0ull, PositionUnit::kUtf16).has_value());
  EXPECT_EQ(Text().Locate(0, PositionUnit::kUtf16)->bytes, 0u);
}

// A naive text of letters with names: deleting marks, inserting puts a letter beside a known one.
TEST(Transform, KeepsTheMeaningOfEverySplice) {
  Prng prng(5);
  for (int round = 0; round < 5'000; ++round) {
    const std::string before = "0123456789";
    const std::uint64_t begin = prng.Below(11);
    const std::uint64_t deleted = prng.Below(11 - begin);
    const std::string inserted(prng.Below(3), 'X');
    const Change change{.position = {begin, begin, begin},
                        .deleted = before.substr(begin, deleted),
                        .inserted = inserted};
    std::vector<Splice> splices;
    std::string gone = change.deleted;
    for (std::uint64_t at = prng.Below(5); at <= 10; at += prng.Below(5)) {
      const std::uint64_t size = std::min<std::uint64_t>(prng.Below(4), 10 - at);
      splices.push_back({at, size, std::string(1, static_cast<char>('a' + splices.size()))});
      gone += before.substr(at, size);
      at += size;
    }
    const std::size_t asked = splices.size();
    TransformSplices(change, PositionUnit::kUtf16, splices);

    std::string text = before;
    text.replace(begin, deleted, inserted);
    std::uint64_t previous_end = 0;
    for (const Splice& splice : splices) {
      ASSERT_GE(splice.position, previous_end);  // Still ascending.
      previous_end = splice.position + splice.deleted;
      ASSERT_LE(previous_end, text.size());
    }
    for (auto splice = splices.rbegin(); splice != splices.rend(); ++splice) {
      text.replace(splice->position, splice->deleted, splice->inserted);
    }
    std::string expected;
    for (const char digit : before) {
      if (gone.find(digit) == std::string::npos) expected += digit;
    }
    std::string digits;
    std::string letters;
    std::string others;
    for (const char letter : text) {
      (letter <= '9' ? digits : letter == 'X' ? others : letters) += letter;
    }
    EXPECT_EQ(digits, expected);  // What anybody deleted is gone, and nothing else.
    EXPECT_EQ(others, inserted);  // What the change inserted is whole.
    EXPECT_EQ(letters, std::string("abcdefghijkl").substr(0, asked));  // In their order.
  }
}

// By the table of RFC 3629, byte by byte.
bool IsValidNaively(const std::string& bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u;
    };
    const auto follows = [&](std::size_t at) { return (byte(at) & 0xc0u) == 0x80u; };
    const unsigned first = byte(i);
    if (first < 0x80) {
      i += 1;
    } else if (first >= 0xc2 && first <= 0xdf && follows(i + 1)) {
      i += 2;
    } else if (first >= 0xe0 && first <= 0xef && follows(i + 1) && follows(i + 2)) {
      if (first == 0xe0 && byte(i + 1) < 0xa0) return false;
      if (first == 0xed && byte(i + 1) > 0x9f) return false;
      i += 3;
    } else if (first >= 0xf0 && first <= 0xf4 && follows(i + 1) && follows(i + 2) &&
               follows(i + 3)) {
      if (first == 0xf0 && byte(i + 1) < 0x90) return false;
      if (first == 0xf4 && byte(i + 1) > 0x8f) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

TEST(Utf8, IsJudgedByTheStandard) {
  Prng prng(3);
  int valid = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = RandomText(prng, prng.Below(4));
    if (!bytes.empty() && prng.Chance(2, 3)) {
      bytes[prng.Below(bytes.size())] = static_cast<char>(prng.Next());
    }
    ASSERT_EQ(IsValidUtf8(bytes), IsValidNaively(bytes));
    valid += IsValidUtf8(bytes) ? 1 : 0;
    static_cast<void>(MeasureUtf8(bytes));  // Never a crash.
  }
  EXPECT_GT(valid, 1'000);
}

TEST(Names, AreFitOrSaidWhyNot) {
  EXPECT_EQ(WhyUnfitName("notes"), "");
  EXPECT_EQ(WhyUnfitName("Notizen für morgen"), "");
  for (const std::string& name :
       {std::string(), std::string(" x"), std::string("x "), std::string("a\nb"),
        std::string("\xff"), std::string(kNameBytesMax + 1, 'x'), std::string("a\0b", 3)}) {
    EXPECT_NE(WhyUnfitName(name), "") << name;
  }
}

}  // namespace
}  // namespace coterie::state
