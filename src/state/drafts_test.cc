// Drafts: what a locked document does not take is kept, added to, shown to whom it concerns, merged
// or dropped once, and lost by nothing else.

#include <string>
#include <utility>
#include <vector>

#include "crdt/doc.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

// An editor that goes on while the document does not take what it does.
class Page {
 public:
  explicit Page(std::uint64_t client)
      : client_(client), doc_({.garbage = crdt::Garbage::kCollect}) {}
  void Sync(const Machine& machine, DocId id) {
    EXPECT_FALSE(doc_.Apply(*machine.UpdateAt(id, Revision(), doc_.state_vector())));
  }
  std::string Type(const std::string& letters) {
    crdt::Transaction transaction(doc_, client_);
    crdt::Text text(doc_, doc_.Root("text"));
    text.Insert(transaction, text.length(), letters);
    return transaction.Commit().update;
  }
  std::string Erase(std::uint64_t begin, std::uint64_t count) {
    crdt::Transaction transaction(doc_, client_);
    crdt::Text(doc_, doc_.Root("text")).Delete(transaction, begin, count);
    return transaction.Commit().update;
  }

 private:
  crdt::Client client_;
  crdt::Doc doc_;
};

class Drafts : public MachineTest {
 protected:
  void SetUp() override {
    root_ = LoginAs("root", true);
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
    cid_ = LoginAs("cid");
    doc_ = Ok(ann_, CreateDocument{.name = "notes", .text = "Ann. "}).doc;
    page_.Sync(*machine_, doc_);
    token_ = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  }
  SaveDraft Save(std::string update) { return {.doc = doc_, .update = std::move(update)}; }
  MergeDraft Merge(const std::string& user = "bob", FencingToken token = {}) {
    return {.doc = doc_, .token = token, .user = user};
  }
  DropDraft Drop(const std::string& user = "bob") { return {.doc = doc_, .user = user}; }
  std::vector<DraftView> All() { return machine_->Drafts(doc_); }

  SessionId root_;
  SessionId ann_;
  SessionId bob_;
  SessionId cid_;
  DocId doc_;
  FencingToken token_;
  Page page_{77};
};

TEST_F(Drafts, WhatALockRefusedIsMergedAfterIt) {
  const std::string typed = page_.Type("Bob.");
  EXPECT_EQ(CodeOf(bob_, ApplyUpdate{.doc = doc_, .update = typed}), Code::kLocked);
  const std::vector<Event> saved = EventsOf(bob_, Save(typed));
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(std::get<DraftSaved>(saved[0].body).user, "bob");
  EXPECT_EQ(*DraftUserOf(saved[0]), "bob");
  EXPECT_EQ(TextOf(doc_), "Ann. ");
  EXPECT_EQ(CodeOf(bob_, Merge()), Code::kLocked);
  Restart();
  Ok(ann_, Write{.doc = doc_, .token = token_, .text = "Ann wrote. "});
  Ok(ann_, Unlock{.doc = doc_});

  const std::vector<Event> merged = EventsOf(bob_, Merge());

  ASSERT_EQ(merged.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<DocumentChanged>(merged[0].body));
  EXPECT_EQ(std::get<DraftMerged>(merged[1].body).user, "bob");
  EXPECT_EQ(TextOf(doc_), "Ann wrote. Bob.");
  EXPECT_TRUE(All().empty());
  EXPECT_EQ(CodeOf(bob_, Merge()), Code::kNotFound);
  machine_->CheckInvariantsDeep();
}

TEST_F(Drafts, GrowWithWhatIsSavedLater) {
  Ok(bob_, Save(page_.Type("B")));
  const std::uint64_t first = All()[0].created_at_ms;
  for (const char letter : std::string("ob wrote a lot here.")) {
    Ok(bob_, Save(page_.Type(std::string(1, letter))));
  }
  Ok(bob_, Save(page_.Erase(0, 2)));
  Restart();

  ASSERT_EQ(All().size(), 1u);
  EXPECT_EQ(All()[0].user, "bob");
  EXPECT_EQ(All()[0].created_at_ms, first);
  EXPECT_GT(All()[0].saved_at_ms, first);
  EXPECT_EQ(All()[0].size_bytes, machine_->DraftUpdate(doc_, "bob")->size());
  EXPECT_LT(All()[0].size_bytes, 60u) << "letters that follow each other are one struct";
  Ok(ann_, Merge("bob", token_));
  EXPECT_EQ(TextOf(doc_), "n. Bob wrote a lot here.");
}

TEST_F(Drafts, WhatIsThereAlreadyIsNoDraft) {
  EXPECT_TRUE(EventsOf(bob_, Save(*machine_->UpdateAt(doc_, Revision(), {}))).empty());
  EXPECT_TRUE(All().empty());
  const std::string typed = page_.Type("Bob.");
  EXPECT_EQ(EventsOf(bob_, Save(typed)).size(), 1u);
  EXPECT_TRUE(EventsOf(bob_, Save(typed)).empty()) << "the same again";
}

// A stock editor is asked for what it has as soon as it may write: then nothing is left to merge.
TEST_F(Drafts, ThatCameAsUpdatesAfterAllAreMerged) {
  const std::string first = page_.Type("Bob");
  const std::string second = page_.Type(" wrote.");
  const std::string third = page_.Erase(0, 1);
  for (const std::string& update : {first, second, third}) Ok(bob_, Save(update));
  Ok(ann_, Unlock{.doc = doc_});

  EXPECT_EQ(EventsOf(bob_, ApplyUpdate{.doc = doc_, .update = first}).size(), 1u);
  EXPECT_EQ(EventsOf(bob_, ApplyUpdate{.doc = doc_, .update = second}).size(), 1u);
  EXPECT_EQ(All().size(), 1u) << "the deletion is missing";
  const std::vector<Event> events = EventsOf(bob_, ApplyUpdate{.doc = doc_, .update = third});

  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<DraftMerged>(events[1].body).user, "bob");
  EXPECT_TRUE(All().empty());
  EXPECT_EQ(TextOf(doc_), "nn. Bob wrote.");
}

