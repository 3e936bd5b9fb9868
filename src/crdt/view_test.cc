// Views of documents that were made to be read at a great cost: they stay within their budget, and
// what is ordinary is whole.

#include "crdt/view.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/map.h"
#include "crdt/markdown.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/xml.h"

namespace coterie::crdt {
namespace {

constexpr std::uint64_t kFloorBytes = 1 << 20;

class ViewTest : public testing::Test {
 protected:
  TypeHandle root() { return doc_.Root("root"); }
  TypeHandle Append(TypeHandle parent, TypeKind kind, std::string_view name = {}) {
    Transaction transaction(doc_, Client(1));
    Array children(doc_, parent);
    return children
        .Insert(transaction, children.length(), {NewType{.kind = kind, .name = std::string(name)}})
        .front();
  }
  TypeHandle Element(TypeHandle parent, std::string_view name) {
    return Append(parent, TypeKind::kXmlElement, name);
  }
  // Behind each letter one more attribute is in force.
  TypeHandle LettersWithAttributes(std::uint64_t count) {
    const TypeHandle type = Append(root(), TypeKind::kXmlText);
    Text text(doc_, type);
    Transaction transaction(doc_, Client(1));
    text.Insert(transaction, 0, std::string(count, 'x'));
    for (std::uint64_t i = count; i-- > 0;) {
      text.Format(transaction, i, count - i, {{"bold--" + std::to_string(i), "true"}});
    }
    return type;
  }
  Delta DeltaOf(TypeHandle type, ViewBudget& budget) {
    return TypeToDelta(View{doc_.store(), budget}, type.branch);
  }

