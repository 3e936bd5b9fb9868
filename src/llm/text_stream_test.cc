#include "llm/text_stream.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace coterie::llm {
namespace {

using Ending = TextStream::Ending;

struct Read {
  std::string text;
  bool is_stopped = false;
};

// All of `bytes` in pieces of random sizes up to `piece_max`.
Read ReadInPieces(std::vector<std::string> stops, std::string_view bytes, Prng& prng,
                  std::size_t piece_max) {
  TextStream stream(std::move(stops));
  Read read;
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(prng.Between(1, piece_max), bytes.size());
    read.text += stream.Append(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  read.text += stream.Finish(Ending::kByModel);
  read.is_stopped = stream.is_stopped();
  return read;
}

TEST(TextStream, GivesOutWholeCharacters) {
  TextStream stream({});
  EXPECT_EQ(stream.Append("caf\xC3"), "caf");
  EXPECT_EQ(stream.Append("\xA9 \xF0\x9F"), "\xC3\xA9 ");
  EXPECT_EQ(stream.Append("\x98"), "");
  EXPECT_EQ(stream.Append("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.Finish(Ending::kByModel), "");
}

TEST(TextStream, ReplacesWhatIsNoCharacter) {
  TextStream stream({});
  EXPECT_EQ(stream.Append("\xFF"), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.Append("\xC3("), "\xEF\xBF\xBD(");
  EXPECT_EQ(stream.Append("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // A surrogate.
  EXPECT_EQ(stream.Append("a\xE2\x82"), "a");
  EXPECT_EQ(stream.Finish(Ending::kByModel), "\xEF\xBF\xBD");
}

TEST(TextStream, ALimitLeavesOutTheCharacterThatItCuts) {
  TextStream stream({"aab"});
  EXPECT_EQ(stream.Append("a\xE2\x82"), "a");
  EXPECT_EQ(stream.Finish(Ending::kByLimit), "");
  EXPECT_EQ(stream.Append("\xF0\x9F\x98"), "");
  EXPECT_EQ(stream.Append("\x80"
                          "aa\xC3"),
            "\xF0\x9F\x98\x80"
            "aa");
  EXPECT_EQ(stream.Finish(Ending::kByLimit), "");
  // What is malformed and what might have become a stop string belong to the answer.
  EXPECT_EQ(stream.Append("\xFF"
                          "aa"),
            "\xEF\xBF\xBD");
  EXPECT_EQ(stream.Finish(Ending::kByLimit), "aa");
}

TEST(TextStream, StopsAcrossTokens) {
  TextStream stream({"brown fox"});
  EXPECT_EQ(stream.Append("The quick bro"), "The quick ");
  EXPECT_EQ(stream.Append("wn"), "");
  EXPECT_EQ(stream.Append(" fox jumps"), "");
  EXPECT_TRUE(stream.is_stopped());
  EXPECT_EQ(stream.Append("more"), "");
  EXPECT_EQ(stream.Finish(Ending::kByModel), "");
}

TEST(TextStream, GivesOutWhatTurnedOutToBeNoStop) {
  TextStream stream({"aab"});
  EXPECT_EQ(stream.Append("xaa"), "x");
  EXPECT_EQ(stream.Append("a"), "a");  // "aa" may still become one.
  EXPECT_EQ(stream.Append("c"), "aac");
  EXPECT_EQ(stream.Append("aa"), "");
  EXPECT_EQ(stream.Finish(Ending::kByModel), "aa");
  EXPECT_FALSE(stream.is_stopped());
}

TEST(TextStream, StopsWithinTheTextOfOneToken) {
  TextStream stream({"###", "\n\n"});
  EXPECT_EQ(stream.Append("one\n\ntwo###"), "one");
  EXPECT_TRUE(stream.is_stopped());
}

// However the bytes come in pieces, the text is that of all at once, up to the first stop string.
TEST(TextStream, PiecesMakeNoDifference) {
  Prng prng(11);
  const std::vector<std::string> alphabet = {
      "a", "b", "ab", "\xC3\xA9", "\xC3", "\xF0\x9F\x98\x80", "\x9F", "\xE2\x82", "c"};
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes;
    const std::size_t parts = prng.Below(30);
    for (std::size_t i = 0; i < parts; ++i) bytes += alphabet[prng.Below(alphabet.size())];
    const Read whole = ReadInPieces({}, bytes, prng, 1'000);
    const std::string stop = "b\xC3\xA9";
    const std::size_t at = whole.text.find(stop);

    const Read read = ReadInPieces({stop}, bytes, prng, 4);

    EXPECT_EQ(ReadInPieces({}, bytes, prng, 3).text, whole.text);
    EXPECT_EQ(read.text, whole.text.substr(0, at));
    EXPECT_EQ(read.is_stopped, at != std::string::npos);
  }
}

}  // namespace
}  // namespace coterie::llm
