#include "llm/grammar_check.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <string>

namespace coterie::llm {
namespace {

std::string Times(std::size_t count, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}
std::string Nested(std::size_t depth) {
  return absl::StrCat("root ::= ", Times(depth, "("), "\"a\"", Times(depth, ")"));
}
// r0 ::= BODY, r1 ::= BODY ...; "@" in it is the next one's name.
std::string Ladder(std::size_t rungs, const std::string& body, const std::string& last) {
  std::string text = "root ::= r0\n";
  for (std::size_t i = 0; i < rungs; ++i) {
    absl::StrAppend(&text, "r", i, " ::= ");
    for (const char c : body) {
      c == '@' ? absl::StrAppend(&text, "r", i + 1) : absl::StrAppend(&text, std::string(1, c));
    }
    text += '\n';
  }
  return absl::StrCat(text, "r", rungs, " ::= ", last, "\n");
}

void ExpectTaken(const std::string& grammar) {
  const absl::Status status = CheckGrammar(grammar);
  EXPECT_TRUE(status.ok()) << status << "\n" << grammar.substr(0, 200);
}
void ExpectRefused(const std::string& grammar, const std::string& why) {
  const absl::Status status = CheckGrammar(grammar);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << grammar.substr(0, 200);
  EXPECT_TRUE(absl::StrContains(status.message(), why)) << status << "\n" << grammar.substr(0, 200);
}

// As llama.cpp's own grammars/json.gbnf.
constexpr char kJson[] = R"gbnf(
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
)gbnf";

TEST(GrammarCheck, TakesWhatPeopleWrite) {
  ExpectTaken(kJson);
  ExpectTaken("root ::= \"yes\" | \"no\"");
  ExpectTaken("root ::= [^\"\\n]+ \"\\u00e9\" . \"\xC3\xA9\" [a-] [\\]a] <|end|> !<[12]>");
  ExpectTaken("  # only a comment before\r\n root::=a\r\na ::= (\r\n \"x\" | \r\n \"y\" ){2, 5} ");
  ExpectTaken(
      "root ::= x{3} y{0,1000} z{2,}\nx ::= \"x\"\ny ::= \"y\"\nz ::= \"z\" z \"z\" | \".\"");
  std::string choices = "root ::= \"c0\"";
  for (int i = 1; i < 250; ++i) absl::StrAppend(&choices, " | \"c", i, "\"");
  ExpectTaken(choices);
}

TEST(GrammarCheck, SaysWhereItDoesNotParse) {
  ExpectRefused("root ::= \"a", "at byte 11: this text has no end");
  ExpectRefused("root ::= [a-", "at byte 12: these characters has no end");
  ExpectRefused("root ::= (\"a\"", "at byte 13: \")\" is expected here");
  ExpectRefused("root ::= \"a\")", "at byte 12: the end of the rule");
  ExpectRefused("root = \"a\"", "at byte 5: \"::=\"");
  ExpectRefused("root ::= *", "at byte 10: there is nothing before this to repeat");
  ExpectRefused("root ::= \"\\q\"", "at byte 10: there is no such escape");
  ExpectRefused("root ::= \"\\u12\"", "4 hexadecimal digits");
  ExpectRefused("root ::= a", "at byte 9: the rule \"a\" is not defined");
  ExpectRefused("rot ::= \"a\"", "no rule \"root\"");
  ExpectRefused("", "no rule \"root\"");
  ExpectRefused(std::string("root ::= \"a\"\0 (", 15), "at byte 12: a NUL");
  ExpectRefused("root ::= \"\xE2\" \"\"\"", "not UTF-8");
  ExpectRefused(std::string(kGrammarBytesMax + 1, ' '), "at most 65536");
}

TEST(GrammarCheck, BoundsDepth) {
  ExpectTaken(Nested(kGrammarDepthMax));
  ExpectRefused(Nested(kGrammarDepthMax + 1), "at byte 73: more than 64 parentheses");
  ExpectRefused(Nested(32'700), "parentheses within each other");
}

TEST(GrammarCheck, BoundsRepetitions) {
  ExpectTaken("root ::= \"a\"{1000}");
  ExpectRefused("root ::= \"a\"{1001}", "at byte 13: more than 1000 repetitions");
  ExpectRefused("root ::= \"a\"{0,1000000}", "more than 1000 repetitions");
  ExpectRefused("root ::= \"a\"{99999999999999999999999}", "more than 1000 repetitions");
  ExpectRefused("root ::= \"a\"{5,2}", "at byte 12: at most fewer than at least");
  ExpectRefused("root ::= \"a\"{3,0}", "fewer");
  // Few bytes that become many.
  ExpectRefused(absl::StrCat("root ::= \"", Times(100, "a"), "\"{1000}"), "more than 65536");
  ExpectRefused(absl::StrCat("root ::= \"", Times(500, "a"), "\"{0,500}"), "more than 65536");
  ExpectRefused(absl::StrCat("root ::= ", Times(100, "\"a\"{1000} ")), "more than 65536");
  ExpectRefused(absl::StrCat("root ::= ", Times(10, "\"a\"{0,1000} ")), "more than 4096 rules");
  ExpectRefused(absl::StrCat("root ::= ", Times(5'000, "(\"a\")")), "more than 4096 rules");
  ExpectRefused(absl::StrCat("root ::= \"a\"\n", Times(300, "n"), " ::= \"a\""), "more than 256");
}

TEST(GrammarCheck, FindsLeftRecursion) {
  ExpectRefused("root ::= root \"a\" | \"b\"", "at byte 0: the rule \"root\"");
  ExpectRefused("root ::= a\na ::= \"x\" | b \"y\"\nb ::= a", "may begin with itself");
  ExpectRefused("root ::= (\"\")*", "may begin with itself");
  ExpectRefused("root ::= (\"a\"?)*", "may begin with itself");
  // Through what is empty only by way of another rule.
  ExpectRefused("root ::= b root\nb ::= c\nc ::= ", "may begin with itself");
  ExpectRefused("root ::= b root \"z\" | \"x\"\nb ::= c\nc ::= | \"y\"", "may begin with itself");
  ExpectTaken("root ::= \"a\" root | \"b\"");
  ExpectTaken("root ::= \"(\" root \")\" root | \"\"");
}

TEST(GrammarCheck, BoundsTheWaysToGoOn) {
  ExpectTaken(Ladder(6, "@ \"x\" | @ \"y\"", "\"a\""));
  ExpectRefused(Ladder(7, "@ \"x\" | @ \"y\"", "\"a\""), "in more than 256 ways at once");
  ExpectRefused(Ladder(40, "@ | @", "\"a\""), "in more than 256 ways at once");
  ExpectRefused(absl::StrCat("root ::= \"x\" ", Times(1'000, "\"a\"? ")), "ways at once");
  ExpectTaken(absl::StrCat("root ::= \"x\" ", Times(80, "\"a\"? ")));
}

}  // namespace
}  // namespace coterie::llm
