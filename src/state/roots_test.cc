// Which of a document's roots holds the text that people see.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "crdt/array.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class RootsTest : public MachineTest {
 protected:
  RootsTest() {
    ann_ = LoginAs("ann");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  // What an editor does, sent as one update.
  template <class Change>
  void Edit(Change change) {
    crdt::Transaction transaction(editor_, crdt::Client(77));
    change(transaction);
    Ok(ann_, ApplyUpdate{.doc = doc_, .update = transaction.Commit().update});
    machine_->CheckInvariantsDeep();
  }
  void Type(const std::string& root, const std::string& text) {
    Edit([&](auto& t) { crdt::Text(editor_, editor_.Root(root)).Insert(t, 0, text); });
  }
  void Embed(const std::string& root) {
    Edit([&](auto& t) { crdt::Text(editor_, editor_.Root(root)).InsertEmbed(t, 0, "{}", {}); });
  }
  void PushValue(const std::string& root) {
    Edit([&](auto& t) {
      crdt::Array(editor_, editor_.Root(root)).Push(t, {crdt::NewAny{.any = "\x78"}});
    });
  }
  // A paragraph with a text in it, which may be empty, as rich editors keep it.
  void AddParagraph(const std::string& root, const std::string& text) {
    Edit([&](auto& t) {
      const crdt::TypeHandle paragraph =
          crdt::Array(editor_, editor_.Root(root))
              .Push(t, {crdt::NewType{.kind = crdt::TypeKind::kXmlElement, .name = "paragraph"}})
              .front();
      const crdt::TypeHandle letters =
          crdt::Array(editor_, paragraph)
              .Push(t, {crdt::NewType{.kind = crdt::TypeKind::kXmlText, .name = ""}})
              .front();
      crdt::Text(editor_, letters).Insert(t, 0, text);
    });
  }
  // What is read, also by who loads the document anew.
  std::string Read() {
    const std::string text = machine_->ReadingAt(doc_, Revision(), "")->text;
    Restart();
    EXPECT_EQ(machine_->ReadingAt(doc_, Revision(), "")->text, text);
    return text;
  }

  SessionId ann_;
  DocId doc_;
  crdt::Doc editor_{{.garbage = crdt::Garbage::kCollect}};
};

TEST_F(RootsTest, ValuesInAListHinderNoText) {
  PushValue("items");
  EXPECT_EQ(Read(), "");
  Type("notes", "hello");
  EXPECT_EQ(Read(), "hello");
  Ok(ann_, Append{.doc = doc_, .text = ", world"});
  EXPECT_EQ(Read(), "hello, world");
}

TEST_F(RootsTest, ACommandWritesBesideValues) {
  PushValue("items");
  const Revision base = machine_->applied().index;
  Ok(ann_, Append{.doc = doc_, .text = "hello"});
  EXPECT_EQ(Read(), "hello");
  Ok(ann_, state::Edit{.doc = doc_, .base = base, .splices = {{0, 0, "!"}}});
  EXPECT_EQ(Read(), "hello!");
  Type("another", "later");
  EXPECT_EQ(Read(), "hello!");
}

TEST_F(RootsTest, ValuesUnderTheNameOfTheTextAreNotMixedWithLetters) {
  PushValue("text");
  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc_, .text = "x"}), Code::kInvalidArgument);
  Type("notes", "hello");
  Ok(ann_, Append{.doc = doc_, .text = "!"});
  EXPECT_EQ(Read(), "hello!");
}

TEST_F(RootsTest, AnEmptyRichDocumentIsNotTheTextWhereLettersComeElsewhere) {
  AddParagraph("default", "");
  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc_, .text = "x"}), Code::kInvalidArgument);
  Type("notes", "hello");
  EXPECT_EQ(Read(), "hello");
  AddParagraph("default", "more");
  EXPECT_EQ(Read(), "hello");
}

TEST_F(RootsTest, LettersInXmlAreLetters) {
  AddParagraph("prosemirror", "");
  AddParagraph("prosemirror", "one");
  Type("a", "hello");
  EXPECT_EQ(Read(), "one");
  EXPECT_TRUE(machine_->ReadingAt(doc_, Revision(), "")->is_projection);
}

