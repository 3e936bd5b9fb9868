// What waits, as hostile writers would have it: it costs what it is long, however it ends, and is
// counted the same whoever has looked at it.

#include <gtest/gtest.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/doc.h"
#include "crdt/js_value.h"
#include "crdt/lib0.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"

namespace coterie::crdt {
namespace {

constexpr std::uint64_t kMissing = 1;  // The client that all wait for.

// Client `writer` wrote `letters` letters, each behind one of the client kMissing, from the clock
// `first` on.
std::string Waiting(std::uint64_t writer, Clock first, Clock letters) {
  Lib0Writer update;
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{letters}, writer}) {
    update.VarUint(number);
  }
  update.VarUint(0);
  for (Clock i = 0; i < letters; ++i) {
    update.Raw("\x84");  // A string that has an origin.
    update.VarUint(kMissing);
    update.VarUint(first + i);
    update.VarBytes("w");
  }
  update.VarUint(0);
  return update.Take();
}

// The updates of the letters of client kMissing, one by one.
std::vector<std::string> Letters(Clock count) {
  Doc doc({.garbage = Garbage::kCollect});
  Text text(doc, doc.Root("text"));
  std::vector<std::string> updates;
  for (Clock i = 0; i < count; ++i) {
    Transaction transaction(doc, Client(kMissing));
    text.Insert(transaction, i, "m");
    updates.push_back(transaction.Commit().update);
  }
  return updates;
}

std::string TextOf(Doc& doc) { return Text(doc, doc.Root("text")).ToString(); }

// Whether all came: those of kMissing, which stand left of those with the same origin, and as many
// of others.
bool IsWhole(Doc& doc, Clock letters) {
  return TextOf(doc) == std::string(letters, 'm') + std::string(letters, 'w');
}

// 150 000 letters wait for as many updates: reading all that waits each time would take hours.
TEST(Pending, OfOneWriterIsReadOnce) {
  constexpr Clock kLetters = 150'000;
  Doc doc({.garbage = Garbage::kCollect});
  ASSERT_FALSE(doc.Apply(Waiting(2, 0, kLetters)));
  const std::uint64_t before = doc.pending_bytes();

  Clock come = 0;
  for (const std::string& update : Letters(kLetters)) {
    ASSERT_FALSE(doc.Apply(update));
    ++come;
    if (come == kLetters / 2) {
      EXPECT_LT(doc.pending_bytes(), before * 6 / 10);
    }
  }
  EXPECT_FALSE(doc.HasPending());
  EXPECT_TRUE(IsWhole(doc, kLetters));
}

TEST(Pending, OfManyWritersIsReadOnce) {
  constexpr Clock kWriters = 50'000;
  Doc doc({.garbage = Garbage::kCollect});
  for (Clock i = 0; i < kWriters; ++i) ASSERT_FALSE(doc.Apply(Waiting(2 + i, i, 1)));

  for (const std::string& update : Letters(kWriters)) ASSERT_FALSE(doc.Apply(update));
  EXPECT_FALSE(doc.HasPending());
  EXPECT_TRUE(IsWhole(doc, kWriters));
}

