// Contents that editors write: through the machine, as a cluster would apply their updates.

#include "state/content.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crdt/array.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

// An editor with a copy of a document.
class Editor {
 public:
  explicit Editor(std::uint64_t client, std::string root = "text")
      : client_(client), root_(std::move(root)) {}

  std::string Insert(std::uint64_t at, const std::string& text) {
    crdt::Transaction transaction(doc, client_);
    crdt::Text(doc, doc.Root(root_)).Insert(transaction, at, text);
    return transaction.Commit().update;
  }
  std::string AddParagraph() {
    crdt::Transaction transaction(doc, client_);
    crdt::Array(doc, doc.Root(root_))
        .Push(transaction, {crdt::NewType{.kind = crdt::TypeKind::kXmlElement, .name = "p"}});
    return transaction.Commit().update;
  }
  std::string SetKey(const std::string& key, bool value) {
    crdt::Transaction transaction(doc, client_);
    crdt::Map(doc, doc.Root("map"))
        .Set(transaction, key, crdt::NewAny{.any = value ? "\x78" : "\x79"});
    return transaction.Commit().update;
  }
  void Receive(const std::string& update) { EXPECT_FALSE(doc.Apply(update)); }
  std::string text() { return crdt::Text(doc, doc.Root(root_)).ToString(); }

  crdt::Doc doc{{.garbage = crdt::Garbage::kCollect}};

 private:
  crdt::Client client_;
  std::string root_;
};