TEST_F(RootsTest, ATextOfPicturesAloneIsEditedUntilLettersComeElsewhere) {
  Embed("quill");
  Embed("quill");
  const Revision base = machine_->applied().index;
  Type("notes", "ab");
  EXPECT_EQ(Read(), "ab");
  // The place behind the pictures is now that behind the letters.
  Ok(ann_, state::Edit{.doc = doc_, .base = base, .splices = {{2, 0, "c"}}});
  EXPECT_EQ(Read(), "abc");
}

TEST_F(RootsTest, WhatIsAppendedToPicturesMakesThemTheText) {
  Embed("quill");
  Ok(ann_, Append{.doc = doc_, .text = "below"});
  Type("notes", "later");
  EXPECT_EQ(Read(), "below");
  EXPECT_EQ(machine_->ReadingAt(doc_, Revision(), "quill")->text, "below");
}

TEST_F(RootsTest, LettersThatWentAgainHaveDecided) {
  Type("notes", "hello");
  Edit([&](auto& t) { crdt::Text(editor_, editor_.Root("notes")).Delete(t, 0, 5); });
  Type("another", "later");
  EXPECT_EQ(Read(), "");
  Ok(ann_, Append{.doc = doc_, .text = "again"});
  EXPECT_EQ(machine_->ReadingAt(doc_, Revision(), "notes")->text, "again");
}

// That of a doc.getText() in Yjs.
TEST_F(RootsTest, TheNameMayBeEmpty) {
  Type("", "hello");
  EXPECT_EQ(Read(), "hello");
  Ok(ann_, Append{.doc = doc_, .text = ", world"});
  Type("notes", "later");
  EXPECT_EQ(Read(), "hello, world");
}

TEST_F(RootsTest, OfManyWithoutLettersOneIsTakenInTheEnd) {
  Edit([&](auto& t) {
    for (int i = 0; i < 1'001; ++i) {
      crdt::Array(editor_, editor_.Root("list" + std::to_string(i)))
          .Push(t, {crdt::NewAny{.any = "\x78"}});
    }
  });
  Type("notes", "not looked for any more");
  EXPECT_EQ(Read(), "");
  Ok(ann_, Append{.doc = doc_, .text = "hello"});
  EXPECT_EQ(Read(), "hello");
}

TEST_F(RootsTest, MuchXmlWithoutLettersIsTakenInTheEnd) {
  Edit([&](auto& t) {
    crdt::Array list(editor_, editor_.Root("default"));
    for (int i = 0; i < 16'385; ++i) {
      list.Push(t, {crdt::NewType{.kind = crdt::TypeKind::kXmlElement, .name = "rule"}});
    }
  });
  Type("notes", "not looked for any more");
  EXPECT_EQ(CodeOf(ann_, Append{.doc = doc_, .text = "x"}), Code::kInvalidArgument);
}

// Whatever comes in whatever order, and whenever the content is dropped from memory: the same.
TEST_F(RootsTest, AreTheSameForWhoLoadsTheDocumentAnew) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Prng prng(seed);
    doc_ = Ok(ann_, CreateDocument{.name = "doc" + std::to_string(seed)}).doc;
    editor_ = crdt::Doc({.garbage = crdt::Garbage::kCollect});
    for (int step = 0; step < 12; ++step) {
      const std::string root = std::vector<std::string>{"", "a", "text", "z"}[prng.Below(4)];
      switch (prng.Below(6)) {
        case 0:
          Type(root, "x");
          break;
        case 1:
        case 2:
          Embed(root);
          break;
        case 3:
          PushValue(root);
          break;
        case 4:
          AddParagraph(root, prng.Chance(1, 3) ? "y" : "");
          break;
        default:
          Do(ann_, Append{.doc = doc_, .text = "z"});
      }
      Read();
      EXPECT_EQ(machine_->FindDocument(doc_)->size_bytes, TextOf(doc_).size());
    }
  }
}

}  // namespace
}  // namespace coterie::state
