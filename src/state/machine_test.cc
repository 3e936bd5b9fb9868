// The document machine as its users know it, in one walk through its topics; the details of each
// topic are in the tests beside this one.

#include "state/machine.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/test_machine.h"

namespace coterie::state {
namespace {

TEST_F(MachineTest, DocumentsAreMadeChangedRenamedAndDeleted) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "a"}).doc;
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "notes"}), Code::kAlreadyExists);
  Ok(ann, Append{.doc = doc, .text = "bc"});
  Ok(ann, Edit{.doc = doc, .splices = {{.position = 1, .deleted = 1, .inserted = "X"}}});
  EXPECT_EQ(TextOf(doc), "aXc");
  Ok(ann, RenameDocument{.doc = doc, .name = "minutes"});
  EXPECT_EQ(machine_->FindDocumentByName("minutes")->id, doc);
  EXPECT_FALSE(machine_->FindDocumentByName("notes").has_value());
  Ok(ann, DeleteDocument{.doc = doc});
  EXPECT_FALSE(machine_->FindDocument(doc).has_value());
  EXPECT_EQ(CodeOf(ann, Append{.doc = doc, .text = "x"}), Code::kNotFound);
  EXPECT_EQ(machine_->Documents().size(), 0u);
}

TEST_F(MachineTest, BadCommandsChangeNothing) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "abc"}).doc;
  EXPECT_EQ(CodeOf({}, CreateDocument{.name = "x"}), Code::kUnauthenticated);
  EXPECT_EQ(CodeOf(SessionId(999), CreateDocument{.name = "x"}), Code::kUnauthenticated);
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = ""}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "bad\xff"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, Append{.doc = doc, .text = "\xc3"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, Append{.doc = DocId(77), .text = "x"}), Code::kNotFound);
  EXPECT_EQ(CodeOf(ann, Edit{.doc = doc, .splices = {{.position = 4}}}), Code::kOutOfRange);
  EXPECT_EQ(CodeOf(ann, Edit{.doc = doc, .splices = {{.position = 1, .deleted = 9}}}),
            Code::kOutOfRange);
  EXPECT_NE(CodeOf(ann, Edit{.doc = doc, .base = Revision(10'000), .splices = {{.position = 0}}}),
            Code::kOk);
  EXPECT_EQ(TextOf(doc), "abc");
}

// A newer program may read it: it is not counted as applied, and nothing after it is.
TEST_F(MachineTest, AnUnreadableEntryStopsTheMachineBeforeIt) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "a"}).doc;
  const Index applied = machine_->applied().index;
  const ApplyResult unreadable = machine_->ApplyCommand(Term(1), applied.Next(), "\xffgarbage");
  EXPECT_FALSE(unreadable.outcome.has_value());
  machine_->Commit();
  ASSERT_TRUE(machine_->divergence().has_value());
  EXPECT_EQ(machine_->divergence()->at, applied.Next());
  EXPECT_EQ(machine_->applied().index, applied);
  EXPECT_EQ(TextOf(doc), "a");
  Restart();
  EXPECT_FALSE(machine_->divergence().has_value());
  Ok(ann, Append{.doc = doc, .text = "b"});
  EXPECT_EQ(TextOf(doc), "ab");
}

TEST_F(MachineTest, AnEditIsTransformedOverWhatCameBetween) {
  const SessionId ann = LoginAs("ann");
  const Outcome made = Ok(ann, CreateDocument{.name = "notes", .text = "hello world"});
  Ok(ann, Edit{.doc = made.doc, .splices = {{.position = 0, .inserted = "oh, "}}});
  Ok(ann, Edit{.doc = made.doc,
               .base = made.revision,
               .splices = {{.position = 6, .deleted = 5, .inserted = "all"}}});
  EXPECT_EQ(TextOf(made.doc), "oh, hello all");
}

TEST_F(MachineTest, PositionsCountUtf16OrCodePoints) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "a\U0001F600b"}).doc;
  EXPECT_NE(CodeOf(ann, Edit{.doc = doc, .splices = {{.position = 2, .inserted = "x"}}}),
            Code::kOk);  // Within a surrogate pair.
  Ok(ann, Edit{.doc = doc, .splices = {{.position = 3, .inserted = "1"}}});
  Ok(ann, Edit{.doc = doc,
               .unit = PositionUnit::kCodePoint,
               .splices = {{.position = 2, .inserted = "2"}}});
  EXPECT_EQ(TextOf(doc), "a\U0001F60021b");
}

