// Users, sessions, presence and rights: what each command does, and whom it refuses.

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "state/command_check.h"
#include "state/machine.h"
#include "state/test_machine.h"

namespace coterie::state {
namespace {

class AccountsTest : public MachineTest {
 protected:
  Code LoginCode(const Login& login) { return CodeOf({}, login); }
};

// --- Users ---

TEST_F(AccountsTest, TheFirstUserIsAnAdministratorMadeByTheCluster) {
  const std::vector<Event> events =
      EventsOf({}, CreateUser{.name = "root", .password_hash = "hash"});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<UserCreated>(events[0].body).name, "root");
  EXPECT_TRUE(machine_->FindUser("root")->is_admin);
  EXPECT_EQ(machine_->FindUser("root")->created_at_ms, time_ms_);
  EXPECT_EQ(CodeOf({}, CreateUser{.name = "eve"}), Code::kUnauthenticated);  // Not the second.
}

// It is the cluster's own, so that no node that is started as for development undoes it.
TEST_F(AccountsTest, WhereTheClusterMadeTheFirstUserALoginMakesNone) {
  EXPECT_FALSE(machine_->is_secure());
  Ok({}, CreateUser{.name = "root", .password_hash = "hash"});
  EXPECT_TRUE(machine_->is_secure());
  Login login = LoginOf("eve");
  login.create_user = true;
  login.create_as_admin = true;
  EXPECT_EQ(LoginCode(login), Code::kPermissionDenied);
  EXPECT_FALSE(machine_->FindUser("eve").has_value());
  Restart();
  EXPECT_EQ(LoginCode(login), Code::kPermissionDenied);
  Ok({}, LoginOf("root"));
}

TEST_F(AccountsTest, AdministratorsManageUsers) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  Ok(root, CreateUser{.name = "bob", .password_hash = "h"});
  EXPECT_FALSE(machine_->FindUser("bob")->is_admin);
  EXPECT_EQ(CodeOf(root, CreateUser{.name = "bob"}), Code::kAlreadyExists);
  EXPECT_EQ(CodeOf(root, CreateUser{.name = " bob"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(root, CreateUser{.name = "x",
                                    .password_hash = std::string(kPasswordHashBytesMax + 1, 'h')}),
            Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, CreateUser{.name = "eve"}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(ann, RemoveUser{.name = "bob"}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(root, RemoveUser{.name = "nobody"}), Code::kNotFound);
  Ok(root, RemoveUser{.name = "bob"});
  EXPECT_FALSE(machine_->FindUser("bob").has_value());
  EXPECT_EQ(machine_->Users().size(), 2u);
}

TEST_F(AccountsTest, TheLastAdministratorStays) {
  const SessionId root = LoginAs("root", true);
  EXPECT_EQ(CodeOf(root, RemoveUser{.name = "root"}), Code::kInvalidArgument);
  Ok(root, CreateUser{.name = "second", .password_hash = "hash", .is_admin = true});
  Ok(root, RemoveUser{.name = "root"});  // Even by itself.
  EXPECT_FALSE(machine_->FindSession(root).has_value());
  EXPECT_EQ(CodeOf(root, CreateUser{.name = "x"}), Code::kUnauthenticated);
}

TEST_F(AccountsTest, PasswordsAreSetByTheirUserOrAnAdministrator) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  Ok(ann, SetPassword{.name = "ann", .password_hash = "mine"});
  EXPECT_EQ(machine_->FindUser("ann")->password_hash, "mine");
  EXPECT_EQ(CodeOf(ann, SetPassword{.name = "root", .password_hash = "x"}),
            Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(ann, SetPassword{.name = "nobody", .password_hash = "x"}),
            Code::kPermissionDenied);  // Who is there is not told to everybody.
  Ok(root, SetPassword{.name = "ann", .password_hash = "reset"});
  EXPECT_EQ(machine_->FindUser("ann")->password_hash, "reset");
  EXPECT_EQ(CodeOf(root, SetPassword{.name = "nobody", .password_hash = "x"}), Code::kNotFound);
}

TEST_F(AccountsTest, ANewPasswordEndsTheSessionsThatTheOldOneOpened) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  const SessionId elsewhere = LoginAs("ann");
  Ok(ann, SetPassword{.name = "ann", .password_hash = "mine"});
  EXPECT_TRUE(machine_->FindSession(ann).has_value());
  EXPECT_FALSE(machine_->FindSession(elsewhere).has_value());
  Ok(root, SetPassword{.name = "ann", .password_hash = "reset"});
  EXPECT_FALSE(machine_->FindSession(ann).has_value());
  EXPECT_TRUE(machine_->FindSession(root).has_value());
}

TEST_F(AccountsTest, ANewUserOfAnOldNameInheritsNoGrants) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(root, CreateDocument{.name = "secret", .everyone = DocumentRole::kNone}).doc;
  Ok(root, ShareDocument{.doc = doc, .user = "ann", .role = DocumentRole::kEditor});
  Ok(ann, Append{.doc = doc, .text = "x"});
  Ok(root, RemoveUser{.name = "ann"});
  const SessionId other = LoginAs("ann");
  EXPECT_EQ(machine_->RoleOf("ann", doc), DocumentRole::kNone);
  EXPECT_EQ(CodeOf(other, Append{.doc = doc, .text = "x"}), Code::kNotFound);
  EXPECT_EQ(machine_->FindDocument(doc)->roles.size(), 1u);
}

