// ApplyUpdates: several write at once, each part is judged by itself, and one version names all.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "crdt/doc.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "state/names.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

// An editor with a copy of a document.
class Page {
 public:
  explicit Page(std::uint64_t client) : client_(client) {}
  std::string Insert(std::uint64_t at, const std::string& letters) {
    crdt::Transaction transaction(doc_, client_);
    crdt::Text(doc_, doc_.Root("text")).Insert(transaction, at, letters);
    return transaction.Commit().update;
  }
  void Receive(const std::string& update) { EXPECT_FALSE(doc_.Apply(update)); }
  std::string text() { return crdt::Text(doc_, doc_.Root("text")).ToString(); }

 private:
  crdt::Client client_;
  crdt::Doc doc_{{.garbage = crdt::Garbage::kCollect}};
};

class JointEdits : public MachineTest {
 protected:
  JointEdits() {
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
    cid_ = LoginAs("cid");
    doc_ = Ok(ann_, CreateDocument{.name = "notes"}).doc;
  }
  static UpdatePart PartOf(SessionId session, std::string update, std::uint64_t sequence = 1) {
    return {.session = session,
            .request = {.client = ClientId(session.value() + 1'000), .sequence = sequence},
            .update = std::move(update)};
  }
  ApplyResult Apply(std::vector<UpdatePart> parts) {
    return ApplyCommandOf({}, ApplyUpdates{.doc = doc_, .parts = std::move(parts)});
  }
  // What comes of each.
  std::vector<Code> Codes(std::vector<UpdatePart> parts) {
    const std::size_t count = parts.size();
    const ApplyResult result = Apply(std::move(parts));
    EXPECT_TRUE(result.outcome->ok()) << result.outcome->message;
    std::vector<Code> codes;
    for (const Outcome& outcome : result.outcome->parts) {
      EXPECT_TRUE(outcome.ok() || !outcome.message.empty());
      codes.push_back(outcome.code);
    }
    EXPECT_EQ(codes.size(), count);
    return codes;
  }
  std::vector<Code> All(std::size_t count) { return std::vector<Code>(count, Code::kOk); }
  std::string TextWithoutOrder() {
    std::string text = TextOf(doc_);
    std::sort(text.begin(), text.end());
    return text;
  }

  SessionId ann_;
  SessionId bob_;
  SessionId cid_;
  DocId doc_;
  Page of_ann_{11};
  Page of_bob_{22};
  Page of_cid_{33};
};

TEST_F(JointEdits, WhatSeveralWriteIsOneVersionOfAllOfThem) {
  const std::size_t before = machine_->Versions(doc_).size();
  const ApplyResult result =
      Apply({PartOf(bob_, of_bob_.Insert(0, "b")), PartOf(ann_, of_ann_.Insert(0, "a")),
             PartOf(cid_, of_cid_.Insert(0, "c"))});

  EXPECT_EQ(TextWithoutOrder(), "abc");
  const std::vector<VersionView> versions = machine_->Versions(doc_);
  ASSERT_EQ(versions.size(), before + 1);
  const std::vector<std::string> authors = {"bob", "ann", "cid"};
  EXPECT_EQ(SplitNames(versions[0].author), authors);
  EXPECT_EQ(versions[0].inserted_bytes, 3u);
  EXPECT_EQ(versions[0].revision, machine_->applied().index);
  EXPECT_EQ(SplitNames(machine_->FindDocument(doc_)->author), authors);
  ASSERT_EQ(result.events->events.size(), 1u);
  EXPECT_EQ(SplitNames(result.events->events[0].user), authors);
  Page reader(99);
  reader.Receive(std::get<DocumentChanged>(result.events->events[0].body).update);
  EXPECT_EQ(reader.text(), TextOf(doc_));
  for (const Outcome& outcome : result.outcome->parts) {
    EXPECT_EQ(outcome.revision, machine_->applied().index);
  }
  const std::string text = TextOf(doc_);
  Restart();
  EXPECT_EQ(TextOf(doc_), text);
  EXPECT_EQ(SplitNames(machine_->Versions(doc_)[0].author), authors);
}

TEST_F(JointEdits, OneAuthorIsNamedAsEver) {
  Page other(44);
  UpdatePart again = PartOf(ann_, other.Insert(0, "z"));
  again.request.client = ClientId(7);
  Apply({PartOf(ann_, of_ann_.Insert(0, "a")), again});
  EXPECT_EQ(machine_->Versions(doc_)[0].author, "ann");
  // Who brings nothing new is no author.
  const std::string known = of_ann_.Insert(1, "b");
  Ok(ann_, ApplyUpdate{.doc = doc_, .update = known});
  Apply({PartOf(ann_, known, 2), PartOf(bob_, of_bob_.Insert(0, "c"))});
  EXPECT_EQ(machine_->Versions(doc_)[0].author, "bob");
  const Revision revision = machine_->FindDocument(doc_)->revision;
  EXPECT_FALSE(Apply({PartOf(cid_, known)}).events.has_value());
  EXPECT_EQ(machine_->FindDocument(doc_)->revision, revision);
}

TEST_F(JointEdits, EachPartIsJudgedByItself) {
  Ok(ann_, ShareDocument{.doc = doc_, .user = "bob", .role = DocumentRole::kViewer});
  const SessionId dan = LoginAs("dan");
  const SessionId eve = LoginAs("eve");
  const SessionId gone = LoginAs("cid");
  Ok(gone, Logout{});
  Page of_dan(44);
  const std::string torn = of_dan.Insert(0, "d").substr(0, 5);

  const std::vector<Code> codes = Codes(
      {PartOf(ann_, of_ann_.Insert(0, "a")), PartOf(bob_, of_bob_.Insert(0, "b")),
       PartOf(gone, of_cid_.Insert(0, "c")), PartOf(dan, torn),
       PartOf(eve, Page(55).Insert(0, "e")), PartOf(SessionId(999), Page(66).Insert(0, "f"))});

  using enum Code;
  EXPECT_EQ(codes, std::vector<Code>({kOk, kPermissionDenied, kUnauthenticated, kInvalidArgument,
                                      kOk, kUnauthenticated}));
  EXPECT_EQ(TextWithoutOrder(), "ae");
  EXPECT_EQ(SplitNames(machine_->Versions(doc_)[0].author),
            std::vector<std::string>({"ann", "eve"}));
}

TEST_F(JointEdits, ALockRefusesAllButItsHolder) {
  Ok(bob_, Lock{.doc = doc_, .ttl_ms = 60'000});
  const ApplyResult result =
      Apply({PartOf(ann_, of_ann_.Insert(0, "a")), PartOf(bob_, of_bob_.Insert(0, "b"))});
  ASSERT_EQ(result.outcome->parts[0].code, Code::kLocked);
  EXPECT_EQ(result.outcome->parts[0].lock->holder, "bob");
  EXPECT_TRUE(result.outcome->parts[1].ok());
  EXPECT_EQ(TextOf(doc_), "b");
  EXPECT_EQ(machine_->Versions(doc_)[0].author, "bob");
}

TEST_F(JointEdits, EachPartHappensOnceInWhateverCompany) {
  const UpdatePart ann = PartOf(ann_, of_ann_.Insert(0, "a"));
  const UpdatePart bob = PartOf(bob_, of_bob_.Insert(0, "b"));
  const Revision first = Apply({ann}).outcome->parts[0].revision;
  Restart();

  const ApplyResult second = Apply({bob, ann});
  EXPECT_EQ(second.outcome->parts[1].revision, first);
  EXPECT_EQ(second.outcome->parts[0].revision, machine_->applied().index);
  EXPECT_EQ(machine_->Versions(doc_)[0].author, "bob");

  // Alone, as a command of its own, too.
  const Outcome again = Do(ann_, ApplyUpdate{.doc = doc_, .update = ann.update}, ann.request);
  EXPECT_EQ(again.revision, first);
  EXPECT_EQ(TextWithoutOrder(), "ab");

  // And a refusal is kept like anything else.
  Ok(cid_, Lock{.doc = doc_, .ttl_ms = 60'000});
  const UpdatePart late = PartOf(bob_, of_bob_.Insert(1, "c"), 2);
  EXPECT_EQ(Codes({late}), std::vector<Code>({Code::kLocked}));
  Ok(cid_, Unlock{.doc = doc_});
  EXPECT_EQ(Codes({late}), std::vector<Code>({Code::kLocked}));
  machine_->CheckInvariantsDeep();
}

TEST_F(JointEdits, WhoSpeaksForTheMachineIsRefusedAlone) {
  Ok(ann_, Append{.doc = doc_, .text = "m"});
  crdt::Doc mine({.garbage = crdt::Garbage::kCollect});
  ASSERT_FALSE(mine.Apply(*machine_->UpdateAt(doc_, Revision(), {})));
  const crdt::Client writer = mine.state_vector().clocks().begin()->first;
  crdt::Transaction transaction(mine, writer);
  crdt::Text(mine, mine.Root("text")).Insert(transaction, 0, "x");

  EXPECT_EQ(
      Codes({PartOf(bob_, transaction.Commit().update), PartOf(ann_, of_ann_.Insert(0, "a"))}),
      std::vector<Code>({Code::kInvalidArgument, Code::kOk}));
  EXPECT_EQ(TextWithoutOrder(), "am");
}

// Each would be let wait alone, and all together are more than may: who comes first is taken.
TEST_F(JointEdits, WhatThereIsNoRoomForIsRefusedAlone) {
  const std::string first = of_ann_.Insert(0, "a");
  for (int i = 0; i < 6; ++i) {
    Ok(ann_, ApplyUpdate{.doc = doc_, .update = of_ann_.Insert(1, std::string(600'000, 'x'))});
  }
  EXPECT_EQ(TextOf(doc_), "");
  static_cast<void>(of_bob_.Insert(0, "b"));
  static_cast<void>(of_cid_.Insert(0, "c"));
  const UpdatePart bob = PartOf(bob_, of_bob_.Insert(1, std::string(400'000, 'y')));
  const UpdatePart cid = PartOf(cid_, of_cid_.Insert(1, std::string(400'000, 'z')));
  const UpdatePart dan = PartOf(LoginAs("dan"), Page(44).Insert(0, "d"));

  EXPECT_EQ(Codes({bob, cid, dan}), std::vector<Code>({Code::kOk, Code::kExhausted, Code::kOk}));

  EXPECT_EQ(TextOf(doc_), "d");
  EXPECT_EQ(SplitNames(machine_->Versions(doc_)[0].author),
            std::vector<std::string>({"bob", "dan"}));
  Ok(ann_, ApplyUpdate{.doc = doc_, .update = first});
  EXPECT_EQ(TextOf(doc_).size(), 2 + 6 * 600'000u);
  machine_->CheckInvariantsDeep();
}

TEST_F(JointEdits, ADraftIsMergedWithTheLastOfItsUpdates) {
  const FencingToken token = Ok(ann_, Lock{.doc = doc_, .ttl_ms = 60'000}).token;
  const std::string typed = of_bob_.Insert(0, "b");
  Ok(bob_, SaveDraft{.doc = doc_, .update = typed});
  Ok(ann_, Unlock{.doc = doc_, .token = token});
  const ApplyResult result = Apply({PartOf(bob_, typed), PartOf(ann_, of_ann_.Insert(0, "a"))});
  ASSERT_EQ(result.events->events.size(), 2u);
  EXPECT_EQ(std::get<DraftMerged>(result.events->events[1].body).user, "bob");
  EXPECT_EQ(result.events->events[1].user, "bob");
  EXPECT_TRUE(machine_->Drafts(doc_).empty());
}

// Neighbours that nobody would write, for which a place is searched among all of them.
TEST_F(JointEdits, WhatTakesTooLongToFindHarmsNobodyElse) {
  constexpr std::uint64_t kStructs = 20'000;
  Ok(ann_, ApplyUpdate{.doc = doc_, .update = of_ann_.Insert(0, std::string(kStructs + 1, '.'))});
  crdt::Lib0Writer writer;
  writer.VarUint(1);
  writer.VarUint(kStructs);
  writer.VarUint(5);
  writer.VarUint(0);
  for (std::uint64_t i = 0; i < kStructs; ++i) {
    writer.Raw("\xc4");  // A string between the first letter and another one.
    for (const std::uint64_t of : {std::uint64_t{11}, std::uint64_t{0}, std::uint64_t{11}, i + 1}) {
      writer.VarUint(of);
    }
    writer.VarBytes("x");
  }
  writer.VarUint(0);
  UpdatePart more_of_bob = PartOf(bob_, of_bob_.Insert(0, "b"));
  more_of_bob.request.client = ClientId(99);
  const std::vector<Code> codes =
      Codes({PartOf(ann_, of_ann_.Insert(0, "a")), PartOf(bob_, writer.Take()),
             PartOf(cid_, of_cid_.Insert(0, "c")), more_of_bob});
  // What else the same user sent goes with it: else each of 64 parts would be tried by itself.
  using enum Code;
  EXPECT_EQ(codes, (std::vector<Code>{kOk, kTooMuchWork, kOk, kTooMuchWork}));
  const std::string text = TextOf(doc_);
  EXPECT_EQ(text.size(), kStructs + 3);
  EXPECT_EQ(text.find('x'), std::string::npos);
  EXPECT_EQ(SplitNames(machine_->Versions(doc_)[0].author),
            (std::vector<std::string>{"ann", "cid"}));
  Restart();
  EXPECT_EQ(TextOf(doc_), text);
}

TEST_F(JointEdits, OnlyTheClusterItselfAsksAndWithinItsBounds) {
  const UpdatePart part = PartOf(ann_, of_ann_.Insert(0, "a"));
  using enum Code;
  EXPECT_EQ(CodeOf(ann_, ApplyUpdates{.doc = doc_, .parts = {part}}), kPermissionDenied);
  EXPECT_EQ(CodeOf({}, ApplyUpdates{.doc = doc_}), kInvalidArgument);
  EXPECT_EQ(CodeOf({}, ApplyUpdates{.doc = doc_, .parts = {part, part}}), kInvalidArgument);
  UpdatePart anyhow = part;
  anyhow.request = {};
  EXPECT_EQ(CodeOf({}, ApplyUpdates{.doc = doc_, .parts = {anyhow}}), kInvalidArgument);
  std::vector<UpdatePart> many;
  for (std::uint64_t i = 1; i <= kUpdatePartsMax + 1; ++i) {
    many.push_back(part);
    many.back().request.client = ClientId(i);
  }
  EXPECT_EQ(CodeOf({}, ApplyUpdates{.doc = doc_, .parts = many}), kExhausted);
  many.pop_back();
  EXPECT_EQ(TextOf(doc_), "");
  EXPECT_EQ(Codes(many), All(kUpdatePartsMax));
  EXPECT_EQ(TextOf(doc_), "a");
  machine_->CheckInvariantsDeep();
  std::vector<UpdatePart> large = {PartOf(ann_, std::string(kUpdateBytesMax - 9, 'x'), 2),
                                   PartOf(bob_, std::string(10, 'x'), 2)};
  EXPECT_EQ(CodeOf({}, ApplyUpdates{.doc = doc_, .parts = large}), kExhausted);
}

// Clients of one session, of which as many are kept as can be.
class CrowdedSession : public JointEdits {
 protected:
  CrowdedSession() {
    for (const std::uint64_t sequence : {3, 9}) Apply({PartAs(1, sequence, known_)});
    // Now client 1 is the one that was silent for longest, client 2 the next.
    for (std::uint64_t client = 2; client <= kClientsPerSessionMax; ++client) {
      Apply({PartAs(client, 1, known_)});
    }
  }
  UpdatePart PartAs(std::uint64_t client, std::uint64_t sequence, std::string update) const {
    UpdatePart part = PartOf(ann_, std::move(update), sequence);
    part.request.client = ClientId(client);
    return part;
  }
  const std::string known_ = of_ann_.Insert(0, "a");
};

TEST_F(CrowdedSession, WhoIsEvictedByAPartBeforeItsOwnIsRememberedAgain) {
  const std::vector<UpdatePart> parts = {PartAs(100, 1, of_ann_.Insert(1, "b")),
                                         PartAs(1, 10, of_ann_.Insert(2, "c")),
                                         PartAs(2, 2, of_ann_.Insert(3, "d"))};
  EXPECT_EQ(Codes(parts), All(3));
  EXPECT_EQ(TextOf(doc_), "abcd");
  machine_->CheckInvariantsDeep();
  EXPECT_EQ(Codes(parts), All(3));
  for (const std::uint64_t sequence : {3, 9}) {
    EXPECT_EQ(Codes({PartAs(1, sequence, known_)}), std::vector<Code>({Code::kForgotten}));
  }
  EXPECT_EQ(TextOf(doc_), "abcd");
}

TEST_F(CrowdedSession, WhoIsEvictedThenAndWasOvertakenIsToldThatItsAnswerIsNotKept) {
  const UpdatePart late = PartAs(1, 7, of_ann_.Insert(1, "b"));
  EXPECT_EQ(Codes({PartAs(100, 1, known_), late}), All(2));
  EXPECT_EQ(TextOf(doc_), "ab");
  machine_->CheckInvariantsDeep();
  EXPECT_EQ(Codes({late}), std::vector<Code>({Code::kForgotten}));
  Restart();
  EXPECT_EQ(Codes({late}), std::vector<Code>({Code::kForgotten}));
  EXPECT_EQ(Codes({PartAs(1, 10, of_ann_.Insert(2, "c"))}), All(1));
  EXPECT_EQ(TextOf(doc_), "abc");
}

TEST_F(JointEdits, OfADocumentThatIsGoneEverybodyIsTold) {
  Ok(ann_, DeleteDocument{.doc = doc_});
  EXPECT_EQ(Codes({PartOf(ann_, of_ann_.Insert(0, "a")), PartOf(bob_, of_bob_.Insert(0, "b"))}),
            std::vector<Code>({Code::kNotFound, Code::kNotFound}));
}

TEST(Names, SeveralInOne) {
  EXPECT_EQ(JoinNames({"ann"}), "ann");
  EXPECT_EQ(JoinNames({}), "");
  const std::vector<std::string> three = {"ann", "bob, the second", "cid"};
  EXPECT_EQ(SplitNames(JoinNames({"ann", "bob, the second", "ann", "cid"})), three);
  EXPECT_TRUE(SplitNames("").empty());
}

}  // namespace
}  // namespace coterie::state