  Doc doc_{{.garbage = Garbage::kCollect}};
};

TEST_F(ViewTest, AttributesThatAreSaidAgainAndAgainAreTooMuch) {
  const TypeHandle text = LettersWithAttributes(1'500);  // 1.1 million of them in all.
  ViewBudget delta_budget(kFloorBytes);
  const Delta delta = DeltaOf(text, delta_budget);
  EXPECT_TRUE(delta_budget.is_spent());
  std::uint64_t said = 0;
  for (const DeltaOp& op : delta) said += op.attributes.size();
  EXPECT_LT(said, 4 * kFloorBytes / sizeof(Attributes::value_type));

  ViewBudget markdown_budget(kFloorBytes);
  EXPECT_LT(ToMarkdown(doc_, root(), markdown_budget).size(), 4 * kFloorBytes);
  EXPECT_TRUE(markdown_budget.is_spent());

  ViewBudget xml_budget(kFloorBytes);
  EXPECT_LT(
      TypeToString(View{doc_.store(), xml_budget}, root().branch, TypeKind::kXmlFragment).size(),
      4 * kFloorBytes);
  EXPECT_TRUE(xml_budget.is_spent());
}

TEST_F(ViewTest, WhatPeopleWriteIsWhole) {
  const TypeHandle type = Append(Element(root(), "paragraph"), TypeKind::kXmlText);
  {
    Transaction transaction(doc_, Client(1));
    Text text(doc_, type);
    for (int i = 0; i < 5'000; ++i) {
      text.Insert(transaction, text.length(), "some words ", {{"bold", "true"}, {"italic", "{}"}});
      text.Insert(transaction, text.length(), "and others ", {});
    }
  }
  ViewBudget budget(0);
  EXPECT_EQ(DeltaOf(type, budget), Text(doc_, type).ToDelta());
  EXPECT_FALSE(budget.is_spent());
  ViewBudget markdown_budget(0);
  EXPECT_TRUE(ToMarkdown(doc_, root(), markdown_budget) == ToMarkdown(doc_, root()));
  EXPECT_FALSE(markdown_budget.is_spent());
}

TEST_F(ViewTest, ATableOfOneWideRowAndManyNarrowOnesIsTooMuch) {
  const TypeHandle table = Element(root(), "table");
  const TypeHandle wide = Element(table, "tableRow");
  for (int i = 0; i < 2'000; ++i) Element(wide, "tableCell");
  for (int i = 0; i < 2'000; ++i) Element(table, "tableRow");
  ViewBudget budget(kFloorBytes);
  EXPECT_LT(ToMarkdown(doc_, root(), budget).size(), kFloorBytes);
  EXPECT_TRUE(budget.is_spent());
}

// Else this would take hours.
TEST_F(ViewTest, ABoxWithManyAttributesIsLookedIntoOnce) {
  constexpr int kMany = 200'000;
  const TypeHandle container = Element(root(), "blockContainer");
  const TypeHandle box = Element(container, "checkListItem");
  {
    Transaction transaction(doc_, Client(1));
    Map attributes(doc_, box);
    for (int i = 0; i < kMany; ++i) {
      attributes.Set(transaction, std::to_string(i), NewAny{std::string(1, '\x78')});
    }
    attributes.Set(transaction, "checked", NewAny{std::string(1, '\x78')});
    const std::vector<NewContent> lines(kMany, NewType{TypeKind::kXmlElement, "horizontalRule"});
    Array(doc_, container).Insert(transaction, 1, lines);
  }
  std::string markdown = "- [x]";
  for (int i = 0; i < kMany; ++i) markdown += "\n  ---";
  EXPECT_TRUE(ToMarkdown(doc_, root()) == markdown);
}

TEST_F(ViewTest, ValuesThatTakeAHundredTimesTheirBytesAreTooMuch) {
  std::string booleans("\x75\x80\x80\x40", 4);  // So many values within one.
  booleans.append(1 << 20, '\x78');
  {
    Transaction transaction(doc_, Client(1));
    Array(doc_, doc_.Root("row")).Insert(transaction, 0, {NewAny{booleans}});
    const std::vector<NewContent> values(1 << 20, NewAny{std::string(1, '\x78')});
    Array(doc_, doc_.Root("rows")).Insert(transaction, 0, values);
    Map map(doc_, doc_.Root("map"));
    for (int i = 0; i < 1 << 17; ++i) {
      map.Set(transaction, std::to_string(i), NewAny{std::string(1, '\x78')});
    }
  }
  for (const Doc::TypedRoot& root :
       {Doc::TypedRoot{"row", TypeKind::kArray}, Doc::TypedRoot{"rows", TypeKind::kArray},
        Doc::TypedRoot{"map", TypeKind::kMap}}) {
    ViewBudget budget(kFloorBytes);
    EXPECT_EQ(doc_.ToJson({root}, budget), "") << root.name;
    EXPECT_TRUE(budget.is_spent()) << root.name;
    ViewBudget large(std::uint64_t{1} << 30);
    EXPECT_EQ(doc_.ToJson({root}, large), doc_.ToJson({root})) << root.name;
    EXPECT_FALSE(large.is_spent()) << root.name;
  }
}

TEST_F(ViewTest, AttributesWithinJsonAreWithinItsBudget) {
  LettersWithAttributes(1'500);
  ViewBudget budget(kFloorBytes);
  EXPECT_EQ(doc_.ToJson({{"root", TypeKind::kArray}}, budget), "");
  EXPECT_TRUE(budget.is_spent());
}

// As String() of a Uint8Array, which a ContentBinary and an `any` within another one are.
TEST_F(ViewTest, BytesAreToldByNumber) {
  const TypeHandle element = Element(root(), "p");
  {
    Transaction transaction(doc_, Client(1));
    Map attributes(doc_, element);
    attributes.Set(transaction, "a", NewBinary{std::string("\x00\xff\x01", 3)});
    attributes.Set(transaction, "b", NewAny{"\x75\x01\x74\x02\x07\x08"});
  }
  EXPECT_EQ(ToXml(doc_, root()), "<p a=\"0,255,1\" b=\"7,8\"></p>");
}

TEST_F(ViewTest, TheKeyThatIsNoKeyInJavaScriptIsLeftOut) {
  const TypeHandle map = doc_.Root("map");
  {
    Transaction transaction(doc_, Client(1));
    Map(doc_, map).Set(transaction, "__proto__", NewAny{"\x78"});
    Map(doc_, map).Set(transaction, "constructor", NewAny{"\x78"});
  }
  EXPECT_EQ(Map(doc_, map).ToJson(), "{\"constructor\":true}");
}

TEST_F(ViewTest, AFenceIsLongerThanAnyRunOfBackticks) {
  const TypeHandle type = Append(Element(root(), "codeBlock"), TypeKind::kXmlText);
  const std::string run(300'000, '`');
  {
    Transaction transaction(doc_, Client(1));
    Text(doc_, type).Insert(transaction, 0, "a" + run + "b``c");
  }
  const std::string markdown = ToMarkdown(doc_, root());
  EXPECT_TRUE(markdown == run + "`\na" + run + "b``c\n" + run + "`");
}

TEST_F(ViewTest, LettersAreToldOneAfterTheOther) {
  std::string letters;
  for (int i = 0; i < 200'000; ++i) letters += "\xf0\x9f\x99\x82";
  {
    Transaction transaction(doc_, Client(1));
    Text(doc_, root()).Insert(transaction, 0, letters);
  }
  // Each half of a pair takes three bytes when it is told alone.
  EXPECT_EQ(ToXml(doc_, root()).size(), 200'000u * 6);
  EXPECT_EQ(TypeToValue(doc_.store(), root().branch, TypeKind::kArray).items.size(), 400'000u);
}

}  // namespace
}  // namespace coterie::crdt
