// What is done without a language model: spelling against a dictionary, and summaries made of the
// text's own sentences.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "assist/extract.h"
#include "assist/spelling.h"

namespace coterie::assist {
namespace {

class SpellingTest : public testing::Test {
 protected:
  Spelling Check(std::string_view text, std::size_t found_max = 100) {
    return CheckSpelling(text, speller_, found_max);
  }
  // "before>after" of each.
  std::vector<std::string> Found(std::string_view text) {
    std::vector<std::string> found;
    for (const Misspelling& wrong : Check(text).found) {
      EXPECT_EQ(text.substr(wrong.range.begin, wrong.range.size()), wrong.before);
      found.push_back(wrong.before + ">" + wrong.after);
    }
    return found;
  }

  std::set<std::string, std::less<>> words_ = {"we",   "receive", "the",  "mail",
                                               "that", "is",      "will", "caf\xC3\xA9"};
  Speller speller_{.knows = [this](std::string_view word) { return words_.contains(word); },
                   .suggest =
                       [](std::string_view word) {
                         if (word == "qqq") return std::vector<std::string>();
                         return std::vector<std::string>{"the", "mail", "is"};
                       }};
};

using Strings = std::vector<std::string>;

TEST_F(SpellingTest, FindsWhatNoDictionaryKnows) {
  EXPECT_EQ(Found("We receive teh mail. Teh mial is the caf\xC3\xA9."),
            (Strings{"teh>the", "Teh>the", "mial>the"}));
  EXPECT_EQ(Check("We teh").found.at(0).why, "spelling; or: mail, is");
}

TEST_F(SpellingTest, LeavesNamesLinksAndCodeAlone) {
  EXPECT_EQ(Found("the Zork, NASA, iPhone, x, snake_case, a/b, zork@exmple.org, exmple.org"),
            Strings());
  EXPECT_EQ(Found("`teh` teh2 #teh --teh=1 $teh"), Strings());
}

TEST_F(SpellingTest, FindsWordsThatStandTwice) {
  EXPECT_EQ(Found("we receive the the mail"), (Strings{"the the>the"}));
  EXPECT_EQ(Found("The the mail is that."), (Strings{"The the>The"}));
  EXPECT_EQ(Found("that that is, is the, the mail. Will will receive the mail."), Strings());
}

TEST_F(SpellingTest, SaysWhereItStopped) {
  const std::string text = "teh mail teh mail teh";
  const Spelling some = Check(text, 2);
  EXPECT_EQ(some.found.size(), 2u);
  EXPECT_EQ(some.end, 13u);
  EXPECT_EQ(Check(text.substr(some.end)).found.size(), 1u);
  EXPECT_EQ(Check(text).end, text.size());
  EXPECT_EQ(Check("the qqq").unknown, 1u);
  std::string foreign;
  for (int i = 0; i < 1'500; ++i) foreign += "qqq, ";
  EXPECT_LE(Check(foreign).unknown, 1'000u);
  EXPECT_LT(Check(foreign).end, foreign.size());
  EXPECT_EQ(Check("").end, 0u);
}

// Work that grows with the square of the text takes an hour here.
TEST_F(SpellingTest, OfWordsWithoutABlankReadsEachOnce) {
  words_.insert("ab");
  std::string text;
  while (text.size() < (1 << 20)) text += "ab,";
  EXPECT_EQ(Check(text).end, text.size());
  EXPECT_EQ(Found("ab,teh,ab, teh_ab,teh ab,teh"), (Strings{"teh>the", "teh>the"}));
}

TEST_F(SpellingTest, EndsWhenNobodyWantsItAnyMore) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "we receive mail ";
  int asked = 0;
  const Spelling some = CheckSpelling(text, speller_, 100, [&asked] { return ++asked > 10; });
  EXPECT_GT(some.end, 0u);
  EXPECT_LT(some.end, text.size());
  EXPECT_EQ(CheckSpelling(text, speller_, 100, [] { return false; }).end, text.size());
}

TEST_F(SpellingTest, AsksOnceForAWordThatIsRepeated) {
  std::map<std::string, int, std::less<>> asked;
  speller_.suggest = [&asked](std::string_view word) {
    ++asked[std::string(word)];
    return word == "qqq" ? Strings() : Strings{"the", "mail"};
  };
  std::string text;
  for (int i = 0; i < 40; ++i) text += "We receive teh mial, qqq. ";
  const Spelling spelling = Check(text);
  EXPECT_EQ(spelling.found.size(), 80u);
  EXPECT_EQ(spelling.found.back().after, "the");
  EXPECT_EQ(spelling.found.back().why, "spelling; or: mail");
  EXPECT_EQ(spelling.unknown, 40u);
  EXPECT_EQ(asked, (std::map<std::string, int, std::less<>>{{"mial", 1}, {"qqq", 1}, {"teh", 1}}));
}

constexpr char kReport[] =
    "# Report\n\nThe cluster has three nodes. Each node keeps a log of the cluster on its disk. "
    "Lunch was good. A node that fails loses no log entry, because the other nodes of the cluster "
    "have the log. The weather changed twice. The leader of the cluster sends its log to the other "
    "nodes.\n";

TEST(Extract, KeepsTheSentencesThatTheOthersShare) {
  EXPECT_EQ(
      ExtractSummary(kReport, SummaryForm::kBullets),
      "- A node that fails loses no log entry, because the other nodes of the cluster have the "
      "log.\n- The leader of the cluster sends its log to the other nodes.");
  const std::string paragraph = ExtractSummary(kReport, SummaryForm::kParagraph);
  EXPECT_EQ(paragraph.find("- "), std::string::npos);
  EXPECT_EQ(paragraph.find("Lunch"), std::string::npos);
}

TEST(Extract, IsBoundedAndTakesAnything) {
  EXPECT_EQ(ExtractSummary("", SummaryForm::kBullets), "");
  EXPECT_EQ(ExtractSummary(" \n ", SummaryForm::kBullets), "");
  EXPECT_EQ(ExtractSummary("Milk", SummaryForm::kBullets), "- Milk");
  EXPECT_EQ(ExtractSummary("One sentence stands alone here.", SummaryForm::kParagraph),
            "One sentence stands alone here.");
  std::string many;
  for (int i = 0; i < 5'000; ++i) {
    many += "Sentence number" + std::to_string(i % 97) + " speaks of topic" +
            std::to_string(i % 13) + " again. ";
  }
  const std::string summary = ExtractSummary(many, SummaryForm::kBullets);
  EXPECT_EQ(std::count(summary.begin(), summary.end(), '\n'), 6);
  EXPECT_EQ(ExtractSummary(many, SummaryForm::kBullets, [] { return true; }), "");
}

}  // namespace
}  // namespace coterie::assist