TEST_F(MachineTest, OnlyTheHolderOfTheLockChangesALockedDocument) {
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  EXPECT_EQ(CodeOf(ann, Write{.doc = doc, .text = "x"}), Code::kLockRequired);
  const Outcome lock = Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000});
  EXPECT_EQ(lock.token.value(), lock.revision.value());  // The fencing token is the revision.
  const Outcome refused = Do(bob, Lock{.doc = doc, .ttl_ms = 60'000});
  EXPECT_EQ(refused.code, Code::kLocked);
  ASSERT_TRUE(refused.lock.has_value());
  EXPECT_EQ(refused.lock->holder, "ann");
  EXPECT_EQ(CodeOf(bob, Append{.doc = doc, .text = "x"}), Code::kLocked);
  EXPECT_EQ(CodeOf(bob, Unlock{.doc = doc, .token = lock.token}), Code::kLocked);
  Ok(ann, Write{.doc = doc, .token = lock.token, .text = "hello"});
  EXPECT_EQ(TextOf(doc), "hello");
  // Taken again, it keeps its token.
  EXPECT_EQ(Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000}).token, lock.token);
  Ok(ann, Unlock{.doc = doc, .token = lock.token});
  const Outcome second = Ok(bob, Lock{.doc = doc, .ttl_ms = 60'000});
  EXPECT_GT(second.token, lock.token);
}

TEST_F(MachineTest, AnOlderFencingTokenIsRefused) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  const FencingToken old = Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000}).token;
  Ok(ann, Unlock{.doc = doc});
  Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000});
  EXPECT_EQ(CodeOf(ann, Write{.doc = doc, .token = old, .text = "late"}), Code::kStaleToken);
  EXPECT_EQ(TextOf(doc), "");
}

TEST_F(MachineTest, AnExpiryThatComesTooLateDoesNothing) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  const Outcome lock = Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000});
  const Outcome renewed = Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000});
  Do({}, ExpireLock{.doc = doc, .token = lock.token, .renewed = lock.revision});
  EXPECT_TRUE(machine_->FindDocument(doc)->lock.has_value());
  Do({}, ExpireLock{.doc = doc, .token = lock.token, .renewed = renewed.revision});
  EXPECT_FALSE(machine_->FindDocument(doc)->lock.has_value());
}

TEST_F(MachineTest, WhatASessionHoldsByItsLeaseGoesWithIt) {
  const SessionId ann = LoginAs("ann");
  const DocId bound = Ok(ann, CreateDocument{.name = "bound"}).doc;
  const DocId timed = Ok(ann, CreateDocument{.name = "timed"}).doc;
  Ok(ann, Attach{.lease_ms = 5'000});
  const Revision attached = machine_->FindSession(ann)->attached;
  Ok(ann, Lock{.doc = bound});
  Ok(ann, Lock{.doc = timed, .ttl_ms = 60'000});
  Do({}, Leave{.session = ann, .attached = attached - 1});  // Means an earlier JOIN.
  EXPECT_FALSE(machine_->FindSession(ann)->attached.IsNone());
  const ApplyResult left = ApplyCommandOf(
      {}, Leave{.session = ann, .attached = attached, .reason = LeaveReason::kLeaseExpired});
  EXPECT_TRUE(machine_->FindSession(ann)->attached.IsNone());
  EXPECT_FALSE(machine_->FindDocument(bound)->lock.has_value());
  EXPECT_TRUE(machine_->FindDocument(timed)->lock.has_value());
  ASSERT_TRUE(left.events.has_value());
  EXPECT_GE(left.events->events.size(), 2u);  // LEAVE and UNLOCK under one revision.
  Do({}, Leave{.session = ann, .attached = attached});
  EXPECT_EQ(CodeOf(ann, Append{.doc = bound, .text = "x"}), Code::kOk);  // Still logged in.
}

TEST_F(MachineTest, LogoutReleasesEverything) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000});
  Ok(ann, Logout{});
  EXPECT_FALSE(machine_->FindDocument(doc)->lock.has_value());
  EXPECT_FALSE(machine_->FindSession(ann).has_value());
  EXPECT_EQ(CodeOf(ann, Append{.doc = doc, .text = "x"}), Code::kUnauthenticated);
}

TEST_F(MachineTest, ARetryHasOneEffectAndTheFirstAnswer) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  const RequestId first{.client = ClientId(5), .sequence = 1};
  const Outcome once = Do(ann, Append{.doc = doc, .text = "x"}, first);
  const Outcome again = Do(ann, Append{.doc = doc, .text = "x"}, first);
  EXPECT_EQ(again.revision, once.revision);
  EXPECT_EQ(TextOf(doc), "x");
  // Others' requests are others'.
  Do(ann, Append{.doc = doc, .text = "y"}, {.client = ClientId(6), .sequence = 1});
  EXPECT_EQ(TextOf(doc), "xy");
  // A refusal is an answer too.
  const RequestId second{.client = ClientId(5), .sequence = 2};
  EXPECT_EQ(Do(ann, CreateDocument{.name = "notes"}, second).code, Code::kAlreadyExists);
  Ok(ann, DeleteDocument{.doc = doc});
  EXPECT_EQ(Do(ann, CreateDocument{.name = "notes"}, second).code, Code::kAlreadyExists);
  // Once the client has said that it has the answers, they are forgotten, and nothing is redone.
  Do(ann, CreateDocument{.name = "z"}, {.client = ClientId(5), .sequence = 3, .acked_below = 3});
  EXPECT_EQ(Do(ann, Append{.doc = doc, .text = "x"}, first).code, Code::kForgotten);
}

