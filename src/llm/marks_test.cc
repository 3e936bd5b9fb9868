#include "llm/marks.h"

#include <absl/strings/match.h>
#include <gtest/gtest.h>

#include "base/prng.h"

namespace coterie::llm {
namespace {

TEST(Marks, AreBrokenBehindTheirFirstCharacter) {
  const Marks marks({"</s>", "<|user|>", "[INST]", "<<SYS>>", "\xE2\x96\x81x", "Z"});

  EXPECT_EQ(marks.Broken("a</s><|user|>"), "a< /s>< |user|>");
  EXPECT_EQ(marks.Broken("[[INST]<<<SYS>>"), "[[ INST]<< <SYS>>");
  EXPECT_EQ(marks.Broken("\xE2\x96\x81x\xE2\x96\x81y"), "\xE2\x96\x81 x\xE2\x96\x81y");
  EXPECT_EQ(marks.Broken("</s <|user| Z"), "</s <|user| Z");
  EXPECT_EQ(marks.Broken(""), "");
  EXPECT_EQ(Marks().Broken("</s>"), "</s>");
}

TEST(Marks, ANulBecomesASpaceAndHidesNone) {
  const Marks marks({"</s>"});

  EXPECT_EQ(marks.Broken(std::string("<\0/s></\0s>", 10)), "< /s></ s>");
}

TEST(Marks, WhatASpaceCompletesIsBrokenToo) {
  const Marks marks({"<ab>", "x< ab>"});

  EXPECT_EQ(marks.Broken("x<ab>"), "x < ab>");
}

// Whatever the marks are, none is left.
TEST(Marks, NoneIsLeftInRandomTexts) {
  Prng prng(5);
  for (int i = 0; i < 20'000; ++i) {
    const auto random = [&](std::uint64_t size) {
      std::string text;
      for (; size > 0; --size) text += "ab<"[prng.Below(3)];
      return text;
    };
    std::vector<std::string> names;
    for (std::uint64_t j = 1 + prng.Below(4); j > 0; --j)
      names.push_back(random(2 + prng.Below(4)));
    const std::string text = random(prng.Below(30));
    const std::string broken = Marks(names).Broken(text);
    for (const std::string& name : names) {
      ASSERT_FALSE(absl::StrContains(broken, name)) << name << " in " << broken << " of " << text;
    }
  }
}

}  // namespace
}  // namespace coterie::llm
