#include "crdt/json.h"

#include <gtest/gtest.h>

#include <string>

#include "crdt/js_value.h"

namespace coterie::crdt {
namespace {

// As JSON.stringify(JSON.parse(text)).
std::string Rewritten(std::string_view text) {
  EXPECT_FALSE(CheckJson(text)) << text;
  std::string json;
  EXPECT_TRUE(WriteJson(ParseJson(text), json));
  return json;
}

TEST(Json, AcceptsWhatTheStandardDoes) {
  for (const std::string_view text :
       {"null", " true ", "false\n", "0", "-0", "12.5e-3", "1E+2", "\"\"", "\"\\u00e9\\n\\/\"",
        "[]", "[1,[2,{}]]", "{\"a\":{\"b\":[null]},\"c\":1}", "\t{ \"a\" : 1 , \"b\" : 2 }\r"}) {
    EXPECT_FALSE(CheckJson(text)) << text;
  }
}

TEST(Json, RefusesWhatJsonParseThrowsAt) {
  for (const std::string_view text : {"",
                                      " ",
                                      "nul",
                                      "undefined",
                                      "NaN",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "-",
                                      "'a'",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\",
                                      "\"\n\"",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{a:1}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "1 1",
                                      "[",
                                      "{",
                                      "]",
                                      "\xef\xbb\xbf"
                                      "1"}) {
    EXPECT_TRUE(CheckJson(text)) << text;
  }
}

TEST(Json, SaysWhere) {
  EXPECT_EQ(CheckJson("[1,2,x]").offset_bytes, 5u);
  EXPECT_EQ(CheckJson("[1] 2").offset_bytes, 4u);
}

TEST(Json, NestsOnlySoDeep) {
  const std::string open(kJsonDepthMax, '[');
  const std::string close(kJsonDepthMax, ']');
  EXPECT_FALSE(CheckJson(open + close));
  EXPECT_EQ(CheckJson("[" + open + close + "]").reason, "a JSON value is nested too deeply");
  EXPECT_TRUE(CheckJson(std::string(1'000'000, '[')));
}

TEST(JsValue, IsWrittenAsJavaScriptDoes) {
  EXPECT_EQ(Rewritten("[1.0, -0, 1e21, 123456789012345680000, 1e-7, 0.000001, 5e-324, 1e400]"),
            "[1,0,1e+21,123456789012345680000,1e-7,0.000001,5e-324,null]");
  EXPECT_EQ(Rewritten("[-1e-400, 0.1, 4.35, 1000000000000000128, 1.7976931348623157e308]"),
            "[0,0.1,4.35,1000000000000000100,1.7976931348623157e+308]");
  EXPECT_EQ(Rewritten(R"({"b":1,"10":2,"a":3,"9":4,"b":5,"01":6,"4294967295":7})"),
            R"({"9":4,"10":2,"b":5,"a":3,"01":6,"4294967295":7})");
  EXPECT_EQ(Rewritten(R"(["\u00e9\ud83d\ude00\ud83d x\udc00\u0001\/\b\u007f"])"),
            "[\"é😀\\ud83d x\\udc00\\u0001/\\b\x7f\"]");
}

TEST(JsValue, AnAssignedPrototypeIsNoMember) {
  // {__proto__: 1, a: 2} as `any`.
  Lib0Reader reader(
      std::string_view("\x76\x02\x09__proto__\x7d\x01\x01"
                       "a\x7d\x02"));
  std::string json;
  EXPECT_TRUE(WriteJson(ReadAny(reader), json));
  EXPECT_EQ(json, R"({"a":2})");
  EXPECT_EQ(Rewritten(R"({"__proto__":1,"a":2})"), R"({"__proto__":1,"a":2})");
}

}  // namespace
}  // namespace coterie::crdt
