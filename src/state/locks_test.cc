// Locks and fencing: at most one holder at any revision, and no harm by a late one.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/prng.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

constexpr std::uint64_t kTtlMs = 60'000;

class LocksTest : public MachineTest {
 protected:
  LocksTest() {
    root_ = LoginAs("root", true);
    ann_ = LoginAs("ann");
    bob_ = LoginAs("bob");
    doc_ = Ok(ann_, CreateDocument{.name = "notes", .text = "text"}).doc;
  }
  FencingToken LockAs(SessionId session) {
    return Ok(session, Lock{.doc = doc_, .ttl_ms = kTtlMs}).token;
  }
  bool IsLocked() { return machine_->FindDocument(doc_)->lock.has_value(); }

  SessionId root_;
  SessionId ann_;
  SessionId bob_;
  DocId doc_;
};

TEST_F(LocksTest, ALockSaysWhoHoldsItAndHowLong) {
  const Outcome outcome = Ok(ann_, Lock{.doc = doc_, .ttl_ms = kTtlMs});
  ASSERT_TRUE(outcome.lock.has_value());
  const LockView view = *machine_->FindDocument(doc_)->lock;
  EXPECT_EQ(view.doc, doc_);
  EXPECT_EQ(view.document_name, "notes");
  EXPECT_EQ(view.session, ann_);
  EXPECT_EQ(view.holder, "ann");
  EXPECT_EQ(view.token, outcome.token);
  EXPECT_EQ(view.renewed, outcome.revision);
  EXPECT_EQ(view.ttl_ms, kTtlMs);
  EXPECT_EQ(view.expires_at_ms, time_ms_ + kTtlMs);
  ASSERT_EQ(machine_->Locks().size(), 1u);
  EXPECT_EQ(machine_->Locks()[0].token, outcome.token);
}

TEST_F(LocksTest, ARenewalKeepsTheTokenAndMovesTheExpiry) {
  const FencingToken token = LockAs(ann_);
  time_ms_ += 1'000;
  const std::vector<Event> events = EventsOf(ann_, Lock{.doc = doc_, .ttl_ms = 2 * kTtlMs});
  ASSERT_EQ(events.size(), 1u);
  const auto& locked = std::get<DocumentLocked>(events[0].body);
  EXPECT_TRUE(locked.renewed);
  EXPECT_EQ(locked.lock.token, token);
  EXPECT_EQ(locked.lock.renewed, machine_->applied().index);
  EXPECT_EQ(locked.lock.expires_at_ms, time_ms_ + 2 * kTtlMs);
}

TEST_F(LocksTest, AnotherSessionOfTheSameUserIsAnother) {
  const SessionId again = LoginAs("ann");
  LockAs(ann_);
  EXPECT_EQ(CodeOf(again, Lock{.doc = doc_, .ttl_ms = kTtlMs}), Code::kLocked);
  EXPECT_EQ(CodeOf(again, Append{.doc = doc_, .text = "x"}), Code::kLocked);
}

TEST_F(LocksTest, ATtlHasABound) {
  EXPECT_EQ(CodeOf(ann_, Lock{.doc = doc_, .ttl_ms = kLockTtlMsMax + 1}), Code::kExhausted);
  EXPECT_EQ(CodeOf(ann_, Lock{.doc = doc_, .ttl_ms = kLockTtlMsMax}), Code::kOk);
}

