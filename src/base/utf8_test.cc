#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "base/prng.h"

namespace coterie {
namespace {

bool IsValidOneByOne(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = CodePointLength(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

TEST(Utf8, WordsAreJudgedAsBytesAre) {
  constexpr unsigned char kThird[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
  int valid = 0;
  for (int lead = 0; lead < 256; ++lead) {
    for (int second = 0; second < 256; ++second) {
      for (const unsigned char third : kThird) {
        std::string text(static_cast<std::size_t>(second % 9), 'a');
        if (third >= 0x90) text += "人";
        for (const int byte : {lead, second, static_cast<int>(third), 0x80}) {
          text.push_back(static_cast<char>(byte));
        }
        text += "bcdefghi";

        const bool is_valid = IsValidOneByOne(text);

        ASSERT_EQ(IsValidUtf8(text), is_valid) << lead << " " << second << " " << int{third};
        valid += is_valid ? 1 : 0;
      }
    }
  }
  EXPECT_GT(valid, 0);
}

TEST(Utf8, LengthsAgreeAtEverySize) {
  Prng prng(7);
  constexpr std::string_view kParts[] = {"a", "é", "人", "😀", "plain ascii of some length"};
  std::string text;
  while (text.size() < 5000) {
    text += kParts[prng.Below(5)];
    ASSERT_TRUE(IsValidUtf8(text));
    ASSERT_EQ(Utf16Length(text), MeasureUtf8(text).utf16) << text.size();
  }
}

}  // namespace
}  // namespace coterie
