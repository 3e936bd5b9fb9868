// What somebody writes in steps is followed through what the others do, and taken back as one.

#include <string>
#include <utility>
#include <vector>

#include "state/test_machine.h"

namespace coterie::state {
namespace {

class WritingTest : public MachineTest {
 protected:
  void Begin(const std::string& text) {
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
    doc_ = Ok(ann_, CreateDocument{.name = "notes", .text = text}).doc;
    writing_.revision = machine_->applied().index;
    writing_.at = Utf16Length(text);
    Follow();
  }
  void Follow() {
    std::optional<Writing> followed = machine_->Follow(doc_, writing_, {});
    ASSERT_TRUE(followed.has_value());
    writing_ = *std::move(followed);
  }
  // More versions than are kept.
  void GoBy() {
    for (std::size_t i = 0; i <= kVersionsPerDocumentMax + kArchivedPerChange; ++i)
      Type(0, i == 0 ? 0 : 1, "x");
  }
  // One step, as a task does it.
  void Write(const std::string& text) {
    const Revision added =
        Ok(ann_, Edit{.doc = doc_, .base = writing_.revision, .splices = {{writing_.at, 0, text}}})
            .revision;
    std::optional<Writing> followed = machine_->Follow(doc_, writing_, added);
    ASSERT_TRUE(followed.has_value());
    writing_ = *std::move(followed);
    ASSERT_FALSE(writing_.places.empty());
  }
  void Type(std::uint64_t position, std::uint64_t deleted, const std::string& inserted) {
    Ok(bob_, Edit{.doc = doc_, .splices = {{position, deleted, inserted}}});
  }
  void TakeBack() {
    Ok(ann_, Edit{.doc = doc_, .base = writing_.revision, .splices = writing_.places});
  }
  std::string Text() { return TextOf(doc_); }

  SessionId ann_;
  SessionId bob_;
  DocId doc_;
  Writing writing_;
};

TEST_F(WritingTest, IsOnePlaceAndTakenBackAsOne) {
  Begin("Once");
  Write(" upon");
  Write(" a t\u00efme");

  EXPECT_EQ(writing_.places, (std::vector<Splice>{{4, 12, ""}}));
  EXPECT_FALSE(writing_.anchor.empty());
  const std::size_t versions = machine_->Versions(doc_).size();
  TakeBack();
  EXPECT_EQ(Text(), "Once");
  EXPECT_EQ(machine_->Versions(doc_).size(), versions + 1);
}

TEST_F(WritingTest, GoesOnBehindItselfWhileOthersWrite) {
  Begin("Once");
  Write(" upon");
  Type(0, 0, "\U0001F600 ");  // Before it,
  Type(9, 0, "[in]");         // within it,
  Write(" a time");
  Type(7, 1, "");  // and its first letter is deleted.
  Write(".");

  EXPECT_EQ(Text(), "\U0001F600 Onceu[in]pon a time.");
  EXPECT_EQ(writing_.places, (std::vector<Splice>{{7, 1, ""}, {12, 11, ""}}));
  Type(0, 3, "");
  TakeBack();
  EXPECT_EQ(Text(), "Once[in]");
}

TEST_F(WritingTest, GoesOnAfterMoreVersionsThanAreKept) {
  Begin("Once");
  GoBy();
  const Edit late{.doc = doc_, .base = writing_.revision, .splices = {{writing_.at, 0, "!"}}};
  EXPECT_EQ(CodeOf(ann_, late), Code::kOutOfRange);
  Follow();
  Write(" upon");
  Type(8, 0, "[in]");
  GoBy();
  Follow();
  EXPECT_TRUE(writing_.places.empty());  // What is between others' letters cannot be told apart.
  Write(" a time");
  GoBy();
  Follow();
  EXPECT_EQ(writing_.places, (std::vector<Splice>{{16, 7, ""}}));
  Write(".");

  EXPECT_EQ(Text(), "xxxOnce up[in]on a time.");
  TakeBack();
  EXPECT_EQ(Text(), "xxxOnce up[in]on");
}

TEST_F(WritingTest, ItsOwnStepIsFollowedWhenTheVersionsBeforeAreGone) {
  Begin("Once");
  Write(" upon");
  const Writing before = writing_;
  GoBy();
  Follow();
  const Revision added =
      Ok(ann_, Edit{.doc = doc_, .base = writing_.revision, .splices = {{writing_.at, 0, "!"}}})
          .revision;
  Type(0, 1, "");

  const std::optional<Writing> followed = machine_->Follow(doc_, before, added);

  ASSERT_TRUE(followed.has_value());
  EXPECT_EQ(followed->places, (std::vector<Splice>{{4, 6, ""}}));
  EXPECT_EQ(followed->at, 10u);
}

TEST_F(WritingTest, WhatIsAllDeletedMeanwhileIsLost) {
  Begin("Once");
  Write(" upon");
  Type(4, 5, "");
  GoBy();
  EXPECT_FALSE(machine_->Follow(doc_, writing_, {}).has_value());
}

TEST_F(WritingTest, WhatIsNotRetainedIsNotFollowed) {
  Begin("Once");
  EXPECT_FALSE(machine_->Follow(DocId(77), writing_, {}).has_value());
  Ok(ann_, DeleteDocument{.doc = doc_});
  EXPECT_FALSE(machine_->Follow(doc_, writing_, {}).has_value());
}

}  // namespace
}  // namespace coterie::state
