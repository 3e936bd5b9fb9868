#include "crdt/doc.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "crdt/array.h"
#include "crdt/js_value.h"
#include "crdt/map.h"
#include "crdt/restore.h"
#include "crdt/test_bytes.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "crdt/undo.h"
#include "crdt/xml.h"

namespace coterie::crdt {
namespace {

Doc NewDoc(Garbage garbage = Garbage::kCollect) { return Doc(Doc::Options{.garbage = garbage}); }

NewAny Any(std::string_view json) {
  Lib0Writer writer;
  WriteAny(ParseJson(json), writer);
  return {writer.Take()};
}

std::string TextOf(Doc& doc, std::string_view root = "t") {
  return Text(doc, doc.Root(root)).ToString();
}

// One edit of the text "t"; yields its update in hexadecimal.
template <class Edit>
std::string EditText(Doc& doc, std::uint64_t writer, Edit edit) {
  Transaction transaction(doc, Client(writer));
  Text text(doc, doc.Root("t"));
  edit(text, transaction);
  return ToHex(transaction.Commit().update);
}

// What Yjs 13.6 writes for the same edits (seen by running it).
TEST(Doc, WritesWhatYjsWrites) {
  Doc doc = NewDoc();
  const auto insert = [](std::uint64_t index, std::string_view letters) {
    return [=](Text& text, Transaction& transaction) { text.Insert(transaction, index, letters); };
  };

  EXPECT_EQ(EditText(doc, 1, insert(0, "abc")), "01010100040101740361626300");
  EXPECT_EQ(EditText(doc, 1,
                     [](Text& text, Transaction& transaction) { text.Delete(transaction, 1, 1); }),
            "000101010101");
  EXPECT_EQ(ToHex(doc.EncodeStateAsUpdate()), "010301000401017401618101000184010101630101010101");
  EXPECT_EQ(ToHex(doc.state_vector().Encode()), "010103");
  EXPECT_EQ(TextOf(doc), "ac");
}

TEST(Doc, WritesFormattingWhereYjsDoes) {
  Doc doc = NewDoc();
  EditText(doc, 1, [](Text& text, Transaction& transaction) { text.Insert(transaction, 0, "ab"); });
  EditText(doc, 1, [](Text& text, Transaction& transaction) {
    text.Format(transaction, 0, 1, {{"bold", "true"}});
  });

  EXPECT_EQ(
      ToHex(doc.EncodeStateAsUpdate()),
      "01040100040101740161840100016246010004626f6c640474727565c60100010104626f6c64046e756c6c00");
  const Delta delta = Text(doc, doc.Root("t")).ToDelta();
  ASSERT_EQ(delta.size(), 2u);
  EXPECT_EQ(delta[0].text, "a");
  EXPECT_EQ(delta[0].attributes, (Attributes{{"bold", "true"}}));
  EXPECT_TRUE(delta[1].attributes.empty());
}

TEST(Doc, AMapKeepsTheLastValue) {
  Doc doc = NewDoc();
  for (const std::string_view value : {"1", "\"x\""}) {
    Transaction transaction(doc, Client(1));
    Map(doc, doc.Root("m")).Set(transaction, "k", Any(value));
  }

  EXPECT_EQ(ToHex(doc.EncodeStateAsUpdate()), "010201002101016d016b01a80100017701780101010001");
  EXPECT_EQ(Map(doc, doc.Root("m")).ToJson(), "{\"k\":\"x\"}");
}

TEST(Doc, XmlIsBuiltAndForgotten) {
  Doc doc = NewDoc();
  {
    Transaction transaction(doc, Client(1));
    const NewType element{.kind = TypeKind::kXmlElement, .name = "p"};
    const TypeHandle p = Array(doc, doc.Root("x")).Insert(transaction, 0, {element})[0];
    Map(doc, p).Set(transaction, "id", Any("\"1\""));
    const NewType inner{.kind = TypeKind::kXmlText, .name = ""};
    const TypeHandle text = Array(doc, p).Insert(transaction, 0, {inner})[0];
    Text(doc, text).Insert(transaction, 0, "hi");
  }
  EXPECT_EQ(ToHex(doc.EncodeStateAsUpdate()),
            "0104010007010178030170280001000269640177013107000100060400010202686900");
  EXPECT_EQ(ToXml(doc, doc.Root("x")), "<p id=\"1\">hi</p>");
  {
    Transaction transaction(doc, Client(1));
    Array(doc, doc.Root("x")).Delete(transaction, 0, 1);
  }
  EXPECT_EQ(ToHex(doc.EncodeStateAsUpdate()), "01020100010101780100040101010005");
  doc.CheckInvariantsDeep();
}

TEST(Doc, WhoWroteAtOnceStandsInTheOrderOfClients) {
  Doc doc = NewDoc();
  ASSERT_FALSE(
      doc.Apply(FromHex("01010200040101740142"
                        "00")));  // 2 wrote "B".
  ASSERT_FALSE(
      doc.Apply(FromHex("01010100040101740141"
                        "00")));  // 1 wrote "A".

  EXPECT_EQ(TextOf(doc), "AB");
}

TEST(Doc, WhatComesTooEarlyWaits) {
  Doc writer = NewDoc();
  std::vector<std::string> updates;
  for (const std::string_view letters : {"one ", "two ", "three"}) {
    updates.push_back(FromHex(EditText(writer, 7, [&](Text& text, Transaction& transaction) {
      text.Insert(transaction, text.length(), letters);
    })));
  }
  Doc doc = NewDoc();

  ASSERT_FALSE(doc.Apply(updates[2]));
  ASSERT_FALSE(doc.Apply(FromHex("000107010001")));  // Deletes the first letter.
  EXPECT_EQ(TextOf(doc), "");
  EXPECT_TRUE(doc.HasPending());
  EXPECT_EQ(doc.missing().At(Client(7)), 8u);
  ASSERT_FALSE(doc.Apply(updates[1]));
  ASSERT_FALSE(doc.Apply(updates[0]));

  EXPECT_EQ(TextOf(doc), "ne two three");
  EXPECT_FALSE(doc.HasPending());
  EXPECT_TRUE(doc.missing().empty());
}

TEST(Doc, AnUpdateThatIsRefusedChangesNothing) {
  Doc doc = NewDoc();
  ASSERT_FALSE(doc.Apply(FromHex("01010100040101740361626300")));
  const std::string before = doc.EncodeStateAsUpdate();

  // Two good letters, and a delete set that ends early.
  EXPECT_TRUE(
      doc.Apply(FromHex("01010103840102026465"
                        "01")));
  EXPECT_TRUE(
      doc.Apply(FromHex("01010103840102026465"
                        "0000")));
  EXPECT_EQ(doc.EncodeStateAsUpdate(), before);
  doc.CheckInvariantsDeep();
}

TEST(Doc, HalfACharacterIsAReplacementCharacter) {
  Doc doc = NewDoc();
  EditText(doc, 1, [](Text& text, Transaction& transaction) {
    text.Insert(transaction, 0, "\xf0\x9f\x98\x80");
  });
  Outcome outcome;
  outcome.watched = doc.Root("t");
  {
    Transaction transaction(doc, Client(1), Watch::kTextChanges);
    Text(doc, doc.Root("t")).Delete(transaction, 1, 1);
    transaction.Commit(outcome);
  }

  EXPECT_EQ(TextOf(doc), "\xef\xbf\xbd");
  ASSERT_EQ(outcome.text_changes.size(), 1u);
  EXPECT_EQ(outcome.text_changes[0].deleted, "\xf0\x9f\x98\x80");
  EXPECT_EQ(outcome.text_changes[0].inserted, "\xef\xbf\xbd");
}

TEST(Doc, AHandleOfAForgottenTypeNamesNothing) {
  Doc doc = NewDoc();
  TypeHandle list;
  {
    Transaction transaction(doc, Client(1));
    list = Map(doc, doc.Root("m")).Set(transaction, "k", NewType{.kind = TypeKind::kArray});
    Array(doc, list).Push(transaction, {Any("1")});
  }
  {
    Transaction transaction(doc, Client(1));
    Map(doc, doc.Root("m")).Delete(transaction, "k");
  }
  {
    Transaction transaction(doc, Client(1));
    Map(doc, doc.Root("m")).Set(transaction, "k", NewType{.kind = TypeKind::kArray});
    Array(doc, list).Push(transaction, {Any("2")});
  }

  EXPECT_EQ(Array(doc, list).length(), 0u);
  EXPECT_EQ(Map(doc, doc.Root("m")).ToJson(), "{\"k\":[]}");
}

TEST(Doc, EventsTellWhatHappened) {
  Doc doc = NewDoc();
  Outcome outcome;
  {
    Transaction transaction(doc, Client(1), Watch::kEvents);
    Array(doc, doc.Root("a")).Push(transaction, {Any("1"), Any("2")});
    Map(doc, doc.Root("m")).Set(transaction, "k", Any("true"));
    transaction.Commit(outcome);
  }
  ASSERT_EQ(outcome.events.size(), 2u);
  EXPECT_EQ(outcome.events[0].root, "a");
  ASSERT_EQ(outcome.events[0].delta.size(), 1u);
  EXPECT_EQ(outcome.events[0].delta[0].text, "[1,2]");
  EXPECT_EQ(outcome.events[1].keys[0].action, KeyChange::Action::kAdd);
}

// --- Against itself: whatever the order, the replicas become equal, byte by byte. ---

constexpr std::string_view kWords[] = {
    "a", "bc", "hello ", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80", "q\xf0\x9f\x98\x81w"};

// Where a pair of UTF-16 units is cut in half it becomes two U+FFFD, on the replicas that cut it:
// in Yjs too such texts differ for ever.
enum class Letters : std::uint8_t { kOneUnit, kPairsToo };

class Replica {
 public:
  Replica(std::uint64_t id, Letters letters, Prng& prng)
      : id_(id), letters_(letters), prng_(prng), doc_(NewDoc()) {}

  // A few random edits; yields the update.
  std::string Edit() {
    Outcome outcome;
    outcome.watched = doc_.Root("t");
    Transaction transaction(doc_, Client(id_), Watch::kEvents);
    for (std::uint64_t i = prng_.Below(3) + 1; i > 0; --i) EditOnce(transaction);
    transaction.Commit(outcome);
    Follow(outcome);
    return outcome.update;
  }
  Malformed Apply(std::string_view update) {
    Outcome outcome;
    outcome.watched = doc_.Root("t");
    const Malformed malformed = doc_.Apply(update, Watch::kEvents, outcome);
    if (!malformed) Follow(outcome);
    return malformed;
  }
  Doc& doc() { return doc_; }

 private:
  void EditOnce(Transaction& transaction) {
    Text text(doc_, doc_.Root("t"));
    const std::uint64_t length = text.length();
    const std::uint64_t at = prng_.Below(length + 1);
    const std::string_view word = kWords[prng_.Below(letters_ == Letters::kOneUnit ? 5 : 7)];
    Array array(doc_, doc_.Root("a"));
    switch (prng_.Below(8)) {
      case 0:
      case 1:
      case 2:
        return text.Insert(transaction, at, word);
      case 3:
        return text.Delete(transaction, at, prng_.Below(6) + 1);
      case 4:
        return text.Format(transaction, at, prng_.Below(6) + 1, {{"b", "true"}});
      case 5:
        return text.Insert(transaction, at, word, {{"b", "null"}, {"i", "1"}});
      case 6:
        array.Insert(transaction, prng_.Below(array.length() + 1), {Any("[1]"), Any("2")});
        return;
      default:
        if (array.length() > 1) array.Delete(transaction, prng_.Below(array.length() - 1), 2);
    }
  }
  // The text changes lead from the old text to the new one.
  void Follow(const Outcome& outcome) {
    doc_.CheckInvariantsDeep();
    for (const TextChange& change : outcome.text_changes) {
      const std::uint64_t at = change.position.bytes;
      ASSERT_EQ(text_.substr(at, change.deleted.size()), change.deleted);
      ASSERT_EQ(MeasureUtf8(text_.substr(0, at)), change.position);
      text_.replace(at, change.deleted.size(), change.inserted);
    }
    Text text(doc_, doc_.Root("t"));
    ASSERT_EQ(text.ToString(), text_);
    ASSERT_EQ(text.size(), MeasureUtf8(text_));
  }

  std::uint64_t id_;
  Letters letters_;
  Prng& prng_;
  Doc doc_;
  std::string text_;
};

void Converge(std::uint64_t seed) {
  SCOPED_TRACE(seed);
  Prng prng(seed);
  std::vector<Replica> replicas;
  for (std::uint64_t i = 0; i < 3; ++i) replicas.emplace_back(100 + i, Letters::kOneUnit, prng);
  std::vector<std::string> updates;
  for (int step = 0; step < 60; ++step) {
    Replica& replica = replicas[prng.Below(replicas.size())];
    std::string update = replica.Edit();
    if (!update.empty()) updates.push_back(std::move(update));
    if (updates.empty()) continue;
    Replica& other = replicas[prng.Below(replicas.size())];
    ASSERT_FALSE(other.Apply(updates[prng.Below(updates.size())]));
  }
  for (Replica& replica : replicas) {
    for (Replica& other : replicas) {
      const StateVector known = replica.doc().state_vector();
      ASSERT_FALSE(replica.Apply(other.doc().EncodeStateAsUpdate(known)));
    }
  }

  const std::string state = replicas[0].doc().EncodeStateAsUpdate();
  Doc fresh = NewDoc();
  ASSERT_FALSE(fresh.Apply(state));
  EXPECT_EQ(fresh.EncodeStateAsUpdate(), state);
  for (Replica& replica : replicas) {
    EXPECT_EQ(TextOf(replica.doc()), TextOf(fresh));
    EXPECT_EQ(replica.doc().state_vector(), fresh.state_vector());
    EXPECT_EQ(replica.doc().delete_set(), fresh.delete_set());
  }
}

TEST(Convergence, ReplicasAgreeWhateverTheOrder) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) Converge(seed);
}

// A node by client 9 with a letter by client 1 and an attribute by client 2, who deletes it all. As
// Yjs 13.6.33 undoes that: what is deleted first is what comes back first.
TEST(Doc, UndoMakesThingsAnewInTheOrderOfTheirDeletion) {
  constexpr Client kWriter{2};
  Doc doc = NewDoc();
  UndoHistory history(doc, {.writer = kWriter,
                            .scope = {doc.Root("x")},
                            .join_ticks = 0,
                            .others_values = UndoHistory::Options::OthersValues::kKeep});
  ASSERT_FALSE(doc.Apply(FromHex("02010900070101780601010004000900016100")));
  ASSERT_FALSE(doc.Apply(FromHex("0101020028000900016e0177017600")));
  {
    Transaction transaction(doc, kWriter);
    Array(doc, doc.Root("x")).Delete(transaction, 0, 1);
    history.Capture(transaction, Ticks(1));
  }
  Outcome outcome;
  ASSERT_TRUE(history.Undo(outcome, Watch::kUpdate));
  EXPECT_EQ(ToHex(outcome.update), "010302014709000604000201016128000201016e0177017600");
}

// Bytes that somebody damaged on purpose: refused, or whatever; never a crash, and what was taken
// is a sound document.
TEST(Hostile, DamagedUpdatesDoNoHarm) {
  Prng prng(11);
  std::uint64_t accepted = 0;
  for (int round = 0; round < 30; ++round) {
    Replica replica(7, Letters::kPairsToo, prng);
    std::vector<std::string> updates;
    for (int i = 0; i < 12; ++i) updates.push_back(replica.Edit());
    updates.push_back(replica.doc().EncodeStateAsUpdate());
    Doc doc = NewDoc(round % 2 == 0 ? Garbage::kCollect : Garbage::kKeep);
    for (int i = 0; i < 200; ++i) {
      std::string update = updates[prng.Below(updates.size())];
      for (std::uint64_t k = prng.Below(3); k > 0 && !update.empty(); --k) {
        update[prng.Below(update.size())] = static_cast<char>(prng.Below(256));
      }
      if (doc.Apply(update)) continue;
      ++accepted;
      doc.CheckInvariantsDeep();
    }
    Doc fresh = NewDoc();
    ASSERT_FALSE(fresh.Apply(doc.EncodeStateAsUpdate()));
    fresh.CheckInvariantsDeep();
  }
  EXPECT_GT(accepted, 1000u);
}

// Arrays, each in the one before, in the root "t".
std::string NestedArrays(std::uint64_t depth) {
  Lib0Writer writer;
  writer.VarUint(1);
  writer.VarUint(depth);
  writer.VarUint(1);
  writer.VarUint(0);
  writer.Raw(FromHex("0701017400"));
  for (std::uint64_t clock = 0; clock + 1 < depth; ++clock) {
    writer.Raw(FromHex("070001"));
    writer.VarUint(clock);
    writer.U8(0);
  }
  writer.VarUint(0);
  return writer.Take();
}

// It was done by recursion, and ended the process.
TEST(Hostile, RestoresWhatNestsAsDeepAsItLikes) {
  Doc target = NewDoc();
  ASSERT_FALSE(target.Apply(NestedArrays(100'000)));
  Doc doc = NewDoc();
  ASSERT_FALSE(
      doc.Apply(FromHex("010105000701017400"
                        "00")));  // The outermost one.
  {
    Transaction transaction(doc, Client(2));
    RestoreRoot(transaction, doc, target, "t");
  }
  doc.CheckInvariants();
  EXPECT_EQ(Array(doc, doc.Root("t")).ToJson(), Array(target, target.Root("t")).ToJson());
  EXPECT_EQ(doc.state_vector().At(Client(2)), 99'999u);
}

// Observing took the product of the numbers of cut characters and of changed items.
TEST(Hostile, HalfOfManyCharactersIsDeletedInNoTime) {
  constexpr std::uint64_t kPairs = 60'000;
  Doc doc = NewDoc();
  std::string letters;
  for (std::uint64_t i = 0; i < kPairs; ++i) letters += "\U0001F600";
  EditText(doc, 1, [&](Text& text, Transaction& edit) { text.Insert(edit, 0, letters); });
  Lib0Writer update;
  for (const std::uint64_t number :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1}, kPairs}) {
    update.VarUint(number);
  }
  for (std::uint64_t i = 0; i < kPairs; ++i) {
    update.VarUint(2 * i);
    update.VarUint(1);
  }
  Outcome outcome{.watched = doc.Root("t")};
  const std::clock_t before = std::clock();
  ASSERT_FALSE(doc.Apply(update.view(), Watch::kTextChanges, outcome));
  EXPECT_LT(std::clock() - before, 10 * CLOCKS_PER_SEC);  // A tenth of a second; it was minutes.
  ASSERT_EQ(outcome.text_changes.size(), 1u);
  EXPECT_EQ(outcome.text_changes[0].deleted, letters);
  EXPECT_EQ(outcome.text_changes[0].inserted, TextOf(doc));
}

// Values that a client wrote one by one, which no editor joined before they were sent.
std::string ValuesOneByOne(std::uint64_t count, const std::string& any) {
  Lib0Writer update;
  update.VarUint(1);
  update.VarUint(count);
  update.Raw(FromHex("05000801016101"));  // Client 5, from 0 on; the first in the root "a".
  update.Raw(any);
  for (std::uint64_t clock = 0; clock + 1 < count; ++clock) {
    update.Raw(FromHex("8805"));
    update.VarUint(clock);
    update.VarUint(1);
    update.Raw(any);
  }
  update.VarUint(0);
  return update.Take();
}

// Each that was merged moved all that were merged already.
TEST(Hostile, ValuesWrittenOneByOneAreMergedInNoTime) {
  constexpr std::uint64_t kValues = 60'000;
  const std::string any = FromHex("7726") + std::string(38, 'x');
  const std::string update = ValuesOneByOne(kValues, any);
  Doc doc = NewDoc();
  const std::clock_t before = std::clock();
  ASSERT_FALSE(doc.Apply(update));
  EXPECT_LT(std::clock() - before, 5 * CLOCKS_PER_SEC);  // A tenth of one; it was 18 s.
  doc.CheckInvariantsDeep();
  EXPECT_EQ(Array(doc, doc.Root("a")).length(), kValues);
  Lib0Writer merged;
  merged.Raw(
      FromHex("010105000801"
              "0161"));
  merged.VarUint(kValues);
  for (std::uint64_t i = 0; i < kValues; ++i) merged.Raw(any);
  merged.VarUint(0);
  EXPECT_TRUE(doc.EncodeStateAsUpdate() == merged.view());
}

// A place where many wrote is searched by a short cut, which held for what editors write alone. The
// expected text is what Yjs 13.6.33 makes of the same updates.
TEST(Hostile, NeighboursThatNeverWereAreOrderedAsInYjs) {
  Prng prng(2);
  Doc doc = NewDoc();
  std::vector<Id> all;
  std::vector<Clock> clocks(400, 0);
  const auto put_id = [](const Id& id, Lib0Writer& writer) {
    writer.VarUint(id.client.value());
    writer.VarUint(id.clock);
  };
  const auto put = [&](std::uint64_t client, const Id* left, const Id* right) {
    const Id id{.client = Client(client), .clock = clocks[client]++};
    Lib0Writer writer;
    writer.VarUint(1);
    writer.VarUint(1);
    put_id(id, writer);
    writer.U8(static_cast<std::uint8_t>(4 | (left != nullptr ? 0x80 : 0) |
                                        (right != nullptr ? 0x40 : 0)));
    if (left != nullptr) put_id(*left, writer);
    if (right != nullptr) put_id(*right, writer);
    if (left == nullptr && right == nullptr) writer.Raw(FromHex("010174"));
    writer.VarBytes(std::string(1, static_cast<char>('a' + all.size() % 26)));
    writer.VarUint(0);
    all.push_back(id);
    ASSERT_FALSE(doc.Apply(writer.view()));
  };
  const auto any = [&] { return all[prng.Below(all.size())]; };
  const Id first{.client = Client(1), .clock = 0};
  const Id second{.client = Client(1), .clock = 1};
  const Id third{.client = Client(1), .clock = 2};
  put(1, nullptr, nullptr);
  put(1, &first, nullptr);
  put(1, &second, nullptr);
  for (int i = 0; i < 260; ++i) {
    const std::uint64_t client = 2 + prng.Below(390);
    const std::uint64_t kind = prng.Below(12);
    const Id left = kind == 0 ? any() : kind == 2 ? first : second;
    const Id right = kind <= 2 ? any() : third;
    put(client, &left, &right);
  }
  doc.CheckInvariantsDeep();
  EXPECT_EQ(TextOf(doc),
            "amkbduskayuyndcmxfbvqrhcvwpaegltorzlpjznqjmobibpwtxwwlhvkmsjphdgyffburenotqigzck"
            "vsbnmjthwsotjvuximzpalaqywthxovrxuajivxweylgdazfpezdnabeogdjcswkuiyhzigugxrxvcbl"
            "qcfhcnsqodulktiyzbptmcaopdyfenezfgxahiwxnydfsfjhbiusqtkvrerlhcjmuqzclgpqlmkrpyna"
            "sdgqmoetrsowkvbfirkcejn");
}

// Behind "f" and in front of "c", all of "abcdef" by one client: where it goes depends on nothing
// that is merged in one document and in several pieces in another, as here, where "cd" is deleted.
TEST(Hostile, NeighboursInTheWrongOrderStandWhereverTheirsWereMerged) {
  Doc doc = NewDoc();
  const std::string letters =
      "0104010004010174026162840101026364840103026566c4010501020278790101010202";
  ASSERT_FALSE(doc.Apply(FromHex(letters)));
  Doc loaded = NewDoc();
  ASSERT_FALSE(loaded.Apply(doc.EncodeStateAsUpdate()));
  doc.CheckInvariantsDeep();
  EXPECT_EQ(TextOf(loaded), "abefxy");
  EXPECT_EQ(TextOf(doc), "abefxy");
}

// A letter at the root "t" of the document, as an update's struct.
std::string LetterBetween(const Id* left, const Id* right, char letter) {
  Lib0Writer writer;
  writer.U8(
      static_cast<std::uint8_t>(4 | (left != nullptr ? 0x80 : 0) | (right != nullptr ? 0x40 : 0)));
  for (const Id* id : {left, right}) {
    if (id == nullptr) continue;
    writer.VarUint(id->client.value());
    writer.VarUint(id->clock);
  }
  if (left == nullptr && right == nullptr) writer.Raw(FromHex("010174"));
  writer.VarBytes(std::string(1, letter));
  return writer.Take();
}

struct Typed {
  Id first;
  std::vector<std::string> structs;
};

std::string UpdateOf(const std::vector<Typed>& groups) {
  Lib0Writer writer;
  writer.VarUint(groups.size());
  for (const Typed& group : groups) {
    writer.VarUint(group.structs.size());
    writer.VarUint(group.first.client.value());
    writer.VarUint(group.first.clock);
    for (const std::string& bytes : group.structs) writer.Raw(bytes);
  }
  writer.VarUint(0);
  return writer.Take();
}

// Within a transaction the last search can save the next one. What is sent letter by letter is
// searched for each time. Neighbours are drawn, most of them such as nobody would write.
TEST(Hostile, PlacesAreFoundTogetherAsOneByOne) {
  Prng prng(11);
  for (int round = 0; round < 400; ++round) {
    Doc alone = NewDoc();
    Doc together = NewDoc();
    std::vector<Id> all;
    std::vector<Clock> clocks(6, 0);
    for (int part = 0; part < 8; ++part) {
      const Id origin = all.empty() ? Id{} : all[prng.Below(all.size())];
      std::vector<Typed> groups;
      for (std::uint64_t client = 5; client > 0; --client) {
        if (!prng.Chance(2, 5)) continue;
        Typed& group = groups.emplace_back();
        group.first = {.client = Client(client), .clock = clocks[client]};
        for (std::uint64_t left = prng.Between(1, 12); left > 0; --left) {
          const bool has_left = !all.empty() && prng.Chance(4, 5);
          const bool has_right = !all.empty() && prng.Chance(9, 10);
          const Id drawn = all.empty() ? Id{} : all[prng.Below(all.size())];
          const Id at = prng.Chance(4, 5) ? origin : drawn;
          const Id before = has_right && prng.Chance(3, 4) ? all.back() : drawn;
          group.structs.push_back(LetterBetween(has_left ? &at : nullptr,
                                                has_right ? &before : nullptr,
                                                static_cast<char>('a' + all.size() % 26)));
          const Id id{.client = Client(client), .clock = clocks[client]++};
          ASSERT_FALSE(alone.Apply(UpdateOf({{id, {group.structs.back()}}})));
          all.push_back(id);
        }
      }
      ASSERT_FALSE(together.Apply(UpdateOf(groups)));
      ASSERT_EQ(TextOf(together), TextOf(alone)) << round;
    }
    together.CheckInvariantsDeep();
  }
}

// Two who write a list whose newest entry stands first and do not hear of each other: every entry
// of the one went over all of the other.
TEST(Hostile, WhatManyPutInFrontIsFoundInNoTime) {
  constexpr int kLetters = 5'000;
  std::vector<Doc> docs;
  for (std::uint64_t client = 1; client <= 2; ++client) {
    docs.push_back(NewDoc());
    for (int i = 0; i < kLetters; ++i) {
      EditText(docs.back(), client, [](Text& t, Transaction& edit) { t.Insert(edit, 0, "x"); });
    }
  }
  ASSERT_FALSE(docs[0].Apply(docs[1].EncodeStateAsUpdate()));
  EXPECT_LT(docs[0].scanned_items(), 3u * kLetters);
  EXPECT_EQ(TextOf(docs[0]).size(), 2u * kLetters);
  docs[0].CheckInvariantsDeep();
}

// Marks of many keys were summed up all the same, in the square of their number for every mark.
TEST(Hostile, ManyKeysFormatAsFewDo) {
  Doc doc = NewDoc();
  Text text(doc, doc.Root("t"));
  EditText(doc, 1, [](Text& t, Transaction& edit) { t.Insert(edit, 0, std::string(3'000, 'x')); });
  Prng prng(5);
  for (int i = 0; i < 700; ++i) {
    const std::string value = prng.Chance(1, 5) ? "null" : std::to_string(prng.Below(3));
    EditText(doc, 2, [&](Text& t, Transaction& edit) {
      t.Format(edit, prng.Below(2'900), prng.Between(1, 400),
               {{"key" + std::to_string(prng.Below(300)), value}});
    });
  }
  doc.CheckInvariantsDeep();
  for (int i = 0; i < 100; ++i) {
    const std::size_t pieces = text.ToDelta().size();
    // Like what is to its left, so that it is a part of that.
    EditText(doc, 3, [&](Text& t, Transaction& edit) {
      t.Insert(edit, prng.Between(1, t.length() - 1), "y");
    });
    ASSERT_EQ(text.ToDelta().size(), pieces) << i;
  }
  doc.CheckInvariantsDeep();
}

TEST(Hostile, TypesMayNestAsDeepAsTheyLike) {
  Doc doc = NewDoc();
  ASSERT_FALSE(doc.Apply(NestedArrays(20'000)));
  EXPECT_FALSE(Array(doc, doc.Root("t")).ToJson().empty());
  {
    Transaction transaction(doc, Client(2));
    Array(doc, doc.Root("t")).Delete(transaction, 0, 1);
  }
  doc.CheckInvariantsDeep();
  EXPECT_EQ(Array(doc, doc.Root("t")).ToJson(), "[]");
}

}  // namespace
}  // namespace coterie::crdt
