// Texts with very many attributes, as no editor makes them but anybody may send them: what an edit
// or an update costs is counted, and what costs too much is refused.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "crdt/atom_map.h"
#include "crdt/doc.h"
#include "crdt/lib0.h"
#include "crdt/text.h"
#include "crdt/transaction.h"

namespace coterie::crdt {
namespace {

constexpr char kMark = 6;  // The kind of a struct, and whether it has an origin.
constexpr char kString = 4;
constexpr char kHasOrigin = '\x80';

// An update of a text `text`: the attributes k0, k1, ... begin one after the other, and behind each
// stands a letter.
std::string LetterPerAttribute(Clock attributes, std::uint64_t client = 1) {
  Lib0Writer writer;
  const auto end = 2 * attributes;
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{end}, client}) {
    writer.VarUint(number);
  }
  writer.VarUint(0);
  for (Clock clock = 0; clock < end; ++clock) {
    const bool is_mark = clock % 2 == 0;
    const char kind = is_mark ? kMark : kString;
    const char info = static_cast<char>(clock == 0 ? kind : kind | kHasOrigin);
    writer.Raw(std::string_view(&info, 1));
    writer.VarUint(clock == 0 ? 1 : client);  // A root, or an origin.
    if (clock == 0) {
      writer.VarBytes("text");
    } else {
      writer.VarUint(clock - 1);
    }
    writer.VarBytes(is_mark ? "k" + std::to_string(clock / 2) : "x");
    if (is_mark) writer.VarBytes("1");
  }
  writer.VarUint(0);
  return writer.Take();
}

Doc DocOf(std::string_view update) {
  Doc doc({.garbage = Garbage::kCollect});
  EXPECT_FALSE(doc.Apply(update));
  return doc;
}

TEST(Attributes, OfAnEditThatNeedsNoneAreNotLookedFor) {
  constexpr Clock kAttributes = 20'000;
  Doc doc = DocOf(LetterPerAttribute(kAttributes));
  Text text(doc, doc.Root("text"));
  const std::uint64_t before = doc.scanned_items();

  for (int edit = 0; edit < 1'000; ++edit) {
    Transaction transaction(doc, Client(2));
    text.Insert(transaction, text.length(), "more");
    text.Delete(transaction, text.length() - 2, 1);
  }
  EXPECT_EQ(doc.scanned_items(), before);

  Transaction transaction(doc, Client(2));
  text.Insert(transaction, text.length(), "other", {{"k1", "2"}});
  EXPECT_GE(doc.scanned_items(), before + kAttributes);
}

TEST(Attributes, ThatAreTooManyAreRefused) {
  constexpr std::uint64_t kScannedMax = std::uint64_t{1} << 23;
  Outcome outcome;
  Doc doc({.garbage = Garbage::kCollect});
  EXPECT_FALSE(doc.ApplyWithin(kScannedMax, LetterPerAttribute(4'000), Watch::kNothing, outcome));
  const Malformed refused =
      doc.ApplyWithin(kScannedMax, LetterPerAttribute(6'000, 2), Watch::kNothing, outcome);
  EXPECT_EQ(refused.reason, kTooManyConflicts);
}

TEST(Attributes, ThatComeAgainAreCountedOnce) {
  Doc doc({.garbage = Garbage::kCollect});
  Text text(doc, doc.Root("text"));
  Transaction transaction(doc, Client(1));
  text.Insert(transaction, 0, std::string(2'000, 'x'));
  for (std::uint64_t i = 0; i < 1'000; ++i) text.Format(transaction, 2 * i, 1, {{"bold", "true"}});
  EXPECT_LT(doc.scanned_items(), 3'000u);
}

TEST(Attributes, OfATextThatIsGoneDoNotCountForTheNext) {
  Doc doc({.garbage = Garbage::kCollect});
  std::uint64_t first = 0;
  for (int round = 0; round < 2; ++round) {
    Transaction transaction(doc, Client(1));
    Text list(doc, doc.Root("list"));
    const TypeHandle made =
        list.InsertType(transaction, 0, {.kind = TypeKind::kText, .name = {}}, {});
    Text text(doc, made);
    text.Insert(transaction, 0, std::string(1'000, 'x'));
    const std::uint64_t before = doc.scanned_items();
    for (std::uint64_t i = 0; i < 1'000; ++i) {
      text.Format(transaction, i, 1, {{"k" + std::to_string(i), "1"}});
    }
    const std::uint64_t counted = doc.scanned_items() - before;
    if (round == 0) first = counted;
    EXPECT_EQ(counted, first);
    list.Delete(transaction, 0, 1);
  }
}

TEST(AtomMap, KeepsTheOrderOfAJavaScriptMap) {
  for (const Atom count : {5u, 100u, 100'000u}) {
    AtomMap<int> map;
    for (Atom key = 1; key <= count; ++key) map.Set(key, 0);
    for (Atom key = 1; key <= count; key += 2) map.Erase(key);
    for (Atom key = 2; key <= count; key += 2) map.Set(key, 1);  // Stays where it is.
    map.Set(1, 2);                                               // Comes to the end.
    EXPECT_EQ(map.size(), count / 2 + 1);
    Atom expected = 2;
    map.ForEach([&](Atom key, int value) {
      EXPECT_EQ(key, expected <= count ? expected : 1);
      EXPECT_EQ(value, expected <= count ? 1 : 2);
      expected += 2;
    });
    for (Atom key = 1; key <= count; ++key) {
      EXPECT_EQ(map.Find(key) != nullptr, key == 1 || key % 2 == 0);
      map.Erase(key);
    }
    EXPECT_TRUE(map.empty());
  }
}

}  // namespace
}  // namespace coterie::crdt
