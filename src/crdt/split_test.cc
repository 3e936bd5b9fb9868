// Random documents of several writers, split at random sizes: the parts are small enough, each can
// be integrated when it comes, and together they are the whole.

#include "crdt/split.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "crdt/array.h"
#include "crdt/doc.h"
#include "crdt/map.h"
#include "crdt/merge.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/update_view.h"

namespace coterie::crdt {
namespace {

Doc EmptyDoc() { return Doc(Doc::Options{.garbage = Garbage::kCollect}); }

std::string Letters(Prng& prng, std::uint64_t count) {
  static const std::vector<std::string> kLetters = {"a", "ß", "€", "😀", "\n"};
  std::string letters;
  for (std::uint64_t i = 0; i < count; ++i) letters += kLetters[prng.Below(kLetters.size())];
  return letters;
}

// One edit somewhere in `doc`.
void EditSomething(Prng& prng, Doc& doc, Client writer, std::uint64_t letters_max) {
  Transaction transaction(doc, writer);
  Text text(doc, doc.Root("t"));
  Array array(doc, doc.Root("a"));
  const std::uint64_t length = text.length();
  switch (prng.Below(6)) {
    case 0: {
      const std::uint64_t begin = prng.Below(length + 1);
      return text.Delete(transaction, begin, prng.Below(length - begin + 1) / 4);
    }
    case 1:
      Map(doc, doc.Root("m")).Set(transaction, Letters(prng, 1), NewAny{"\x7e"});
      return;
    case 2:
      array.Insert(transaction, prng.Below(array.length() + 1), {NewType{.kind = TypeKind::kText}});
      return;
    case 3:
      if (array.length() > 0) {
        const auto nested = array.GetType(prng.Below(array.length()));
        Text(doc, *nested).Insert(transaction, 0, Letters(prng, prng.Between(1, letters_max)));
      }
      return;
    default:
      text.Insert(transaction, prng.Below(length + 1), Letters(prng, prng.Between(1, letters_max)));
  }
}

// What three writers made who heard of each other now and then.
std::vector<Doc> MakeDocs(Prng& prng, std::uint64_t letters_max) {
  std::vector<Doc> docs;
  for (int i = 0; i < 3; ++i) docs.push_back(EmptyDoc());
  for (std::uint64_t left = prng.Between(20, 200); left > 0; --left) {
    const std::size_t which = prng.Below(docs.size());
    EditSomething(prng, docs[which], Client(which + 1), letters_max);
    if (!prng.Chance(1, 5)) continue;
    Doc& other = docs[prng.Below(docs.size())];
    const std::string update = docs[which].EncodeStateAsUpdate(other.state_vector());
    EXPECT_FALSE(other.Apply(update));
  }
  return docs;
}

std::string Encoded(const std::vector<std::string>& updates) {
  Doc doc = EmptyDoc();
  for (const std::string& update : updates) EXPECT_FALSE(doc.Apply(update));
  return doc.EncodeStateAsUpdate();
}

std::string Merged(const std::vector<std::string>& updates) {
  const std::vector<std::string_view> views(updates.begin(), updates.end());
  return MergeUpdates(views).update;
}

// The bits that say nothing, cleared.
std::string Canonical(const std::string& update) {
  return Merged({update, std::string("\0\0", 2)});
}

class RandomSplit : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomSplit, PartsAreSmallFollowEachOtherAndAreTheWhole) {
  Prng prng(GetParam());
  std::vector<Doc> docs = MakeDocs(prng, 20);
  // What one has and another lacks, as a provider sends it.
  Doc reader = EmptyDoc();
  const bool knows_some = prng.Chance(1, 2);
  if (knows_some) {
    ASSERT_FALSE(reader.Apply(docs[1].EncodeStateAsUpdate()));
  }
  for (const Doc& doc : docs) ASSERT_FALSE(docs[0].Apply(doc.EncodeStateAsUpdate()));
  const std::string whole = docs[0].EncodeStateAsUpdate(reader.state_vector());
  const std::size_t size_max = prng.Between(kSplitBytesMin, 1'000);

  const SplitResult split = SplitUpdate(whole, size_max);

  ASSERT_FALSE(split.refused) << split.refused.reason;
  EXPECT_EQ(split.parts.size() > 1, whole.size() > size_max);
  for (const std::string& part : split.parts) {
    ASSERT_LE(part.size(), size_max);
    ASSERT_FALSE(reader.Apply(part));
    ASSERT_FALSE(reader.HasPending());
    reader.CheckInvariantsDeep();
  }
  EXPECT_EQ(reader.EncodeStateAsUpdate(), docs[0].EncodeStateAsUpdate());
  EXPECT_EQ(Canonical(Merged(split.parts)), Canonical(whole));
}

// Texts that fit into no part, and others around them.
TEST_P(RandomSplit, CutsTextsBetweenCharacters) {
  Prng prng(GetParam());
  std::vector<Doc> docs = MakeDocs(prng, 2'000);
  for (const Doc& doc : docs) ASSERT_FALSE(docs[0].Apply(doc.EncodeStateAsUpdate()));
  const std::string whole = docs[0].EncodeStateAsUpdate();
  const std::size_t size_max = prng.Between(kSplitBytesMin, 1'000);

  const SplitResult split = SplitUpdate(whole, size_max);

  ASSERT_FALSE(split.refused) << split.refused.reason;
  Doc reader = EmptyDoc();
  for (const std::string& part : split.parts) {
    ASSERT_LE(part.size(), size_max);
    ASSERT_FALSE(reader.Apply(part));
    ASSERT_FALSE(reader.HasPending());
  }
  EXPECT_EQ(reader.EncodeStateAsUpdate(), whole);
  EXPECT_EQ(Encoded({Merged(split.parts)}), whole);
}

// What is missing stays missing: gaps within a client's structs are between parts, or in them.
TEST_P(RandomSplit, KeepsGaps) {
  Prng prng(GetParam());
  Doc doc = EmptyDoc();
  std::vector<std::string> updates;
  for (int i = 0; i < 300; ++i) {
    Transaction transaction(doc, Client(7 + prng.Below(2)));
    Text text(doc, doc.Root("t"));
    text.Insert(transaction, prng.Below(text.length() + 1), Letters(prng, prng.Between(1, 9)));
    std::string update = transaction.Commit().update;
    if (prng.Chance(4, 5)) updates.push_back(std::move(update));
  }
  const std::string whole = Merged(updates);

  const SplitResult split = SplitUpdate(whole, prng.Between(kSplitBytesMin, 1'000));

  ASSERT_FALSE(split.refused) << split.refused.reason;
  EXPECT_GT(split.parts.size(), 1u);
  EXPECT_EQ(Canonical(Merged(split.parts)), Canonical(whole));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSplit, testing::Range<std::uint64_t>(1, 101));

// An update with one client, whose structs are `structs`.
std::string UpdateOf(std::uint64_t count, std::string_view structs, std::string_view deleted) {
  Lib0Writer writer;
  writer.VarUint(count == 0 ? 0 : 1);
  if (count > 0) {
    writer.VarUint(count);
    writer.VarUint(5);
    writer.VarUint(0);
  }
  writer.Raw(structs);
  writer.Raw(deleted);
  return writer.Take();
}

TEST(Split, DeletionsAloneAreSplitToo) {
  DeleteSet deleted;
  for (Clock i = 0; i < 3'000; ++i) {
    deleted.Add(Client(1 + i % 3), {.begin = 10 * i, .end = 10 * i + 1});
  }
  const std::string whole = UpdateOf(0, {}, deleted.Encode());

  const SplitResult split = SplitUpdate(whole, 1'000);

  ASSERT_GT(split.parts.size(), 5u);
  for (const std::string& part : split.parts) EXPECT_LE(part.size(), 1'000u);
  EXPECT_EQ(Canonical(Merged(split.parts)), Canonical(whole));
}

TEST(Split, NothingButGapsIsAnUpdateOfNothing) {
  std::string skips;
  for (int i = 0; i < 500; ++i) skips += "\x0a\x01";
  const SplitResult split = SplitUpdate(UpdateOf(500, skips, std::string_view("\0", 1)), 300);
  EXPECT_EQ(split.parts, std::vector<std::string>{std::string("\0\0", 2)});
}

// Two clients who wait for each other, which only a liar writes: all of it is handed on.
TEST(Split, ACircleEnds) {
  Lib0Writer writer;
  writer.VarUint(2);
  for (const std::uint64_t client : {9, 8}) {
    writer.VarUint(50);
    writer.VarUint(client);
    writer.VarUint(0);
    for (std::uint64_t i = 0; i < 50; ++i) {
      writer.U8(0x84);  // A text whose origin is the other's last letter.
      writer.VarUint(17 - client);
      writer.VarUint(49);
      writer.VarBytes("x");
    }
  }
  writer.VarUint(0);
  const std::string whole = writer.Take();

  const SplitResult split = SplitUpdate(whole, kSplitBytesMin);

  ASSERT_FALSE(split.refused);
  EXPECT_GT(split.parts.size(), 1u);
  EXPECT_EQ(Canonical(Merged(split.parts)), Canonical(whole));
}

TEST(Split, RefusesAValueThatFitsInNoPart) {
  Doc doc = EmptyDoc();
  {
    Transaction transaction(doc, Client(1));
    Lib0Writer any;
    any.U8(119);
    any.VarBytes(std::string(2'000, 'x'));
    Map(doc, doc.Root("m")).Set(transaction, "k", NewAny{any.Take()});
  }

  const SplitResult split = SplitUpdate(doc.EncodeStateAsUpdate(), 1'000);

  EXPECT_EQ(split.refused.reason, kStructTooLarge);
  EXPECT_TRUE(split.parts.empty());
}

TEST(Split, RefusesWhatIsMalformed) {
  std::string update = UpdateOf(0, {}, std::string_view("\0", 1));
  EXPECT_FALSE(SplitUpdate(update, kSplitBytesMin).refused);
  update += std::string(1'000, '\0');
  EXPECT_TRUE(SplitUpdate(update, kSplitBytesMin).refused);
  EXPECT_TRUE(SplitUpdate(update, 1 << 20).refused);
}

}  // namespace
}  // namespace coterie::crdt