// --- Sessions ---

TEST_F(AccountsTest, LoginAsksForTheHashThatWasVerified) {
  const SessionId ann = LoginAs("ann");
  EXPECT_EQ(LoginCode(LoginOf("nobody")), Code::kUnauthenticated);
  EXPECT_EQ(LoginCode(LoginOf("ann")), Code::kOk);
  Ok(ann, SetPassword{.name = "ann", .password_hash = "new"});
  EXPECT_EQ(LoginCode(LoginOf("ann")), Code::kUnauthenticated);  // It changed meanwhile.
  EXPECT_TRUE(machine_->FindSession(ann).has_value());
}

TEST_F(AccountsTest, MalformedLoginsAreRefused) {
  Login login = LoginOf("ann");
  login.create_user = true;
  Login bad = login;
  bad.token_hash.pop_back();
  EXPECT_EQ(LoginCode(bad), Code::kInvalidArgument);
  bad = login;
  bad.lifetime_ms = 0;
  EXPECT_EQ(LoginCode(bad), Code::kInvalidArgument);
  bad = login;
  bad.user = "a\tb";
  EXPECT_EQ(LoginCode(bad), Code::kInvalidArgument);
  EXPECT_TRUE(machine_->Users().empty());
}

TEST_F(AccountsTest, OfSeveralFirstLoginsOneMakesTheAdministrator) {
  LoginAs("ann", true);
  LoginAs("bob", true);
  EXPECT_TRUE(machine_->FindUser("ann")->is_admin);
  EXPECT_FALSE(machine_->FindUser("bob")->is_admin);
}

TEST_F(AccountsTest, ASessionIsNamedByItsLogin) {
  const Outcome outcome = Ok({}, [] {
    Login login = LoginOf("ann");
    login.create_user = true;
    return login;
  }());
  EXPECT_EQ(outcome.session.value(), outcome.revision.value());
  const SessionView view = *machine_->FindSession(outcome.session);
  EXPECT_EQ(view.user, "ann");
  EXPECT_EQ(view.token_hash, std::string(32, 't'));
  EXPECT_EQ(view.expires_at_ms, time_ms_ + kLifetimeMs);
  EXPECT_TRUE(view.attached.IsNone());
  EXPECT_EQ(machine_->Sessions().size(), 1u);
}

