#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

const std::vector<std::string> kLetters = {"a", "é", "€", "\U0001F600", "\n"};

std::string RandomText(Prng& prng, std::size_t letters) {
  std::string text;
  while (letters-- > 0) text += kLetters[prng.Below(kLetters.size())];
  return text;
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

}  // namespace
}  // namespace coterie
