#include "crdt/restore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/item_store.h"
#include "crdt/js_value.h"
#include "crdt/map.h"
#include "crdt/test_bytes.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/unit_cursor.h"
#include "crdt/xml.h"

namespace coterie::crdt {
namespace {

using namespace std::string_literals;

Doc Empty() { return Doc({.garbage = Garbage::kCollect}); }

Doc CopyOf(const Doc& doc) {
  Doc copy = Empty();
  EXPECT_FALSE(copy.Apply(doc.EncodeStateAsUpdate()));
  return copy;
}

NewAny Any(std::string_view json) {
  Lib0Writer writer;
  WriteAny(ParseJson(json), writer);
  return {writer.Take()};
}

NewType Type(TypeKind kind, std::string name = "") {
  return {.kind = kind, .name = std::move(name)};
}

// All that is in a doc, of which a client can see the least difference: by kinds and bytes.
class Description {
 public:
  explicit Description(const Doc& doc) : store_(doc.store()) {}

  std::string Of(const Doc& doc) {
    std::vector<std::string> names = doc.root_names();
    std::sort(names.begin(), names.end());
    std::string all;
    for (const std::string& name : names) {
      const std::string root = Of(store_.Resolve(*doc.FindRoot(name)));
      if (!root.empty()) all += name + ": " + root + "\n";
    }
    return all;
  }

 private:
  std::string Of(BranchRef branch) {
    std::map<std::string, std::string> values;
    SequenceRef key = store_.BranchAt(branch).first_key;
    for (; key != 0; key = store_.SequenceAt(key).next_key) {
      const ItemRef tail = store_.SequenceAt(key).tail;
      if (tail == 0 || store_.At(tail).is_deleted) continue;
      values.emplace(store_.atoms().Text(store_.SequenceAt(key).key), Of(store_.At(tail)));
    }
    std::string text;
    for (const auto& [name, value] : values) text += name + "=" + value + " ";
    std::map<std::string, std::string> attributes;
    std::string last;
    for (ItemRef ref = store_.HeadOf(branch); ref != 0; ref = store_.At(ref).right) {
      const Item& item = store_.At(ref);
      if (item.is_deleted) continue;
      if (item.kind() == ContentKind::kFormat) {
        const std::string name(store_.atoms().Text(store_.ExtentOf(item).extra));
        attributes[name] = store_.BytesOf(item);
        if (attributes[name] == "null") attributes.erase(name);
        last.clear();  // A delta begins a new insertion.
        continue;
      }
      std::string head = std::to_string(static_cast<int>(item.kind()));
      for (const auto& [name, value] : attributes) head += "," + name + ":" + value;
      const bool is_row = item.kind() == ContentKind::kString || item.kind() == ContentKind::kAny ||
                          item.kind() == ContentKind::kJson;
      if (!is_row || head != last) text += " <" + head + ">";
      last = head;
      text += ContentOf(item);
    }
    for (const auto& [name, value] : attributes) text += " end " + name + ":" + value;
    return text;
  }

  // As the value of a key, of which the last unit is read.
  std::string Of(const Item& item) {
    const std::string kind = std::to_string(static_cast<int>(item.kind()));
    if (item.kind() == ContentKind::kString) return kind + store_.TextOf(item).back();
    return kind + (item.kind() == ContentKind::kFormat ? "" : ContentOf(item));
  }

  std::string ContentOf(const Item& item) {
    if (item.kind() == ContentKind::kString) return std::string(store_.TextOf(item));
    if (item.kind() != ContentKind::kType) return ToHex(store_.BytesOf(item));
    const Branch& type = store_.BranchAt(store_.TypeOf(item));
    std::string text = "[" + std::to_string(static_cast<int>(type.kind));
    if (type.name != 0) text += store_.atoms().Text(type.name);
    return text + " " + Of(store_.TypeOf(item)) + "]";
  }

