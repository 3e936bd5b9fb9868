// What documents of rich editors read as: those that the editors themselves made (tests/rich), and
// what no editor would make.

#include "crdt/markdown.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"

namespace coterie::crdt {
namespace {

std::string FromBase64(const std::string& text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count);
  }
  return bytes;
}

std::string FileOf(const std::string& name) {
  std::ifstream file("testdata/rich/" + name);
  EXPECT_TRUE(file.is_open()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// COTERIE_REWRITE=1 writes what is said now, for a human to read in the diff.
TEST(Markdown, SaysWhatRichEditorsWrote) {
  std::istringstream documents(FileOf("documents.txt"));
  std::string said;
  std::string name;
  std::string root;
  std::string update;
  while (documents >> name >> root >> update) {
    Doc doc({.garbage = Garbage::kCollect});
    ASSERT_FALSE(doc.Apply(FromBase64(update))) << name;
    said += "==== " + name + "\n" + ToMarkdown(doc, doc.Root(root)) + "\n";
  }
  if (std::getenv("COTERIE_REWRITE") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    std::ofstream("testdata/rich/markdown.txt") << said;
  }
  EXPECT_EQ(said, FileOf("markdown.txt"));
}

// A paragraph of pieces, each with its attributes.
std::string LineOf(const std::vector<std::pair<std::string, Attributes>>& pieces) {
  Doc doc({.garbage = Garbage::kCollect});
  Transaction transaction(doc, Client(1));
  Array root(doc, doc.Root("default"));
  const TypeHandle paragraph =
      root.Insert(transaction, 0, {NewType{.kind = TypeKind::kXmlElement, .name = "paragraph"}})[0];
  const TypeHandle handle =
      Array(doc, paragraph)
          .Insert(transaction, 0, {NewType{.kind = TypeKind::kXmlText, .name = ""}})[0];
  Text text(doc, handle);
  for (const auto& [piece, attributes] : pieces) {
    text.Insert(transaction, text.length(), piece, attributes);
  }
  transaction.Commit();
  return ToMarkdown(doc, doc.Root("default"));
}

TEST(Markdown, MarksStandBesideLettersAndNest) {
  const Attributes bold = {{"bold", "{}"}};
  const Attributes both = {{"bold", "{}"}, {"italic", "{}"}};
  EXPECT_EQ(LineOf({{"a ", {}}, {" b ", bold}, {"c", {}}}), "a  **b** c");
  EXPECT_EQ(LineOf({{"a", bold}, {"b", both}, {"c", bold}}), "**a*b*c**");
  EXPECT_EQ(LineOf({{"a", both}, {"b", {{"italic", "{}"}}}}), "***a****b*");
  EXPECT_EQ(LineOf({{"  ", bold}, {"x", {}}}), "  x");
  EXPECT_EQ(LineOf({{"a", {{"link--Ab1", "{\"href\":\"u\"}"}, {"code", "true"}}}}), "[`a`](u)");
  EXPECT_EQ(LineOf({{"a", {{"bold", "false"}, {"link", "5"}}}}), "[a]()");
}

TEST(Markdown, WhatNestsTooDeepIsLeftOut) {
  Doc doc({.garbage = Garbage::kCollect});
  Transaction transaction(doc, Client(1));
  TypeHandle at = doc.Root("default");
  for (int i = 0; i < 5'000; ++i) {
    at = Array(doc, at).Insert(transaction, 0,
                               {NewType{.kind = TypeKind::kXmlElement, .name = "blockquote"}})[0];
  }
  transaction.Commit();
  EXPECT_LT(ToMarkdown(doc, doc.Root("default")).size(), 1'000u);
}

TEST(Markdown, OfWhatIsNoXmlIsNothing) {
  Doc doc({.garbage = Garbage::kCollect});
  Transaction transaction(doc, Client(1));
  Map(doc, doc.Root("map")).Set(transaction, "a", NewAny{.any = "\x78"});
  transaction.Commit();
  EXPECT_EQ(ToMarkdown(doc, doc.Root("map")), "");
  EXPECT_EQ(ToMarkdown(doc, doc.Root("nobody")), "");
}

}  // namespace
}  // namespace coterie::crdt