TEST_F(LocksTest, ALockByLeaseNeedsOne) {
  EXPECT_EQ(CodeOf(ann_, Lock{.doc = doc_}), Code::kInvalidArgument);
  Ok(ann_, Attach{.lease_ms = 5'000});
  EXPECT_EQ(Ok(ann_, Lock{.doc = doc_}).lock->expires_at_ms, 0u);
}

TEST_F(LocksTest, ALockMayChangeBetweenLeaseAndTime) {
  Ok(ann_, Attach{.lease_ms = 5'000});
  const Revision attached = machine_->FindSession(ann_)->attached;
  const FencingToken token = Ok(ann_, Lock{.doc = doc_}).token;
  EXPECT_EQ(LockAs(ann_), token);
  Do({}, Leave{.session = ann_, .attached = attached});
  EXPECT_TRUE(IsLocked());  // Now it is bound to the time.
}

TEST_F(LocksTest, ViewersDoNotLock) {
  Ok(ann_, ShareDocument{.doc = doc_, .user = "bob", .role = DocumentRole::kViewer});
  EXPECT_EQ(CodeOf(bob_, Lock{.doc = doc_, .ttl_ms = kTtlMs}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(bob_, Lock{.doc = DocId(999), .ttl_ms = kTtlMs}), Code::kNotFound);
}

TEST_F(LocksTest, UnlockIsForTheHolderAlone) {
  EXPECT_EQ(CodeOf(ann_, Unlock{.doc = doc_}), Code::kLockRequired);
  EXPECT_EQ(CodeOf(ann_, Unlock{.doc = doc_, .token = FencingToken(3)}), Code::kStaleToken);
  const FencingToken token = LockAs(ann_);
  EXPECT_EQ(CodeOf(bob_, Unlock{.doc = doc_}), Code::kLocked);
  EXPECT_EQ(CodeOf(bob_, Unlock{.doc = doc_, .token = token}), Code::kLocked);
  EXPECT_EQ(CodeOf(ann_, Unlock{.doc = doc_, .token = FencingToken(3)}), Code::kStaleToken);
  const std::vector<Event> events = EventsOf(ann_, Unlock{.doc = doc_});
  ASSERT_EQ(events.size(), 1u);
  const auto& unlocked = std::get<DocumentUnlocked>(events[0].body);
  EXPECT_EQ(unlocked.reason, UnlockReason::kReleased);
  EXPECT_EQ(unlocked.holder, "ann");
  EXPECT_EQ(unlocked.token, token);
}

TEST_F(LocksTest, AnOwnerOrAnAdministratorBreaksALock) {
  LockAs(bob_);
  EXPECT_EQ(CodeOf(bob_, BreakLock{.doc = doc_}), Code::kPermissionDenied);
  const std::vector<Event> events = EventsOf(ann_, BreakLock{.doc = doc_});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].user, "ann");
  EXPECT_EQ(std::get<DocumentUnlocked>(events[0].body).reason, UnlockReason::kBroken);
  LockAs(bob_);
  Ok(root_, BreakLock{.doc = doc_});
  EXPECT_FALSE(IsLocked());
  EXPECT_TRUE(EventsOf(root_, BreakLock{.doc = doc_}).empty());  // Nothing left to break.
}

TEST_F(LocksTest, ExpiryMeansOneGrantAndOneRenewal) {
  const Outcome lock = Ok(ann_, Lock{.doc = doc_, .ttl_ms = kTtlMs});
  Do({}, ExpireLock{.doc = DocId(999), .token = lock.token, .renewed = lock.revision});
  Do({}, ExpireLock{.doc = doc_, .token = lock.token.Next(), .renewed = lock.revision});
  Do({}, ExpireLock{.doc = doc_, .token = lock.token, .renewed = lock.revision.Next()});
  EXPECT_TRUE(IsLocked());
  const std::vector<Event> events =
      EventsOf({}, ExpireLock{.doc = doc_, .token = lock.token, .renewed = lock.revision});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<DocumentUnlocked>(events[0].body).reason, UnlockReason::kExpired);
  EXPECT_EQ(events[0].user, "");  // The cluster itself.
  EXPECT_TRUE(
      EventsOf({}, ExpireLock{.doc = doc_, .token = lock.token, .renewed = lock.revision}).empty());
}

TEST_F(LocksTest, WhoWasPausedWhileTheLockWasLostDoesNoHarm) {
  const FencingToken old = LockAs(ann_);
  Ok(ann_, BreakLock{.doc = doc_});
  const FencingToken held = LockAs(bob_);
  for (const CommandBody& late :
       {CommandBody(Write{.doc = doc_, .token = old, .text = "late"}),
        CommandBody(Append{.doc = doc_, .token = old, .text = "late"}),
        CommandBody(Edit{.doc = doc_, .token = old, .splices = {{.inserted = "late"}}}),
        CommandBody(Restore{.doc = doc_, .token = old, .version = Revision(doc_.value())}),
        CommandBody(Unlock{.doc = doc_, .token = old})}) {
    const Outcome outcome = Do(ann_, late);
    EXPECT_EQ(outcome.code, Code::kStaleToken) << late.index();
    ASSERT_TRUE(outcome.lock.has_value());
    EXPECT_EQ(outcome.lock->token, held);
  }
  EXPECT_EQ(TextOf(doc_), "text");
  EXPECT_TRUE(IsLocked());
}

TEST_F(LocksTest, AStolenTokenIsNoLock) {
  const FencingToken token = LockAs(ann_);
  EXPECT_EQ(CodeOf(bob_, Write{.doc = doc_, .token = token, .text = "x"}), Code::kLocked);
  EXPECT_EQ(CodeOf(bob_, Append{.doc = doc_, .token = token, .text = "x"}), Code::kLocked);
  EXPECT_EQ(TextOf(doc_), "text");
}

TEST_F(LocksTest, TheHolderEditsWithOrWithoutItsToken) {
  const FencingToken token = LockAs(ann_);
  Ok(ann_, Append{.doc = doc_, .text = "1"});
  Ok(ann_, Append{.doc = doc_, .token = token, .text = "2"});
  EXPECT_EQ(CodeOf(ann_, Write{.doc = doc_, .text = "x"}), Code::kLockRequired);
  EXPECT_EQ(TextOf(doc_), "text12");
}

TEST_F(LocksTest, ALockedDocumentIsDeletedByItsHolderAlone) {
  const FencingToken token = LockAs(bob_);
  EXPECT_EQ(CodeOf(ann_, DeleteDocument{.doc = doc_}), Code::kLocked);
  Ok(bob_, Unlock{.doc = doc_, .token = token});
  LockAs(ann_);
  const std::vector<Event> events = EventsOf(ann_, DeleteDocument{.doc = doc_});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<DocumentUnlocked>(events[0].body).reason, UnlockReason::kDeleted);
  EXPECT_EQ(std::get<DocumentDeleted>(events[1].body).name, "notes");
  EXPECT_TRUE(machine_->Locks().empty());
}

TEST_F(LocksTest, ARemovedUserHoldsNothing) {
  LockAs(bob_);
  Ok(root_, RemoveUser{.name = "bob"});
  EXPECT_FALSE(IsLocked());
}

TEST_F(LocksTest, LocksSurviveARestart) {
  const FencingToken token = LockAs(ann_);
  Restart();
  EXPECT_EQ(machine_->FindDocument(doc_)->lock->token, token);
  EXPECT_EQ(CodeOf(bob_, Append{.doc = doc_, .text = "x"}), Code::kLocked);
  Ok(ann_, Write{.doc = doc_, .token = token, .text = "x"});
}

TEST_F(LocksTest, ASessionHoldsABoundedNumber) {
  std::vector<DocId> docs;
  for (int i = 0; i < 1'001; ++i) {
    docs.push_back(Ok(ann_, CreateDocument{.name = "d" + std::to_string(i)}).doc);
  }
  for (int i = 0; i < 1'000; ++i) Ok(ann_, Lock{.doc = docs[i], .ttl_ms = kTtlMs});
  EXPECT_EQ(CodeOf(ann_, Lock{.doc = docs[1'000], .ttl_ms = kTtlMs}), Code::kExhausted);
  Ok(ann_, Lock{.doc = docs[0], .ttl_ms = kTtlMs});  // A renewal is no new one.
  Ok(ann_, Unlock{.doc = docs[0]});
  Ok(ann_, Lock{.doc = docs[1'000], .ttl_ms = kTtlMs});
}

// A holder is told apart by its token: no two grants share one, tokens only grow, and whoever
// writes with one is the holder at that revision.
TEST_F(LocksTest, AtMostOneHolderAtAnyRevision) {
  Prng prng(5);
  const std::vector<SessionId> sessions = {root_, ann_, bob_};
  std::map<SessionId, FencingToken> believed;  // What each last was told; may be long untrue.
  SessionId holder;                            // The truth, kept naively.
  FencingToken newest;
  for (int step = 0; step < 3'000; ++step) {
    const SessionId session = sessions[prng.Below(sessions.size())];
    switch (prng.Below(4)) {
      case 0: {
        const Outcome outcome = Do(session, Lock{.doc = doc_, .ttl_ms = kTtlMs});
        ASSERT_EQ(outcome.ok(), holder.IsNone() || holder == session);
        if (!outcome.ok()) break;
        if (holder.IsNone()) {
          ASSERT_GT(outcome.token, newest);
        } else {
          ASSERT_EQ(outcome.token, newest);
        }
        holder = session;
        newest = believed[session] = outcome.token;
        break;
      }
      case 1: {
        if (believed[session].IsNone()) break;
        const Outcome outcome = Do(session, Unlock{.doc = doc_, .token = believed[session]});
        ASSERT_EQ(outcome.ok(), holder == session && believed[session] == newest);
        if (outcome.ok()) holder = {};
        break;
      }
      case 2:
        if (believed[session].IsNone()) break;
        ASSERT_EQ(
            Do(session, Write{.doc = doc_, .token = believed[session], .text = "by its holder"})
                .ok(),
            holder == session && believed[session] == newest);
        break;
      default:
        if (!prng.Chance(1, 8)) break;
        Ok(root_, BreakLock{.doc = doc_});
        holder = {};
    }
  }
}

}  // namespace
}  // namespace coterie::state