class ContentTest : public MachineTest {
 protected:
  ContentTest() {
    ann_ = LoginAs("ann");
    ben_ = LoginAs("ben");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  Outcome Send(SessionId session, const std::string& update) {
    return Do(session, ApplyUpdate{.doc = doc_, .update = update});
  }
  std::string StateOf(DocId doc) { return *machine_->UpdateAt(doc, Revision(), {}); }

  SessionId ann_;
  SessionId ben_;
  DocId doc_;
};

TEST_F(ContentTest, EditorsAndCommandsWriteOneText) {
  Editor editor(77);
  EXPECT_TRUE(Send(ann_, editor.Insert(0, "hello")).ok());
  EXPECT_EQ(TextOf(doc_), "hello");
  const std::vector<Event> events = EventsOf(ben_, Append{.doc = doc_, .text = ", world"});
  editor.Receive(std::get<DocumentChanged>(events.at(0).body).update);
  EXPECT_EQ(editor.text(), "hello, world");

  const std::vector<Event> typed =
      EventsOf(ann_, ApplyUpdate{.doc = doc_, .update = editor.Insert(5, " there")});
  const auto& changed = std::get<DocumentChanged>(typed.at(0).body);
  ASSERT_EQ(changed.changes.size(), 1u);
  EXPECT_EQ(changed.changes[0].position_bytes, 5u);
  EXPECT_EQ(changed.changes[0].inserted, " there");
  EXPECT_EQ(TextOf(doc_), "hello there, world");
}

TEST_F(ContentTest, WhatIsThereAlreadyChangesNothing) {
  Editor editor(77);
  const std::string update = editor.Insert(0, "hello");
  EXPECT_TRUE(Send(ann_, update).ok());
  const Revision revision = machine_->FindDocument(doc_)->revision;
  EXPECT_TRUE(EventsOf(ann_, ApplyUpdate{.doc = doc_, .update = update}).empty());
  EXPECT_TRUE(EventsOf(ann_, ApplyUpdate{.doc = doc_, .update = StateOf(doc_)}).empty());
  EXPECT_EQ(machine_->FindDocument(doc_)->revision, revision);
}

TEST_F(ContentTest, AnUpdateThatComesTooEarlyWaitsAndIsNotLost) {
  Editor editor(77);
  const std::string first = editor.Insert(0, "a");
  const std::string second = editor.Insert(1, "b");
  EXPECT_TRUE(Send(ann_, second).ok());
  EXPECT_EQ(TextOf(doc_), "");
  Restart();
  EXPECT_TRUE(Send(ann_, first).ok());
  EXPECT_EQ(TextOf(doc_), "ab");
  Restart();
  EXPECT_EQ(TextOf(doc_), "ab");
}

TEST_F(ContentTest, WhatWaitsIsBoundedAndWhatEndsTheWaitIsNot) {
  Editor editor(77);
  const std::string first = editor.Insert(0, "a");
  std::vector<std::string> later;
  for (int i = 0; i < 9; ++i) later.push_back(editor.Insert(1, std::string(600'000, 'b')));
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(Send(ann_, later[i]).ok());
  const Outcome refused = Send(ann_, later[6]);
  EXPECT_EQ(refused.code, Code::kExhausted);
  EXPECT_NE(refused.message.find("kPendingBytesMax"), std::string::npos);
  EXPECT_EQ(TextOf(doc_), "");
  // Others go on, and so does who needs nothing.
  Editor other(78);
  EXPECT_TRUE(Send(ben_, other.Insert(0, std::string(900'000, 'c'))).ok());
  Ok(ben_, Append{.doc = doc_, .text = "d"});

  EXPECT_TRUE(Send(ann_, first).ok());
  EXPECT_TRUE(Send(ann_, later[6]).ok());
  EXPECT_EQ(TextOf(doc_).size(), 1 + 7 * 600'000u + 900'000 + 1);
}

TEST_F(ContentTest, DeletionsThatWaitAreBoundedToo) {
  // Of an unknown client, every second clock: no two ranges join.
  const auto delete_much_of = [](crdt::Client client) {
    crdt::DeleteSet deleted;
    for (crdt::Clock clock = 0; clock < 200'000; ++clock) {
      deleted.Add(client, {.begin = 2 * clock, .end = 2 * clock + 1});
    }
    crdt::Lib0Writer writer;
    writer.VarUint(0);
    deleted.EncodeTo(writer);
    return writer.Take();
  };
  EXPECT_TRUE(Send(ann_, delete_much_of(crdt::Client(5))).ok());
  EXPECT_EQ(Send(ann_, delete_much_of(crdt::Client(6))).code, Code::kExhausted);
}

TEST_F(ContentTest, ALockIsRespectedWhicheverWayAnEditComes) {
  Editor editor(77);
  const FencingToken token = Ok(ben_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  const std::string update = editor.Insert(0, "hello");
  const Outcome refused = Send(ann_, update);
  EXPECT_EQ(refused.code, Code::kLocked);
  ASSERT_TRUE(refused.lock.has_value());
  EXPECT_EQ(refused.lock->holder, "ben");
  EXPECT_TRUE(Do(ben_, ApplyUpdate{.doc = doc_, .token = token, .update = update}).ok());
  EXPECT_EQ(CodeOf(ann_, ApplyUpdate{.doc = doc_, .token = token, .update = update}),
            Code::kLocked);
  EXPECT_EQ(TextOf(doc_), "hello");
}

TEST_F(ContentTest, WriteChangesOnlyWhatDiffers) {
  Editor editor(77);
  EXPECT_TRUE(Send(ann_, editor.Insert(0, "one\ntwo\nthree\n")).ok());
  const FencingToken token = Ok(ben_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  const std::vector<Event> events =
      EventsOf(ben_, Write{.doc = doc_, .token = token, .text = "one\nTWO\nthree\nfour\n"});
  Ok(ben_, Unlock{.doc = doc_});
  // Typed at the same time, elsewhere in the text: both stay, each where it was meant.
  EXPECT_TRUE(Send(ann_, editor.Insert(3, "!")).ok());
  editor.Receive(std::get<DocumentChanged>(events.at(0).body).update);
  EXPECT_EQ(TextOf(doc_), "one!\nTWO\nthree\nfour\n");
  EXPECT_EQ(editor.text(), TextOf(doc_));
}

TEST_F(ContentTest, NobodyWritesAsTheMachine) {
  Ok(ann_, Append{.doc = doc_, .text = "mine"});
  Editor thief(0);
  thief.Receive(StateOf(doc_));
  const crdt::Client machine = thief.doc.state_vector().clocks().at(0).first;
  Editor forger(machine.value());
  forger.Receive(StateOf(doc_));
  const Outcome outcome = Send(ben_, forger.Insert(0, "x"));
  EXPECT_EQ(outcome.code, Code::kInvalidArgument);
  EXPECT_EQ(TextOf(doc_), "mine");
}

// An embed takes no bytes: the place behind "b" and that before "c" are one by bytes.
TEST_F(ContentTest, AnEmbedBesideWhatIsDeletedStays) {
  Editor editor(77);
  EXPECT_TRUE(Send(ann_, editor.Insert(0, "abcd")).ok());
  crdt::Text text(editor.doc, editor.doc.Root("text"));
  crdt::Transaction transaction(editor.doc, crdt::Client(77));
  text.InsertEmbed(transaction, 2, "{\"image\":1}", {});
  EXPECT_TRUE(Send(ann_, transaction.Commit().update).ok());
  Ok(ann_, Edit{.doc = doc_, .splices = {{1, 1, ""}}});
  const FencingToken token = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  Ok(ann_, Write{.doc = doc_, .token = token, .text = "aC"});
  editor.Receive(StateOf(doc_));
  EXPECT_EQ(editor.text(), "aC");
  EXPECT_EQ(text.length(), 3u);
}

TEST_F(ContentTest, RichContentIsKeptButNotEditedByPosition) {
  Editor editor(77, "default");
  EXPECT_TRUE(Send(ann_, editor.AddParagraph()).ok());
  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc_, .text = "x"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann_, Edit{.doc = doc_, .splices = {{0, 0, "x"}}}), Code::kInvalidArgument);
  const std::vector<Event> events =
      EventsOf(ann_, ApplyUpdate{.doc = doc_, .update = editor.AddParagraph()});
  EXPECT_TRUE(std::get<DocumentChanged>(events.at(0).body).changes.empty());
  Editor reader(78, "default");
  reader.Receive(StateOf(doc_));
  EXPECT_EQ(crdt::Array(reader.doc, reader.doc.Root("default")).length(), 2u);
}

TEST_F(ContentTest, ARestoreBringsBackEverythingThatWasThere) {
  Editor editor(77);
  EXPECT_TRUE(Send(ann_, editor.Insert(0, "before")).ok());
  EXPECT_TRUE(Send(ann_, editor.SetKey("done", false)).ok());
  const Revision version = machine_->applied().index;
  EXPECT_TRUE(Send(ann_, editor.SetKey("done", true)).ok());
  EXPECT_TRUE(Send(ann_, editor.SetKey("more", true)).ok());
  EXPECT_TRUE(Send(ann_, editor.Insert(0, "and ")).ok());
  const FencingToken token = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  Ok(ann_, Restore{.doc = doc_, .token = token, .version = version});
  EXPECT_EQ(TextOf(doc_), "before");
  editor.Receive(StateOf(doc_));
  EXPECT_EQ(crdt::Map(editor.doc, editor.doc.Root("map")).ToJson(), "{\"done\":false}");
}

// Found by fuzz/apply_fuzz.cc: an id says one thing in what waits and another in what came later.
TEST_F(ContentTest, AnIdThatIsUsedTwiceDividesNobody) {
  const std::string early(
      "\x03\x01\x03\x00\x04\x00\x01\x74\x01\x43\x01\x02\x00\x04\x01\x01"
      "\x74\x01\x42\x01\x01\x00\x44\x03\x30\x01\x41\x00",
      28);
  const std::string late(
      "\x03\x01\x03\x00\x04\x01\x01\x74\x01\x43\x01\x02\x00\x04\x01\x01"
      "\x74\x03\x30\x01\x41\x01\x42\x01\x01\x00\x44\x03\x30\x01\x41\x00",
      32);
  EXPECT_TRUE(Send(ann_, early).ok());
  EXPECT_TRUE(Send(ben_, late).ok());
  for (int i = 0; i < 40; ++i) Ok(ann_, Append{.doc = doc_, .text = std::string(2'000, 'x')});
  const std::string text = TextOf(doc_);
  const std::string state = StateOf(doc_);
  Restart();
  EXPECT_EQ(TextOf(doc_), text);
  EXPECT_EQ(StateOf(doc_), state);
  Ok(ann_, Append{.doc = doc_, .text = "end"});
  machine_->CheckInvariantsDeep();
}

// Clocks have 32 bits. A document whose machine had used them up stopped every node for good.
TEST(ContentWriters, TheNextOneGoesOnWhereTheClocksEnd) {
  Content content(DocId(7), "text", /*writer_seed=*/1);
  const Content::Effect first = content.Change({{.position = {}, .deleted = "", .inserted = "a"}});
  Editor reader(1);
  reader.Receive(first.update);
  const crdt::Client writer = reader.doc.state_vector().clocks().at(0).first;
  crdt::Lib0Writer much;  // As if it had written that much and deleted it.
  for (const std::uint64_t number : {1, 1}) much.VarUint(number);
  much.VarUint(writer.value());
  much.VarUint(1);
  much.U8(0);
  much.VarUint(0xffff'fff0);
  much.VarUint(0);
  ASSERT_TRUE(content.Load(much.view()));
  content.Change({{.position = content.size(), .deleted = "", .inserted = std::string(100, 'b')}});
  EXPECT_EQ(content.ToString(), "a" + std::string(100, 'b'));

  Content again(DocId(7), "text", /*writer_seed=*/1);
  ASSERT_TRUE(again.Load(content.Encode()));
  Content::Effect effect;
  EXPECT_TRUE(content
                  .Apply(Editor(writer.value()).Insert(0, "x"), crdt::Embeds::kTold,
                         Content::Searches::kBounded, effect)
                  .reason.empty());
  reader.Receive(content.Encode());
  const crdt::Client next = reader.doc.state_vector().clocks().at(0).first == writer
                                ? reader.doc.state_vector().clocks().at(1).first
                                : reader.doc.state_vector().clocks().at(0).first;
  Editor forger(next.value());
  forger.Receive(content.Encode());
  EXPECT_FALSE(
      again.Apply(forger.Insert(0, "x"), crdt::Embeds::kTold, Content::Searches::kBounded, effect)
          .reason.empty());
}

TEST_F(ContentTest, MalformedUpdatesAreRefusedBeforeAnythingIsProposed) {
  const std::string encoded =
      EncodeCommand({.session = ann_, .body = ApplyUpdate{.doc = doc_, .update = "\x01\x01"}});
  EXPECT_FALSE(DecodeCommand(encoded).has_value());
  EXPECT_EQ(CodeOf(ann_, ApplyUpdate{.doc = doc_, .update = "\x01\x01"}), Code::kInvalidArgument);
}

}  // namespace
}  // namespace coterie::state
