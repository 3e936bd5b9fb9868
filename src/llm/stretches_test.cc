#include "llm/stretches.h"

#include <gtest/gtest.h>

#include <string>

namespace coterie::llm {
namespace {

TEST(Stretches, AreWordsAndBlanks) {
  EXPECT_EQ(LongestStretch(""), 0U);
  EXPECT_EQ(LongestStretch("one three\tfour"), 5U);
  EXPECT_EQ(LongestStretch("a  \n\r b"), 5U);
  // A blank beyond ASCII may go with either.
  EXPECT_EQ(LongestStretch("a\xC2\xA0 \xC2\xA0 b"), 6U);
  EXPECT_EQ(LongestStretch("a\xC2\xA0"), 3U);
}

TEST(Stretches, AreBoundedWhereLlamaCppDescends) {
  EXPECT_TRUE(CheckStretches(std::string(kStretchBytesMax, '!') + " !", "falcon").ok());
  for (const char c : {'!', 'a', ' ', '\n', '\xA4'}) {
    const std::string text(kStretchBytesMax + 1, c);
    EXPECT_EQ(CheckStretches(text, "deepseek-llm").code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(CheckStretches(text, "nobody knows").code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(CheckStretches(text, "llama-bpe").ok());
    EXPECT_TRUE(CheckStretches(text, "").ok());
  }
}

}  // namespace
}  // namespace coterie::llm
