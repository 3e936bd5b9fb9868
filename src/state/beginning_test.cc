// What becomes of a backup.

#include <gtest/gtest.h>

#include <string>

#include "crdt/doc.h"
#include "crdt/text.h"
#include "state/content.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class BeginningTest : public MachineTest {
 protected:
  void SetUp() override {
    ann_ = LoginAs("ann", true);
    doc_ = Ok(ann_, CreateDocument{.name = "notes", .text = "one"}).doc;
    Ok(ann_, Append{.doc = doc_, .text = " two"});
  }
  Index BeginAnew(std::uint64_t seed = 7) {
    const Index index(machine_->applied().index.value() + 1'000'000'000);
    machine_->BeginAnew(
        {.term = Term(1), .index = index, .configuration = "members", .writers_seed = seed});
    machine_->CheckInvariantsDeep();
    return index;
  }
  std::string StateOf(DocId doc) { return *machine_->UpdateAt(doc, Revision(), {}); }

  SessionId ann_;
  DocId doc_;
};

TEST_F(BeginningTest, KeepsWhatWasWrittenAndEndsWhatWasGoingOn) {
  Ok(ann_, Attach{.lease_ms = 10'000});
  Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000});
  const DocId gone = Ok(ann_, CreateDocument{.name = "gone"}).doc;
  Ok(ann_, DeleteDocument{.doc = gone});

  const Index index = BeginAnew();
  EXPECT_EQ(TextOf(doc_), "one two");
  EXPECT_EQ(machine_->Versions(doc_).size(), 2u);
  EXPECT_EQ(machine_->FindUser("ann")->password_hash, "hash");
  EXPECT_TRUE(machine_->Sessions().empty());
  EXPECT_FALSE(machine_->FindDocument(doc_)->lock.has_value());
  EXPECT_EQ(machine_->applied().index, index);
  EXPECT_EQ(machine_->applied().configuration, "members");
  EXPECT_EQ(machine_->oldest_event_revision(), index.Next());

  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc_, .text = "!"}), Code::kUnauthenticated);
  const SessionId again = LoginAs("ann");
  EXPECT_GT(Ok(again, Append{.doc = doc_, .text = " three"}).revision, index);
  EXPECT_EQ(TextOf(doc_), "one two three");
  Restart();
  EXPECT_EQ(TextOf(doc_), "one two three");
  Ok(again, Append{.doc = doc_, .text = " four"});
  EXPECT_EQ(TextOf(doc_), "one two three four");
}

TEST_F(BeginningTest, IsTheSameOnEveryFounder) {
  MemoryKv copy = kv_;
  Machine other(copy, Machine::Options());
  const Index index = BeginAnew();
  other.BeginAnew({.term = Term(1), .index = index, .configuration = "members", .writers_seed = 7});
  EXPECT_EQ(other.digest(), machine_->digest());
  EXPECT_EQ(copy.committed(), kv_.committed());
}

// Somebody still has the document as the old cluster went on with it.
TEST_F(BeginningTest, WhatTheOldClusterWroteAfterTheBackupIsMergedAndNotTakenForSomethingElse) {
  MemoryKv backup = kv_;
  Ok(ann_, Append{.doc = doc_, .text = " lost"});
  crdt::Doc editor({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(editor.Apply(StateOf(doc_)));
  const auto text = [&] { return crdt::Text(editor, editor.Root(kTextRoot)).ToString(); };
  ASSERT_EQ(text(), "one two lost");

  kv_ = backup;
  Restart();
  BeginAnew();
  const SessionId again = LoginAs("ann");
  Ok(again, Append{.doc = doc_, .text = " new"});
  Ok(again, ApplyUpdate{.doc = doc_, .update = editor.EncodeStateAsUpdate()});
  ASSERT_FALSE(editor.Apply(StateOf(doc_)));
  EXPECT_EQ(text(), TextOf(doc_));
  EXPECT_NE(TextOf(doc_).find(" lost"), std::string::npos) << TextOf(doc_);
  EXPECT_NE(TextOf(doc_).find(" new"), std::string::npos) << TextOf(doc_);
}

}  // namespace
}  // namespace coterie::state
