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