TEST(Pending, ThatComesAgainDoesNotStayTwice) {
  Doc doc({.garbage = Garbage::kCollect});
  const std::string update = Waiting(2, 0, 10'000);
  for (int i = 0; i < 20; ++i) ASSERT_FALSE(doc.Apply(update));
  EXPECT_LT(doc.pending_bytes(), 3 * update.size());
}

TEST(Pending, CountsTheSameWhoeverHasReadIt) {
  Doc doc({.garbage = Garbage::kCollect});
  Doc read({.garbage = Garbage::kCollect});
  const std::vector<std::string> letters = Letters(3);
  for (const std::string& update : {Waiting(2, 0, 2'000), Waiting(2, 0, 2'000), Waiting(3, 2, 100),
                                    letters[2], letters[0], letters[1]}) {
    ASSERT_FALSE(doc.Apply(update));
    ASSERT_FALSE(read.Apply(update));
    static_cast<void>(read.EncodeStateAsUpdate());
    EXPECT_EQ(doc.pending_bytes(), read.pending_bytes());
  }
}

// Of many clients, two ranges each: to keep them and to write them out took the square of that.
TEST(Pending, DeletionsOfManyClientsCostWhatTheyAreLong) {
  constexpr std::uint64_t kClients = 60'000;
  Lib0Writer deletes;
  deletes.VarUint(0);
  deletes.VarUint(kClients);
  for (std::uint64_t client = kClients; client > 0; --client) {
    for (const std::uint64_t number : {client, std::uint64_t{2}, std::uint64_t{0}, std::uint64_t{1},
                                       std::uint64_t{2}, std::uint64_t{1}}) {
      deletes.VarUint(number);
    }
  }
  Doc doc({.garbage = Garbage::kCollect});
  const std::clock_t before = std::clock();
  ASSERT_FALSE(doc.Apply(deletes.view()));
  EXPECT_TRUE(doc.EncodeStateAsUpdate() == deletes.view());
  EXPECT_LT(std::clock() - before, 5 * CLOCKS_PER_SEC);  // Hundredths of one; it was a minute.
}

TEST(Pending, WaitsForWhoWritesHereToo) {
  Doc doc({.garbage = Garbage::kCollect});
  ASSERT_FALSE(doc.Apply(Waiting(2, 0, 1)));
  ASSERT_FALSE(doc.Apply(std::string_view("\0\1\1\1\1\1", 6)));  // Deletes the clock 1 of kMissing.
  {
    Transaction transaction(doc, Client(kMissing));
    Text(doc, doc.Root("text")).Insert(transaction, 0, "mx");
  }
  EXPECT_TRUE(doc.HasPending());

  ASSERT_FALSE(doc.Apply(Waiting(3, 7, 1)));
  EXPECT_EQ(TextOf(doc), "mw");
}

// Sets the keys of the map "m" one after the other; yields the updates.
std::vector<std::string> SetKeys(Doc& doc, Client client, const std::vector<std::string>& keys) {
  std::vector<std::string> updates;
  for (const std::string& key : keys) {
    Lib0Writer value;
    WriteAny(ParseJson(std::to_string(client.value())), value);
    Transaction transaction(doc, client);
    Map(doc, doc.Root("m")).Set(transaction, key, NewAny{value.Take()});
    updates.push_back(transaction.Commit().update);
  }
  return updates;
}

// The order of keys is that in which they came; of those that waited Yjs takes the greatest
// client's first, with what it waits for, and only then the rest of the others'.
TEST(Pending, ComesInTheOrderOfYjs) {
  Doc low({.garbage = Garbage::kCollect});
  const std::vector<std::string> lows = SetKeys(low, Client(5), {"first", "key", "late"});
  Doc high({.garbage = Garbage::kCollect});
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(high.Apply(lows[i]));
  const std::vector<std::string> highs = SetKeys(high, Client(9), {"key", "other"});

  Doc doc({.garbage = Garbage::kCollect});
  for (const std::string& update : {highs[0], highs[1], lows[1], lows[2], lows[0]}) {
    ASSERT_FALSE(doc.Apply(update));
  }
  EXPECT_EQ(Map(doc, doc.Root("m")).ToJson(), R"({"first":5,"key":9,"other":9,"late":5})");
}

TEST(Pending, DeletionsAreLookedAtWhenTheirClientComes) {
  constexpr Clock kLetters = 2'000;
  Doc doc({.garbage = Garbage::kCollect});
  Lib0Writer deletes;
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, kMissing}) {
    deletes.VarUint(number);
  }
  deletes.VarUint(kLetters / 2);
  for (Clock clock = 0; clock < kLetters; clock += 2) {
    deletes.VarUint(clock);
    deletes.VarUint(1);
  }
  ASSERT_FALSE(doc.Apply(deletes.Take()));
  for (const std::string& update : Letters(kLetters)) ASSERT_FALSE(doc.Apply(update));
  EXPECT_FALSE(doc.HasPending());
  EXPECT_EQ(TextOf(doc), std::string(kLetters / 2, 'm'));
}

}  // namespace
}  // namespace coterie::crdt