TEST_F(Drafts, AreTheirUsersAndTheOwnersAlone) {
  Ok(bob_, Save(page_.Type("Bob.")));

  EXPECT_EQ(CodeOf(cid_, Merge()), Code::kNotFound);
  EXPECT_EQ(CodeOf(cid_, Drop()), Code::kNotFound);
  EXPECT_EQ(CodeOf(bob_, Merge("cid")), Code::kNotFound);
  EXPECT_EQ(CodeOf(bob_, Merge("bob", token_)), Code::kLocked) << "the token is another's";
  EXPECT_EQ(CodeOf(bob_, Merge("bob", FencingToken(1))), Code::kStaleToken);
  EXPECT_EQ(EventsOf(ann_, Drop()).size(), 1u);
  EXPECT_TRUE(All().empty());
  EXPECT_EQ(TextOf(doc_), "Ann. ");
}

// Who was an editor when it was typed, and is none now: an owner may merge it.
TEST_F(Drafts, AreKeptOfWhoMayOnlyReadAnyMore) {
  Ok(ann_, Unlock{.doc = doc_});
  Ok(ann_, ShareDocument{.doc = doc_, .user = "bob", .role = DocumentRole::kViewer});
  const std::string typed = page_.Type("Bob.");
  EXPECT_EQ(CodeOf(bob_, ApplyUpdate{.doc = doc_, .update = typed}), Code::kPermissionDenied);
  Ok(bob_, Save(typed));
  EXPECT_EQ(CodeOf(bob_, Merge()), Code::kPermissionDenied);
  Ok(ann_, ShareDocument{.doc = doc_, .user = "bob", .role = DocumentRole::kNone});
  EXPECT_EQ(CodeOf(bob_, Save(page_.Type("!"))), Code::kNotFound);
  EXPECT_EQ(CodeOf(bob_, Drop()), Code::kNotFound);

  Ok(ann_, Merge());

  EXPECT_EQ(TextOf(doc_), "Ann. Bob.");
  EXPECT_EQ(machine_->Versions(doc_)[0].author, "ann");
}

TEST_F(Drafts, GoWithTheirDocumentAndTheirUser) {
  const DocId other = Ok(ann_, CreateDocument{.name = "other"}).doc;
  Ok(bob_, Save(page_.Type("Bob.")));
  Ok(bob_, SaveDraft{.doc = other, .update = Page(5).Type("Bob.")});
  Ok(cid_, Save(Page(6).Type("Cid.")));
  Ok(ann_, DeleteDocument{.doc = doc_});
  EXPECT_TRUE(All().empty());
  machine_->CheckInvariantsDeep();

  std::vector<std::string> dropped;
  for (const Event& event : EventsOf(root_, RemoveUser{.name = "bob"})) {
    const auto* draft = std::get_if<DraftDropped>(&event.body);
    if (draft != nullptr) dropped.push_back(draft->user);
  }

  EXPECT_EQ(dropped, std::vector<std::string>{"bob"});
  EXPECT_TRUE(machine_->Drafts(other).empty());
  EXPECT_EQ(kv_.committed().lower_bound("q"), kv_.committed().lower_bound("s"))
      << "nothing is left behind";
  Restart();
}

TEST_F(Drafts, HaveLimits) {
  const std::string half(kDraftBytesMax / 2, 'x');
  Ok(bob_, Save(page_.Type(half)));
  const Outcome outcome = Do(bob_, Save(page_.Type(half)));
  EXPECT_EQ(outcome.code, Code::kExhausted);
  EXPECT_NE(outcome.message.find("kDraftBytesMax"), std::string::npos);
  EXPECT_LT(All()[0].size_bytes, kDraftBytesMax) << "it is as it was";

  for (std::size_t i = 1; i < kDraftsPerDocumentMax; ++i) {
    Ok(LoginAs("user " + std::to_string(i)), Save(Page(i).Type("x")));
  }
  EXPECT_EQ(CodeOf(cid_, Save(Page(1'000).Type("x"))), Code::kExhausted);
  Ok(bob_, Drop());
  Ok(cid_, Save(Page(1'000).Type("x")));

  crdt::Doc crowd({.garbage = crdt::Garbage::kCollect});
  for (std::uint64_t i = 0; i <= kDraftClientsMax; ++i) {
    EXPECT_FALSE(crowd.Apply(Page(10'000 + i).Type("x")));
  }
  EXPECT_EQ(CodeOf(cid_, Save(crowd.EncodeStateAsUpdate())), Code::kExhausted);
}

TEST_F(Drafts, DoNotSpeakForTheMachine) {
  crdt::Doc doc({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(doc.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
  const crdt::Client machine = doc.state_vector().clocks()[0].first;
  crdt::Transaction transaction(doc, machine);
  crdt::Text(doc, doc.Root("text")).Insert(transaction, 0, "liar");

  EXPECT_EQ(CodeOf(bob_, Save(transaction.Commit().update)), Code::kInvalidArgument);
  EXPECT_TRUE(All().empty());
}

}  // namespace
}  // namespace coterie::state