TEST_F(MachineTest, RolesDecideWhatAUserMayDo) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  const DocId doc =
      Ok(ann, CreateDocument{.name = "secret", .text = "s", .everyone = DocumentRole::kNone}).doc;
  EXPECT_EQ(machine_->RoleOf("ann", doc), DocumentRole::kOwner);
  EXPECT_EQ(machine_->RoleOf("root", doc), DocumentRole::kOwner);
  EXPECT_EQ(machine_->RoleOf("bob", doc), DocumentRole::kNone);
  EXPECT_EQ(CodeOf(bob, Append{.doc = doc, .text = "x"}), Code::kNotFound);  // Cannot tell it is.
  Ok(ann, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kViewer});
  EXPECT_EQ(CodeOf(bob, Append{.doc = doc, .text = "x"}), Code::kPermissionDenied);
  Ok(ann, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kEditor});
  Ok(bob, Append{.doc = doc, .text = "x"});
  EXPECT_EQ(CodeOf(bob, DeleteDocument{.doc = doc}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(bob, CreateUser{.name = "eve", .password_hash = "h"}), Code::kPermissionDenied);
  Ok(root, CreateUser{.name = "eve", .password_hash = "h"});
  Ok(root, RemoveUser{.name = "bob"});
  EXPECT_EQ(CodeOf(bob, Append{.doc = doc, .text = "x"}), Code::kUnauthenticated);
}

TEST_F(MachineTest, VersionsCanBeReadAndRestored) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "one"}).doc;
  const Revision two = Ok(ann, Append{.doc = doc, .text = " two"}).revision;
  Ok(ann, Append{.doc = doc, .text = " three"});
  EXPECT_EQ(machine_->TextAt(doc, two), "one two");
  EXPECT_EQ(machine_->Versions(doc).front().author, "ann");
  const FencingToken token = Ok(ann, Lock{.doc = doc, .ttl_ms = 60'000}).token;
  Ok(ann, Restore{.doc = doc, .token = token, .version = two});
  EXPECT_EQ(TextOf(doc), "one two");
  EXPECT_EQ(machine_->Versions(doc).front().kind, ChangeKind::kRestore);
  EXPECT_NE(CodeOf(ann, Restore{.doc = doc, .token = token, .version = Revision(9'999)}),
            Code::kOk);
}

TEST_F(MachineTest, EventsAreWholeAndWithoutGap) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  std::vector<Revision> changes;
  for (int i = 0; i < 50; ++i) changes.push_back(Ok(ann, Append{.doc = doc, .text = "x"}).revision);
  std::vector<Revision> seen;
  Revision after = changes.front().Previous();
  while (true) {
    const std::vector<EventBatch> page = machine_->EventsAfter(after, 7, 1 << 20);
    if (page.empty()) break;
    for (const EventBatch& batch : page) seen.push_back(batch.revision);
    after = page.back().revision;
  }
  EXPECT_EQ(seen, changes);
}

TEST_F(MachineTest, OldEventsAreDroppedFromTheStart) {
  machine_ = std::make_unique<Machine>(kv_, Machine::Options{.events_retained_max = 10});
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  for (int i = 0; i < 40; ++i) Ok(ann, Append{.doc = doc, .text = "x"});
  const Revision oldest = machine_->oldest_event_revision();
  EXPECT_GT(oldest, Revision(25));
  EXPECT_EQ(machine_->EventsAfter(oldest.Previous(), 100, 1 << 20).size(), 10u);
}

TEST_F(MachineTest, AMachineGoesOnFromWhatItStored) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "a"}).doc;
  const std::uint64_t digest = machine_->digest();
  machine_ = std::make_unique<Machine>(kv_, Machine::Options());
  EXPECT_EQ(machine_->digest(), digest);
  EXPECT_EQ(TextOf(doc), "a");
  Ok(ann, Append{.doc = doc, .text = "b"});
  EXPECT_EQ(TextOf(doc), "ab");
  machine_->CheckInvariantsDeep();
}

// ClickHouse #81780: whoever differs must notice.
TEST_F(MachineTest, AWrongDigestIsDivergence) {
  LoginAs("ann");
  const Revision at = machine_->applied().index;
  const std::uint64_t digest = machine_->digest();
  Do({}, CheckDigest{.at = at, .digest = digest});
  EXPECT_FALSE(machine_->divergence().has_value());
  const Revision next = machine_->applied().index;
  Do({}, CheckDigest{.at = next, .digest = machine_->digest() + 1});
  ASSERT_TRUE(machine_->divergence().has_value());
  EXPECT_EQ(machine_->divergence()->at, next);
}

}  // namespace
}  // namespace coterie::state