  const ItemStore& store_;
};

std::string Describe(const Doc& doc) { return Description(doc).Of(doc); }

// Makes `doc` what `version` is; yields the update.
std::string Restore(Doc& doc, Doc& version) {
  std::vector<std::string> names = doc.root_names();
  for (const std::string& name : version.root_names()) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Transaction transaction(doc, Client(99));
  for (const std::string& name : names) RestoreRoot(transaction, doc, version, name);
  return transaction.Commit().update;
}

// And sees that it is so, here, for who loads it, and for who had it and gets the update.
void ExpectRestored(Doc& doc, Doc& version) {
  Doc reader = CopyOf(doc);
  Doc loaded = CopyOf(doc);  // Where things may be cut into items otherwise.
  const std::string update = Restore(doc, version);
  EXPECT_EQ(Restore(loaded, version), update);
  doc.CheckInvariantsDeep();
  EXPECT_EQ(Describe(doc), Describe(version));
  EXPECT_EQ(Describe(CopyOf(doc)), Describe(version));
  if (!update.empty()) {
    EXPECT_FALSE(reader.Apply(update));
  }
  EXPECT_EQ(Describe(reader), Describe(version));
  EXPECT_EQ(Restore(doc, version), "");
}

// A document, a version of it, and what comes after.
template <class Before, class After>
void ExpectBack(Before before, After after) {
  Doc doc = Empty();
  {
    Transaction transaction(doc, Client(1));
    before(doc, transaction);
  }
  Doc version = CopyOf(doc);
  {
    Transaction transaction(doc, Client(2));
    after(doc, transaction);
  }
  EXPECT_NE(Describe(doc), Describe(version));
  ExpectRestored(doc, version);
}

Map MapOf(Doc& doc) { return {doc, doc.Root("m")}; }
Array ListOf(Doc& doc) { return {doc, doc.Root("a")}; }
Text TextOf(Doc& doc) { return {doc, doc.Root("t")}; }

TEST(Restore, FormatsOfATextInAMap) {
  ExpectBack(
      [](Doc& doc, Transaction& edit) {
        Text text(doc, MapOf(doc).Set(edit, "k", Type(TypeKind::kText)));
        text.Insert(edit, 0, "one two", {{"bold", "true"}});
      },
      [](Doc& doc, Transaction& edit) {
        Text text(doc, *MapOf(doc).GetType("k"));
        text.Format(edit, 0, 3, {{"bold", "null"}});
      });
}

TEST(Restore, EmbedsOfATextInAnArray) {
  ExpectBack(
      [](Doc& doc, Transaction& edit) {
        Text text(doc, ListOf(doc).Insert(edit, 0, {Type(TypeKind::kText)}).at(0));
        text.InsertEmbed(edit, 0, R"({"image":1})", {});
      },
      [](Doc& doc, Transaction& edit) {
        Text text(doc, *ListOf(doc).GetType(0));
        text.Delete(edit, 0, 1);
        text.InsertEmbed(edit, 0, R"({"image":2})", {});
      });
}

TEST(Restore, MapsAndArraysWithinXml) {
  ExpectBack(
      [](Doc& doc, Transaction& edit) {
        Array element(doc, ListOf(doc).Insert(edit, 0, {Type(TypeKind::kXmlElement, "p")}).at(0));
        const auto made = element.Insert(edit, 0, {Type(TypeKind::kMap), Type(TypeKind::kArray)});
        Map(doc, made.at(0)).Set(edit, "k", Any("1"));
        Array(doc, made.at(1)).Insert(edit, 0, {Any("1")});
      },
      [](Doc& doc, Transaction& edit) {
        Array element(doc, *ListOf(doc).GetType(0));
        Map(doc, *element.GetType(0)).Set(edit, "k", Any("2"));
        Array(doc, *element.GetType(1)).Delete(edit, 0, 1);
      });
}

TEST(Restore, AttributesThatAreObjectsOrNumbers) {
  const auto write = [](std::string_view object, std::string_view number) {
    return [=](Doc& doc, Transaction& edit) {
      if (ListOf(doc).length() == 0) {
        ListOf(doc).Insert(edit, 0, {Type(TypeKind::kXmlElement, "p")});
      }
      Map attributes(doc, *ListOf(doc).GetType(0));
      attributes.Set(edit, "object", Any(object));
      attributes.Set(edit, "number", Any(number));
    };
  };
  ExpectBack(write(R"({"a":1})", "1"), write(R"({"a":2})", "1"));
  ExpectBack(write(R"({"a":1})", "1"), write(R"({"a":1})", R"("1")"));
}

TEST(Restore, EmbedsOfAnXmlText) {
  ExpectBack(
      [](Doc& doc, Transaction& edit) {
        Text text(doc, ListOf(doc).Insert(edit, 0, {Type(TypeKind::kXmlText)}).at(0));
        text.InsertEmbed(edit, 0, R"({"image":1})", {});
        Map(doc, text.type()).Set(edit, "attribute", Any("1"));
      },
      [](Doc& doc, Transaction& edit) {
        Text text(doc, *ListOf(doc).GetType(0));
        text.InsertEmbed(edit, 0, R"({"image":2})", {});
        text.Delete(edit, 1, 1);
        Map(doc, text.type()).Delete(edit, "attribute");
      });
}

TEST(Restore, WhatIsDeeperThanAViewGoes) {
  ExpectBack(
      [](Doc& doc, Transaction& edit) {
        TypeHandle at = doc.Root("a");
        for (int i = 0; i < 1'000; ++i) {
          at = Array(doc, at).Insert(edit, 0, {Type(TypeKind::kXmlElement, "p")}).at(0);
        }
        Map(doc, at).Set(edit, "k", Any("1"));
      },
      [](Doc& doc, Transaction& edit) {
        TypeHandle at = doc.Root("a");
        while (Array(doc, at).length() > 0) at = *Array(doc, at).GetType(0);
        Map(doc, at).Set(edit, "k", Any("2"));
      });
}

TEST(Restore, SubdocumentsWithGuidAndOptions) {
  const std::string options = Any(R"({"autoLoad":true})").any;
  ExpectBack([](Doc& doc, Transaction& edit) { MapOf(doc).Set(edit, "d", NewDoc{.guid = "one"}); },
             [](Doc& doc, Transaction& edit) { MapOf(doc).Set(edit, "d", NewDoc{.guid = "two"}); });
  ExpectBack(
      [&](Doc& doc, Transaction& edit) {
        ListOf(doc).Insert(edit, 0, {NewDoc{.guid = "one", .options_any = options}});
      },
      [](Doc& doc, Transaction& edit) { ListOf(doc).Delete(edit, 0, 1); });
}

TEST(Restore, BytesAndValuesThatJsonHasNot) {
  const std::string big = "\x7a\x00\x00\x00\x00\x00\x00\x00\x07"s;
  ExpectBack(
      [&](Doc& doc, Transaction& edit) {
        ListOf(doc).Insert(edit, 0, {NewBinary{"\x00\xff"s}, NewAny{"\x7f"}, NewAny{big}});
        MapOf(doc).Set(edit, "bytes", NewBinary{"abc"});
        MapOf(doc).Set(edit, "in any", NewAny{"\x74\x01z"s});
        MapOf(doc).Set(edit, "undefined", NewAny{"\x7f"});
      },
      [](Doc& doc, Transaction& edit) {
        ListOf(doc).Delete(edit, 0, 3);
        ListOf(doc).Insert(edit, 0, {Any(R"({"0":0,"1":255})"), Any("null"), Any("7")});
        MapOf(doc).Set(edit, "bytes", Any(R"({"0":97,"1":98,"2":99})"));
        MapOf(doc).Set(edit, "in any", Any(R"({"0":122})"));
        MapOf(doc).Set(edit, "undefined", Any("null"));
      });
}

// What stands for an object while texts are compared may stand there itself.
TEST(Restore, LettersThatLookLikeObjects) {
  for (const std::string letter : {"\xef\xbf\xbc", "\xee\x80\x80"}) {
    ExpectBack([&](Doc& doc, Transaction& edit) { TextOf(doc).Insert(edit, 0, "a" + letter); },
               [](Doc& doc, Transaction& edit) {
                 TextOf(doc).Delete(edit, 1, 1);
                 TextOf(doc).InsertEmbed(edit, 1, "1", {});
               });
    ExpectBack([](Doc& doc, Transaction& edit) { TextOf(doc).InsertEmbed(edit, 0, "1", {}); },
               [&](Doc& doc, Transaction& edit) {
                 TextOf(doc).Delete(edit, 0, 1);
                 TextOf(doc).Insert(edit, 0, letter);
               });
  }
}

TEST(Restore, MoreObjectsThanLettersToStandForThem) {
  const auto write = [](int from) {
    return [=](Doc& doc, Transaction& edit) {
      if (from > 0) TextOf(doc).Delete(edit, 0, 7'000);
      for (int i = 0; i < 7'000; ++i) {
        TextOf(doc).InsertEmbed(edit, static_cast<std::uint64_t>(i), std::to_string(from + i), {});
      }
    };
  };
  ExpectBack(write(0), write(6'399));
}

// Of Yjs before 13.0: two JSON values, of which one is undefined, in the array "a". And what no
// client writes: letters and a formatting mark as values of keys.
TEST(Restore, WhatOnlyUpdatesHave) {
  for (const std::string_view hex :
       {"010101000201016102013109756e646566696e656400", "010101002401016d016b02616200",
        "010101002601016d016b0162047472756500"}) {
    Doc version = Empty();
    ASSERT_FALSE(version.Apply(FromHex(hex))) << hex;
    Doc doc = Empty();
    ExpectRestored(doc, version);
    EXPECT_NE(Describe(doc), "") << hex;
    Doc empty = Empty();
    ExpectRestored(doc, empty);
  }
}

// --- Little change ---

// What is alike stays the same type, so that who writes in it goes on.
TEST(Restore, KeepsTheParagraphsBetweenThoseThatChanged) {
  Doc doc = Empty();
  std::vector<TypeHandle> paragraphs;
  const auto letters = [&](std::size_t i) {
    return Text(doc, *Array(doc, paragraphs[i]).GetType(0));
  };
  {
    Transaction edit(doc, Client(1));
    for (std::size_t i = 0; i < 9; ++i) {
      paragraphs.push_back(ListOf(doc).Insert(edit, i, {Type(TypeKind::kXmlElement, "p")}).at(0));
      Array(doc, paragraphs[i]).Insert(edit, 0, {Type(TypeKind::kXmlText)});
      letters(i).Insert(edit, 0, "paragraph " + std::to_string(i));
    }
  }
  Doc version = CopyOf(doc);
  {
    Transaction edit(doc, Client(2));
    letters(0).Insert(edit, 0, "first ");
    letters(8).Insert(edit, 0, "last ");
    ListOf(doc).Insert(edit, 4, {Type(TypeKind::kXmlElement, "p")});
    ListOf(doc).Delete(edit, 6, 1);
  }
  const Clock before = doc.ClockOf(Client(99));
  ExpectRestored(doc, version);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(ListOf(doc).GetType(i) == paragraphs[i], i != 5) << i;
  }
  // The one that was deleted: an element, a text, and its letters.
  EXPECT_EQ(doc.ClockOf(Client(99)) - before, 2 + std::string("paragraph 5").size());
}

TEST(Restore, FormattingMarksThatAreRightStay) {
  Doc doc = Empty();
  {
    Transaction edit(doc, Client(1));
    TextOf(doc).Insert(edit, 0, "one two three");
    TextOf(doc).Format(edit, 4, 3, {{"bold", "true"}});
  }
  Doc version = CopyOf(doc);
  {
    Transaction edit(doc, Client(2));
    TextOf(doc).Delete(edit, 5, 1);                         // "to"
    TextOf(doc).Format(edit, 0, 12, {{"italic", "true"}});  // Two marks that go.
  }
  Transaction edit(doc, Client(99));
  RestoreRoot(edit, doc, version, "t");
  const std::string update = edit.Commit().update;
  EXPECT_EQ(Describe(doc), Describe(version));
  EXPECT_EQ(doc.ClockOf(Client(99)), 1u);  // The letter "w".
}

// --- Whatever documents ---

// Edits of all kinds at random places.
class Author {
 public:
  Author(Prng& prng, Client client) : prng_(prng), client_(client) {}

  void Edit(Doc& doc) {
    Transaction edit(doc, client_);
    for (std::uint64_t i = prng_.Between(1, 4); i > 0; --i) Change(doc, AnyType(doc), edit);
  }

 private:
  struct Place {
    TypeHandle type;
    std::optional<TypeKind> kind;
  };

  Place AnyType(Doc& doc) {
    std::vector<Place> places;
    for (const char* root : {"t", "a", "m", "x", "mixed"}) places.push_back({doc.Root(root), {}});
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Array list(doc, places[i].type);
      for (std::uint64_t k = 0; k < list.length(); ++k) Add(doc, list.GetType(k), places);
      const Map map(doc, places[i].type);
      for (const std::string& key : map.keys()) Add(doc, map.GetType(key), places);
    }
    return places[prng_.Below(places.size())];
  }

  static void Add(Doc& doc, std::optional<TypeHandle> type, std::vector<Place>& places) {
    if (type) places.push_back({*type, KindOf(doc, *type)});
  }

  void Change(Doc& doc, const Place& place, Transaction& edit) {
    const bool is_text = place.kind
                             ? *place.kind == TypeKind::kText || *place.kind == TypeKind::kXmlText
                             : place.type == doc.Root("t");
    const bool is_mixed = !place.kind && place.type == doc.Root("mixed");
    const bool has_keys = is_mixed || !place.kind || *place.kind == TypeKind::kMap ||
                          *place.kind == TypeKind::kXmlElement || prng_.Chance(1, 8);
    if (has_keys && prng_.Chance(1, 3)) return ChangeKey(Map(doc, place.type), edit);
    if (is_text || (is_mixed && prng_.Chance(1, 2))) return ChangeText({doc, place.type}, edit);
    if (place.kind == TypeKind::kMap) return ChangeKey(Map(doc, place.type), edit);
    ChangeList(Array(doc, place.type), edit);
  }

  void ChangeKey(Map map, Transaction& edit) {
    const std::string key(1, static_cast<char>('a' + prng_.Below(4)));
    if (prng_.Chance(1, 4)) return map.Delete(edit, key);
    map.Set(edit, key, Content());
  }

  void ChangeList(Array list, Transaction& edit) {
    const std::uint64_t length = list.length();
    if (length > 0 && prng_.Chance(1, 3)) {
      const std::uint64_t at = prng_.Below(length);
      return list.Delete(edit, at, prng_.Between(1, std::min<std::uint64_t>(3, length - at)));
    }
    std::vector<NewContent> contents;
    for (std::uint64_t i = prng_.Between(1, 3); i > 0; --i) contents.push_back(Content());
    list.Insert(edit, prng_.Between(0, length), contents);
  }

  void ChangeText(Text text, Transaction& edit) {
    const std::uint64_t at = prng_.Between(0, text.length());
    switch (prng_.Below(7)) {
      case 0:
        return text.Insert(edit, at, Letters());
      case 1:
        return text.Insert(edit, at, Letters(), Formats(false));
      case 2:
        return text.InsertEmbed(edit, at, std::to_string(prng_.Below(4)), Formats(false));
      case 3:
        text.InsertType(edit, at, RandomType(), Formats(false));
        return;
      case 4:
        return text.Delete(edit, at, prng_.Between(1, 5));
      default:
        return text.Format(edit, at, prng_.Between(1, 8), Formats(true));
    }
  }

  std::string Letters() {
    static const std::vector<std::string> kLetters = {
        "a", "b ", "\n", "é", "\xef\xbf\xbc", "\xee\x80\x80", "\xee\x80\x81", "line\n", "word "};
    std::string letters;
    for (std::uint64_t i = prng_.Between(1, 4); i > 0; --i) {
      letters += kLetters[prng_.Below(kLetters.size())];
    }
    return letters;
  }

  Attributes Formats(bool may_end) {
    Attributes formats;
    for (const char* key : {"bold", "italic", "link"}) {
      if (prng_.Chance(1, 2)) continue;
      const bool ends = may_end && prng_.Chance(1, 2);
      formats.emplace_back(key, ends ? "null" : prng_.Chance(1, 2) ? "true" : R"({"a":[1]})");
    }
    return formats;
  }

  NewType RandomType() {
    const auto kind = static_cast<TypeKind>(prng_.Between(0, kTypeKindMax));
    const bool has_name = kind == TypeKind::kXmlElement || kind == TypeKind::kXmlHook;
    return Type(kind, has_name ? std::string(1, static_cast<char>('p' + prng_.Below(2))) : "");
  }

  NewContent Content() {
    static const std::vector<std::string> kValues = {"\x7f",
                                                     "\x7e",
                                                     "\x78",
                                                     "\x7d\x01",
                                                     "\x77\x01"
                                                     "1",
                                                     "\x74\x01"
                                                     "1",
                                                     "\x75\x01\x7d\x01",
                                                     "\x76\x01\x01"
                                                     "0\x7d\x31",
                                                     "\x76\x01\x01"
                                                     "a\x7f",
                                                     "\x7c\x3f\x00\x00\x01"s,
                                                     "\x7a\x00\x00\x00\x00\x00\x00\x00\x01"s};
    const std::uint64_t dice = prng_.Below(10);
    if (dice < 5) return NewAny{kValues[prng_.Below(kValues.size())]};
    if (dice < 6) return NewBinary{std::string(1, static_cast<char>('0' + prng_.Below(2)))};
    if (dice < 7) {
      const std::string options = prng_.Chance(1, 2) ? Any(R"({"meta":1})").any : "";
      return NewDoc{.guid = std::to_string(prng_.Below(2)), .options_any = options};
    }
    return RandomType();
  }

  Prng& prng_;
  Client client_;
};

void Exchange(Doc& a, Doc& b) {
  ASSERT_FALSE(a.Apply(b.EncodeStateAsUpdate(a.state_vector())));
  ASSERT_FALSE(b.Apply(a.EncodeStateAsUpdate(b.state_vector())));
}

TEST(Restore, WhateverWasWritten) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    Doc doc = Empty();
    Doc other = Empty();
    Author ann(prng, Client(1));
    Author ben(prng, Client(2));
    const auto write = [&](std::uint64_t rounds) {
      for (; rounds > 0; --rounds) {
        ann.Edit(doc);
        ben.Edit(other);
        if (prng.Chance(1, 3)) Exchange(doc, other);
      }
      Exchange(doc, other);
    };
    write(prng.Between(1, 25));
    Doc version = CopyOf(doc);
    write(prng.Between(1, prng.Chance(1, 2) ? 3 : 25));
    ExpectRestored(doc, version);
    Exchange(doc, other);
    write(3);  // And on.
    Doc later = CopyOf(doc);
    ExpectRestored(doc, version);
    ExpectRestored(doc, later);
    if (testing::Test::HasFailure()) return;
  }
}

// --- What it costs ---

// Processor time.
double SecondsToRestore(Doc& doc, Doc& version) {
  const std::clock_t before = std::clock();
  Restore(doc, version);
  const std::clock_t after = std::clock();
  EXPECT_EQ(Restore(doc, version), "");
  return static_cast<double>(after - before) / CLOCKS_PER_SEC;
}

// Was the product of the depth, up to that at which views end, and of the size.
TEST(RestoreCost, XmlThatNestsDeep) {
  for (const int depth : {290, 100'000}) {
    Doc doc = Empty();
    TypeHandle at = doc.Root("a");
    {
      Transaction edit(doc, Client(1));
      for (int i = 0; i < depth; ++i) {
        Array(doc, at).Insert(edit, 0, {Any("1"), Type(TypeKind::kXmlElement, "p"), Any("2")});
        at = *Array(doc, at).GetType(1);
      }
      Array(doc, at).Insert(edit, 0, {Any('"' + std::string(1'000'000, 'x') + '"')});
    }
    Doc version = CopyOf(doc);
    {
      Transaction edit(doc, Client(2));
      Map(doc, at).Set(edit, "k", Any("1"));
    }
    EXPECT_LT(SecondsToRestore(doc, version), 5);
    EXPECT_EQ(doc.ClockOf(Client(99)), 0u);  // The key is deleted, and nothing else was done.
    Doc empty = Empty();
    EXPECT_LT(SecondsToRestore(empty, version), 5);
    EXPECT_LT(SecondsToRestore(doc, empty), 5);
  }
}

// Was the product of the number of changes and of that of the parts that are formatted alike.
TEST(RestoreCost, ManyChangesOfManyFormats) {
  Doc doc = Empty();
  constexpr std::uint64_t kLines = 50;
  constexpr std::uint64_t kWords = 5'000;
  constexpr std::uint64_t kFirstWord = 1'000'000;  // All are as long, and none like another.
  constexpr std::uint64_t kWordUnits = 8;
  constexpr std::string_view kBetween = "\nbetween\n";
  {
    Transaction edit(doc, Client(1));
    Delta delta;
    for (std::uint64_t i = 0; i < kLines * kWords; ++i) {
      DeltaOp op{.text = std::to_string(kFirstWord + i) + " ", .type = {}, .attributes = {}};
      if ((i + 1) % kWords == 0) op.text += kBetween;
      op.attributes.emplace_back("size", std::to_string(i % 3));
      delta.push_back(std::move(op));
    }
    TextOf(doc).ApplyDelta(edit, delta);
  }
  Doc version = CopyOf(doc);
  {
    Transaction edit(doc, Client(2));
    for (std::uint64_t i = 0; i < kLines * kWords; i += 20) {
      const std::uint64_t at = kWordUnits * i + i / kWords * kBetween.size();
      TextOf(doc).Insert(edit, at, "o");
      TextOf(doc).Format(edit, at, 1, {{"bold", "true"}});
      TextOf(doc).Delete(edit, at + 1, 1);
    }
  }
  EXPECT_LT(SecondsToRestore(doc, version), 5);
  EXPECT_EQ(doc.ClockOf(Client(99)), kLines * kWords / 20);  // The letters that were deleted.
  Doc empty = Empty();
  EXPECT_LT(SecondsToRestore(empty, version), 5);
  EXPECT_LT(SecondsToRestore(doc, empty), 5);
}

// So many attributes in force from the first letter on, to so many letters apart from each other.
std::string ManyAttributes(std::uint64_t count) {
  Lib0Writer update;
  update.VarUint(1);
  update.VarUint(2 * count);
  update.VarUint(1);
  update.VarUint(0);
  for (std::uint64_t i = 0; i < 2 * count; ++i) {
    const bool is_mark = i < count;
    update.U8(is_mark ? (i == 0 ? 0x06 : 0x86) : (i % 2 == 0 ? 0x84 : 0x85));
    if (i == 0) {
      update.U8(1);
      update.VarBytes("t");
    } else {
      update.VarUint(1);
      update.VarUint(i - 1);
    }
    if (is_mark) update.VarBytes("key" + std::to_string(i));
    update.VarBytes(is_mark ? "true" : "1");
  }
  update.VarUint(0);
  return update.Take();
}

TEST(RestoreCost, ManyAttributesAtOnce) {
  Doc version = Empty();
  ASSERT_FALSE(version.Apply(ManyAttributes(50'000)));
  Doc empty = Empty();
  EXPECT_LT(SecondsToRestore(empty, version), 5);
  EXPECT_EQ(empty.ClockOf(Client(99)), version.ClockOf(Client(1)));
  Doc doc = CopyOf(version);
  Doc nothing = Empty();
  EXPECT_LT(SecondsToRestore(doc, nothing), 5);
}

// An array of values that all are at other places, and a map of as many keys with other values.
TEST(RestoreCost, ManyValues) {
  constexpr int kValues = 200'000;
  const auto fill = [](Doc& doc, int step) {
    Transaction edit(doc, Client(1));
    std::vector<NewContent> values;
    for (int i = 0; i < kValues; ++i) {
      const int value = step > 0 ? i : kValues - i;
      values.push_back(Any(std::to_string(value)));
      MapOf(doc).Set(edit, std::to_string(i), Any(std::to_string(value)));
    }
    ListOf(doc).Insert(edit, 0, values);
  };
  Doc version = Empty();
  fill(version, 1);
  Doc doc = Empty();
  {
    Doc other = Empty();
    fill(other, -1);
    Restore(doc, other);
  }
  EXPECT_LT(SecondsToRestore(doc, version), 5);
}

}  // namespace
}  // namespace coterie::crdt
