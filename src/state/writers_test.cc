// Who writes for the machine: client ids that no editor has, and of which nobody knows more than
// the machine has written.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "crdt/delete_set.h"
#include "crdt/doc.h"
#include "crdt/lib0.h"
#include "crdt/map.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/content.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

constexpr crdt::Client kEditor(77);

// An update of one struct of kEditor's, "x", with this before the text; and no deletions.
std::string UpdateOf(std::uint8_t info, const std::vector<crdt::Id>& ids) {
  crdt::Lib0Writer writer;
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{1}, kEditor.value()}) {
    writer.VarUint(number);
  }
  writer.VarUint(0);
  writer.U8(info);
  for (const crdt::Id id : ids) {
    writer.VarUint(id.client.value());
    writer.VarUint(id.clock);
  }
  writer.VarBytes("x");
  writer.VarUint(0);
  return writer.Take();
}

std::string DeletionOf(crdt::Client client, crdt::ClockRange range) {
  crdt::DeleteSet deleted;
  deleted.Add(client, range);
  crdt::Lib0Writer writer;
  writer.VarUint(0);
  deleted.EncodeTo(writer);
  return writer.Take();
}

class WritersTest : public MachineTest {
 protected:
  WritersTest() {
    ann_ = LoginAs("ann", true);
    doc_ = Create("notes");
  }
  DocId Create(const std::string& name) {
    const DocId doc = Ok(ann_, CreateDocument{.name = name}).doc;
    Ok(ann_, Append{.doc = doc, .text = "abc"});
    return doc;
  }
  std::string StateOf(DocId doc) { return *machine_->UpdateAt(doc, Revision(), {}); }
  crdt::StateVector ClocksOf(DocId doc) {
    crdt::Doc copy({.garbage = crdt::Garbage::kCollect});
    EXPECT_FALSE(copy.Apply(StateOf(doc)));
    return copy.state_vector();
  }
  // Who alone has written in it.
  crdt::Client WriterOf(DocId doc) {
    const crdt::StateVector clocks = ClocksOf(doc);
    EXPECT_EQ(clocks.clocks().size(), 1u);
    return clocks.clocks().at(0).first;
  }
  void AppendMuch(DocId doc) {
    for (int i = 0; i < 50; ++i) Ok(ann_, Append{.doc = doc, .text = std::string(2'000, 'x')});
  }
  Outcome Send(const std::string& update) {
    return Do(ann_, ApplyUpdate{.doc = doc_, .update = update});
  }

  SessionId ann_;
  DocId doc_;
};

// What waited for the machine's own edits was merged by who loaded the content, and not by who had
// it in memory: the nodes stopped, one after the other.
TEST_F(WritersTest, WhatBuildsOnWhatTheyHaveNotWrittenIsRefused) {
  const crdt::Client writer = WriterOf(doc_);
  const crdt::Id next{.client = writer, .clock = 3};
  const crdt::Id last{.client = writer, .clock = 2};
  for (const std::string& update :
       {DeletionOf(writer, {.begin = 3, .end = 1 << 20}),
        DeletionOf(writer, {.begin = 1, .end = 4}), UpdateOf(0x84, {next}), UpdateOf(0x44, {next}),
        UpdateOf(0xc4, {last, next})}) {
    const Outcome outcome = Send(update);
    EXPECT_EQ(outcome.code, Code::kInvalidArgument);
    EXPECT_NE(outcome.message.find("has not written"), std::string::npos) << outcome.message;
    EXPECT_EQ(CodeOf(ann_, SaveDraft{.doc = doc_, .update = update}), Code::kInvalidArgument);
  }
  AppendMuch(doc_);
  const std::string text = "abc" + std::string(100'000, 'x');
  EXPECT_TRUE(TextOf(doc_) == text);
  Restart();
  EXPECT_TRUE(TextOf(doc_) == text);
  machine_->CheckInvariantsDeep();
  EXPECT_TRUE(Send(UpdateOf(0xc4, {last, next})).ok());  // By now they have.
  EXPECT_TRUE(Send(DeletionOf(writer, {.begin = 1, .end = 4})).ok());
  EXPECT_TRUE(TextOf(doc_) == "a" + std::string(100'000, 'x'));
}

TEST_F(WritersTest, NoTwoDocumentsHaveOne) {
  const DocId other = Create("other");
  EXPECT_NE(WriterOf(doc_), WriterOf(other));

  // The first document of another cluster, under the same number.
  const std::string exported = StateOf(doc_);
  kv_ = MemoryKv();
  time_ms_ += 1;
  Restart();
  ann_ = LoginAs("ann", true);
  const DocId elsewhere = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  ASSERT_EQ(elsewhere, doc_);
  Ok(ann_, Append{.doc = elsewhere, .text = "def"});
  EXPECT_TRUE(Send(exported).ok());
  EXPECT_EQ(TextOf(elsewhere).size(), 6u) << TextOf(elsewhere);
}

TEST_F(WritersTest, ThoseOfABackupStayTheSameThroughCheckpoints) {
  const crdt::Client before = WriterOf(doc_);
  machine_->BeginAnew({.term = Term(1),
                       .index = Index(machine_->applied().index.value() + 1'000'000'000),
                       .configuration = "members",
                       .writers_seed = 7});
  ann_ = LoginAs("ann");
  AppendMuch(doc_);
  Ok(ann_, Append{.doc = doc_, .text = "one"});
  EXPECT_EQ(ClocksOf(doc_).clocks().size(), 2u);
  EXPECT_EQ(ClocksOf(doc_).At(before), 3u);
  Restart();
  Ok(ann_, Append{.doc = doc_, .text = "more"});
  EXPECT_EQ(ClocksOf(doc_).clocks().size(), 2u);
  EXPECT_EQ(ClocksOf(doc_).At(before), 3u);
}

// An update of one struct that says that all these clocks of the client were used.
std::string UsedUp(crdt::Client client, crdt::Clock begin, crdt::Clock end) {
  crdt::Lib0Writer writer;
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{1}, client.value()}) {
    writer.VarUint(number);
  }
  writer.VarUint(begin);
  writer.U8(0);
  writer.VarUint(end - begin);
  writer.VarUint(0);
  return writer.Take();
}

TEST(Writers, AreManyOneAfterTheOtherAndThenNone) {
  Content content(DocId(7), "text", /*writer_seed=*/1);
  Content other(DocId(7), "text", /*writer_seed=*/1);  // In which none has written.
  crdt::StateVector known;
  std::uint64_t turns = 0;
  while (content.HasWriter()) {
    content.Change({{.position = content.size(), .deleted = "", .inserted = "a"}});
    crdt::Client writer(0);
    const crdt::StateVector now = content.state_vector();
    for (const auto& [client, clock] : now.clocks()) {
      if (known.At(client) == 0) writer = client;
    }
    const std::string update = UsedUp(writer, 1, 0x8000'0001);
    Content::Effect effect;
    for (Content* const one : {&content, &other}) {
      for (const std::string& forged :
           {UsedUp(writer, 0, 5), DeletionOf(writer, {.begin = 0, .end = 2})}) {
        const crdt::Malformed refused =
            one->Apply(forged, crdt::Embeds::kTold, Content::Searches::kBounded, effect);
        EXPECT_FALSE(refused.reason.empty());
      }
    }
    ASSERT_TRUE(content.Load(update));
    known = now;
    ++turns;
  }
  EXPECT_EQ(turns, Content::kTurnsMax);
  EXPECT_EQ(content.ToString(), std::string(turns, 'a'));
}

}  // namespace
}  // namespace coterie::state
