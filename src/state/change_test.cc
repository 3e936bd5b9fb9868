#include "state/change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/prng.h"
#include "state/names.h"

namespace coterie::state {
namespace {

// A naive text of letters with names: deleting marks, inserting puts a letter beside a known one.
TEST(Transform, KeepsTheMeaningOfEverySplice) {
  Prng prng(5);
  for (int round = 0; round < 5'000; ++round) {
    const std::string before = "0123456789";
    const std::uint64_t begin = prng.Below(11);
    const std::uint64_t deleted = prng.Below(11 - begin);
    const std::string inserted(prng.Below(3), 'X');
    const crdt::TextChange change{.position = {begin, begin, begin},
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
    TransformSplices(ShiftOf(change), PositionUnit::kUtf16, splices);

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

TEST(Names, AreFitOrSaidWhyNot) {
  EXPECT_EQ(WhyUnfitName("notes"), "");
  EXPECT_EQ(WhyUnfitName("Notizen für morgen"), "");
  for (const std::string& name :
       {std::string(), std::string(" x"), std::string("x "), std::string("a\nb"),
        std::string("\xff"), std::string(kNameBytesMax + 1, 'x'), std::string("a\0b", 3)}) {
    EXPECT_NE(WhyUnfitName(name), "") << name;
  }
}

// Two that look alike could be taken for each other, and one that turns for what it is not.
TEST(Names, HoldNothingThatCannotBeSeen) {
  const std::string rlo = "\u202e", zwnj = "\u200c", zwj = "\u200d";
  for (const std::string& name :
       {"esc" + rlo + "gnp.exe", std::string("a\u200eb"), std::string("a\u2066b\u2069"),
        std::string("a\u061cb"), std::string("a\u200bb"), std::string("a\u2060b"),
        std::string("a\ufeffb"), std::string("a\u00adb"), std::string("\u3164"),
        std::string("a\U000e0041"), "mi" + zwnj + "a", "mia" + zwj, zwj + "mia",
        "\u0645\u06cc" + zwnj, "\u0645" + zwnj + zwnj + "\u062e", "\u0645" + zwj + "x"}) {
    EXPECT_NE(WhyUnfitName(name), "") << name;
  }
  for (const std::string& name :
       {"\u0645\u06cc" + zwnj + "\u062e\u0648\u0627\u0647\u0645",        // Persian.
        "\U0001f469" + zwj + "\U0001f467", std::string("\u2764\ufe0f"),  // Emoji.
        std::string("\u05e9\u05dc\u05d5\u05dd"), std::string("\u845b\U000e0100")}) {
    EXPECT_EQ(WhyUnfitName(name), "") << name;
  }
}

TEST(Names, OfDocumentsAreNotTakenForNumbers) {
  EXPECT_NE(WhyUnfitDocumentName("id:4"), "");
  EXPECT_NE(WhyUnfitDocumentName("id:4 and more"), "");
  EXPECT_NE(WhyUnfitDocumentName("a\nb"), "");
  EXPECT_EQ(WhyUnfitDocumentName("id:"), "");
  EXPECT_EQ(WhyUnfitDocumentName("id: notes"), "");
  EXPECT_EQ(WhyUnfitDocumentName("an id:4"), "");
}

}  // namespace
}  // namespace coterie::state
