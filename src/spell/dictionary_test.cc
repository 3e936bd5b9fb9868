#include "spell/dictionary.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace coterie::spell {
namespace {

TEST(Dictionary, KnowsWordsAndSuggestsOthers) {
  const std::unique_ptr<Dictionary> english = Dictionary::Open(Dictionary::kFolder, "en_US");
  ASSERT_NE(english, nullptr) << "hunspell-en-us is not installed";
  EXPECT_TRUE(english->Knows("receive"));
  EXPECT_TRUE(english->Knows("doesn't"));
  EXPECT_FALSE(english->Knows("recieve"));
  EXPECT_FALSE(english->Knows("\xF0\x9F\x98\x80x"));
  const std::vector<std::string> suggestions = english->Suggest("recieve");
  EXPECT_EQ(suggestions.at(0), "receive");
}

TEST(Dictionary, IsNoneWhereThereIsNone) {
  EXPECT_EQ(Dictionary::Open(Dictionary::kFolder, "xx_XX"), nullptr);
  EXPECT_EQ(Dictionary::Open(Dictionary::kFolder, "../../etc/en_US"), nullptr);
  EXPECT_EQ(Dictionary::Open(Dictionary::kFolder, ""), nullptr);
}

}  // namespace
}  // namespace coterie::spell