TEST_F(AccountsTest, ASessionEndsWithItsLifetime) {
  const SessionId ann = LoginAs("ann");
  Ok(ann, Attach{.lease_ms = 5'000});
  Do({}, ExpireSession{.session = ann});  // Too early.
  EXPECT_TRUE(machine_->FindSession(ann).has_value());
  time_ms_ += kLifetimeMs;
  EXPECT_EQ(CodeOf(ann, Attach{.lease_ms = 5'000}), Code::kUnauthenticated);
  const std::vector<Event> events = EventsOf({}, ExpireSession{.session = ann});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<Left>(events[0].body).session, ann);
  EXPECT_FALSE(machine_->FindSession(ann).has_value());
  EXPECT_TRUE(EventsOf({}, ExpireSession{.session = ann}).empty());  // Again: nothing.
}

TEST_F(AccountsTest, TimeNeverGoesBack) {
  const SessionId ann = LoginAs("ann");
  const std::uint64_t newest = machine_->time_ms();
  time_ms_ -= 500'000;  // Another leader, with another clock.
  Ok(ann, Attach{.lease_ms = 5'000});
  EXPECT_EQ(machine_->time_ms(), newest);
}

TEST_F(AccountsTest, AnEndlessLifetimeDoesNotOverflow) {
  Login login = LoginOf("ann");
  login.create_user = true;
  login.lifetime_ms = std::numeric_limits<std::uint64_t>::max();
  const SessionId ann = Ok({}, login).session;
  Ok(ann, Attach{.lease_ms = 5'000});
}

TEST_F(AccountsTest, TheOldestSessionGoesWhenThereAreTooMany) {
  const SessionId first = LoginAs("ann");
  const SessionId second = LoginAs("ann");
  Ok(first, Attach{.lease_ms = 5'000});
  for (std::size_t i = 2; i < kSessionsPerUserMax; ++i) LoginAs("ann");
  EXPECT_TRUE(machine_->FindSession(first).has_value());
  const std::vector<Event> events = EventsOf({}, LoginOf("ann"));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<Left>(events[0].body).session, first);
  EXPECT_FALSE(machine_->FindSession(first).has_value());
  EXPECT_TRUE(machine_->FindSession(second).has_value());
  EXPECT_EQ(machine_->Sessions().size(), kSessionsPerUserMax);
}

TEST_F(AccountsTest, SessionsDoNotDoTheClustersWork) {
  const SessionId root = LoginAs("root", true);
  EXPECT_EQ(CodeOf(root, ExpireSession{.session = root}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(root, ExpireLock{.doc = DocId(1)}), Code::kPermissionDenied);
  EXPECT_EQ(CodeOf(root, CheckDigest{.at = Revision(1), .digest = 1}), Code::kPermissionDenied);
  EXPECT_FALSE(machine_->divergence().has_value());
}

TEST_F(AccountsTest, NothingElseGoesWithoutASession) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes", .text = "a"}).doc;
  const std::uint64_t users = machine_->Users().size();
  const std::vector<CommandBody> bodies = {CreateUser{.name = "x"},
                                           SetPassword{.name = "ann"},
                                           RemoveUser{.name = "ann"},
                                           Logout{},
                                           Attach{.lease_ms = 1},
                                           CreateDocument{.name = "x"},
                                           RenameDocument{.doc = doc, .name = "x"},
                                           DeleteDocument{.doc = doc},
                                           ShareDocument{.doc = doc},
                                           Write{.doc = doc},
                                           Edit{.doc = doc},
                                           Append{.doc = doc, .text = "x"},
                                           Restore{.doc = doc},
                                           Lock{.doc = doc, .ttl_ms = 1'000},
                                           Unlock{.doc = doc},
                                           BreakLock{.doc = doc}};
  for (const CommandBody& body : bodies) {
    EXPECT_EQ(CodeOf({}, body), Code::kUnauthenticated) << body.index();
    EXPECT_EQ(CodeOf(SessionId(12'345), body), Code::kUnauthenticated) << body.index();
  }
  EXPECT_EQ(machine_->Users().size(), users);
  EXPECT_EQ(machine_->Documents().size(), 1u);
  EXPECT_EQ(TextOf(doc), "a");
}

// --- Presence ---

TEST_F(AccountsTest, AttachIsOneJoinHoweverOftenAsked) {
  const SessionId ann = LoginAs("ann");
  const std::vector<Event> joined = EventsOf(ann, Attach{.lease_ms = 5'000});
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].user, "ann");
  EXPECT_EQ(std::get<Joined>(joined[0].body).session, ann);
  const Revision attached = machine_->FindSession(ann)->attached;
  EXPECT_EQ(attached, machine_->applied().index);
  EXPECT_TRUE(EventsOf(ann, Attach{.lease_ms = 5'000}).empty());
  const ApplyResult longer = ApplyCommandOf(ann, Attach{.lease_ms = 9'000});
  EXPECT_FALSE(longer.events.has_value());
  EXPECT_EQ(longer.sessions, std::vector<SessionId>{ann});  // The leader's timer must know.
  EXPECT_EQ(machine_->FindSession(ann)->lease_ms, 9'000u);
  EXPECT_EQ(machine_->FindSession(ann)->attached, attached);
  // Who has been promised that keeps it.
  EXPECT_TRUE(EventsOf(ann, Attach{.lease_ms = 1'000}).empty());
  EXPECT_EQ(machine_->FindSession(ann)->lease_ms, 9'000u);
}

TEST_F(AccountsTest, LeasesHaveBounds) {
  const SessionId ann = LoginAs("ann");
  EXPECT_EQ(CodeOf(ann, Attach{.lease_ms = 0}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, Attach{.lease_ms = kLeaseMsMax + 1}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, Attach{.lease_ms = kLeaseMsMax}), Code::kOk);
}

TEST_F(AccountsTest, ALeaveOfAnEarlierPresenceDoesNothing) {
  const SessionId ann = LoginAs("ann");
  Ok(ann, Attach{.lease_ms = 5'000});
  const Revision first = machine_->FindSession(ann)->attached;
  EXPECT_EQ(EventsOf(ann, Leave{.session = ann, .attached = first}).size(), 1u);
  Ok(ann, Attach{.lease_ms = 5'000});
  EXPECT_TRUE(
      EventsOf({}, Leave{.session = ann, .attached = first, .reason = LeaveReason::kLeaseExpired})
          .empty());
  EXPECT_FALSE(machine_->FindSession(ann)->attached.IsNone());
  EXPECT_TRUE(EventsOf({}, Leave{.session = SessionId(99), .attached = first}).empty());
  EXPECT_TRUE(EventsOf({}, Leave{.session = ann}).empty());  // No presence is meant.
}

TEST_F(AccountsTest, NobodyLeavesForAnother) {
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  Ok(ann, Attach{.lease_ms = 5'000});
  const Revision attached = machine_->FindSession(ann)->attached;
  EXPECT_EQ(CodeOf(bob, Leave{.session = ann, .attached = attached}), Code::kPermissionDenied);
  EXPECT_FALSE(machine_->FindSession(ann)->attached.IsNone());
}

TEST_F(AccountsTest, LeaveNamesItsReasonAndItsUser) {
  const SessionId ann = LoginAs("ann");
  for (const LeaveReason reason : {LeaveReason::kDetached, LeaveReason::kLeaseExpired}) {
    Ok(ann, Attach{.lease_ms = 5'000});
    const Revision attached = machine_->FindSession(ann)->attached;
    const std::vector<Event> events =
        EventsOf({}, Leave{.session = ann, .attached = attached, .reason = reason});
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].user, "ann");
    EXPECT_EQ(std::get<Left>(events[0].body).reason, reason);
  }
  Ok(ann, Attach{.lease_ms = 5'000});
  const std::vector<Event> events = EventsOf(ann, Logout{});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<Left>(events[0].body).reason, LeaveReason::kLoggedOut);
}

TEST_F(AccountsTest, PresenceSurvivesARestart) {
  const SessionId ann = LoginAs("ann");
  Ok(ann, Attach{.lease_ms = 5'000});
  const Revision attached = machine_->FindSession(ann)->attached;
  Restart();
  EXPECT_EQ(machine_->FindSession(ann)->attached, attached);
  EXPECT_EQ(machine_->FindSession(ann)->lease_ms, 5'000u);
}

// --- Rights ---

TEST_F(AccountsTest, NoDocumentIsNamedAsANumberOrWithHiddenMarks) {
  const SessionId ann = LoginAs("ann");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "id:4"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, RenameDocument{.doc = doc, .name = "id:4"}), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "esc\u202egnp.exe"}), Code::kInvalidArgument);
}

TEST_F(AccountsTest, SharingRefusesWhatWouldMakeNoSense) {
  const SessionId ann = LoginAs("ann");
  LoginAs("bob");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  EXPECT_EQ(CodeOf(ann, ShareDocument{.doc = doc, .user = "nobody", .role = DocumentRole::kViewer}),
            Code::kNotFound);
  EXPECT_EQ(CodeOf(ann, ShareDocument{.doc = doc, .role = DocumentRole::kOwner}),
            Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "x", .everyone = DocumentRole::kOwner}),
            Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(ann, ShareDocument{.doc = doc, .user = "ann", .role = DocumentRole::kViewer}),
            Code::kInvalidArgument);  // The last owner.
  Ok(ann, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kOwner});
  Ok(ann, ShareDocument{.doc = doc, .user = "ann", .role = DocumentRole::kViewer});
  EXPECT_EQ(machine_->RoleOf("ann", doc), DocumentRole::kViewer);
  EXPECT_EQ(CodeOf(ann, RenameDocument{.doc = doc, .name = "x"}), Code::kPermissionDenied);
}

TEST_F(AccountsTest, ADocumentWhoseOwnersAreGoneIsSharedByAnAdministrator) {
  const SessionId root = LoginAs("root", true);
  const SessionId ann = LoginAs("ann");
  LoginAs("bob");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  Ok(root, RemoveUser{.name = "ann"});
  Ok(root, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kViewer});
  Ok(root, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kOwner});
  EXPECT_EQ(CodeOf(root, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kNone}),
            Code::kInvalidArgument);
}

TEST_F(AccountsTest, NobodyMakesAllTheDocumentsThatThereMayBe) {
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  DocId last;
  for (std::size_t i = 0; i < kDocumentsPerUserMax; ++i) {
    last = Ok(ann, CreateDocument{.name = std::to_string(i)}).doc;
    payloads_.clear();
  }
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "more"}), Code::kExhausted);
  Ok(bob, CreateDocument{.name = "bob's"});
  Restart();
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "more"}), Code::kExhausted);
  Ok(ann, DeleteDocument{.doc = last});
  Ok(ann, CreateDocument{.name = "more"});
  EXPECT_EQ(CodeOf(ann, CreateDocument{.name = "still more"}), Code::kExhausted);
}

TEST_F(AccountsTest, AGrantSaysMoreThanWhatEveryoneHas) {
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  Ok(ann, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kNone});
  EXPECT_EQ(CodeOf(bob, Append{.doc = doc, .text = "x"}), Code::kNotFound);
  Ok(ann, ShareDocument{.doc = doc, .role = DocumentRole::kViewer});
  Ok(ann, ShareDocument{.doc = doc, .user = "bob", .role = DocumentRole::kEditor});
  Ok(bob, Append{.doc = doc, .text = "x"});
  EXPECT_EQ(machine_->FindDocument(doc)->everyone, DocumentRole::kViewer);
  EXPECT_EQ(machine_->RoleOf("nobody", doc), DocumentRole::kNone);
  EXPECT_EQ(machine_->RoleOf("bob", DocId(999)), DocumentRole::kNone);
}

TEST_F(AccountsTest, ALockGoesWithTheRightToIt) {
  const SessionId ann = LoginAs("ann");
  const SessionId bob = LoginAs("bob");
  const DocId doc = Ok(ann, CreateDocument{.name = "notes"}).doc;
  Ok(bob, Lock{.doc = doc, .ttl_ms = 60'000});
  const std::vector<Event> events =
      EventsOf(ann, ShareDocument{.doc = doc, .role = DocumentRole::kViewer});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<DocumentShared>(events[0].body).role, DocumentRole::kViewer);
  EXPECT_EQ(std::get<DocumentUnlocked>(events[1].body).reason, UnlockReason::kBroken);
  EXPECT_TRUE(machine_->Locks().empty());
}

}  // namespace
}  // namespace coterie::state
