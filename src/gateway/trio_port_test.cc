// What the editors on a node are told when it has been away for so long that it is given a
// snapshot: no event says what has happened meanwhile.

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "crdt/doc.h"
#include "crdt/text.h"
#include "crdt/transaction.h"
#include "gateway/close_code.h"
#include "gateway/test_port.h"
#include "rpc/testing_trio.h"
#include "state/command.h"

namespace coterie::gateway {
namespace {

// ana works at home; ben's editors are at the node that is away now and then.
class JumpPort : public testing::Test, protected PortClients {
 protected:
  JumpPort() { holder_.gateway = StartGateway(holder_.trio->away()); }

  rpc::TestingTrio& trio() { return *holder_.trio; }
  std::unique_ptr<Editor> OpenAway(const std::string& name) {
    auto editor = OpenYjs(name, ben_.token);
    editor->Send(Ask());
    EXPECT_TRUE(editor->Await(Nothing()));
    return editor;
  }
  // With Hocuspocus, which is told more; it shows drafts.
  std::unique_ptr<Editor> OpenWhole(const std::string& name) {
    auto editor = Open("/hocuspocus");
    const std::string key = yproto::EncodeKey(name);
    // A token: 2, of kind 0, with its length.
    editor->Send(key + std::string("\2\0", 2) + static_cast<char>(ben_.token.size()) + ben_.token);
    EXPECT_TRUE(editor->Await(key + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));
    editor->Send(key + yproto::EncodeStateless(R"({"drafts":"offer"})"));
    editor->Send(key + Ask());
    EXPECT_TRUE(editor->Await(key + Nothing()));
    return editor;
  }
  // Of any message.
  static bool AwaitPart(Editor& editor, const std::string& part) {
    for (std::string next = editor.Next(); !next.empty(); next = editor.Next()) {
      if (next.find(part) != std::string::npos) return true;
    }
    return false;
  }
  static std::string Notice(const std::string& name, const std::string& json) {
    return yproto::EncodeKey(name) + yproto::EncodeStateless(json);
  }
  // Of an editor that nobody else is.
  static std::string Typed(const std::string& text) {
    crdt::Doc page({.garbage = crdt::Garbage::kCollect});
    crdt::Transaction transaction(page, crdt::Client(1'000));
    crdt::Text(page, page.Root("text")).Insert(transaction, 0, text);
    return transaction.Commit().update;
  }

  struct Holder {
    std::unique_ptr<Gateway> gateway;
    std::unique_ptr<rpc::TestingTrio> trio = std::make_unique<rpc::TestingTrio>();
    // In the order in which PortTest's goes.
    ~Holder() {
      if (gateway != nullptr) gateway->Stop(absl::Now());
      trio.reset();
    }
  };
  Holder holder_;
  rpc::TestingClient ana_{holder_.trio->home(), "ana"};
  rpc::TestingClient ben_{holder_.trio->away(), "ben"};
};

TEST_F(JumpPort, WhatWasTakenAwayMeanwhileIsClosed) {
  v1::ShareDocumentRequest hide;
  hide.mutable_document()->set_id(ana_.Create("hidden"));
  hide.mutable_grant()->set_user("ben");
  hide.mutable_grant()->set_role(v1::ROLE_NONE);
  v1::DeleteDocumentRequest drop;
  drop.mutable_document()->set_id(ana_.Create("dropped"));
  const auto hidden = OpenAway("hidden");
  const auto dropped = OpenAway("dropped");

  trio().JumpOver([&] {
    ana_.Call(&v1::DocumentService::Stub::ShareDocument, hide);
    ana_.Call(&v1::DocumentService::Stub::DeleteDocument, drop);
    EXPECT_TRUE(ana_.status.ok());
  });

  EXPECT_EQ(hidden->CloseCode(), static_cast<int>(CloseCode::kForbidden));
  EXPECT_NE(dropped->CloseCode(), 0);
}

TEST_F(JumpPort, EditorsAreToldWhatHappenedMeanwhile) {
  const std::uint64_t written = ana_.Create("written");
  const std::uint64_t locked = ana_.Create("locked");
  v1::RenameDocumentRequest rename;
  rename.mutable_document()->set_id(ana_.Create("renamed"));
  rename.set_new_name("new");
  const auto reader = OpenAway("written");
  const auto writer = OpenWhole("locked");
  const auto other = OpenWhole("renamed");
  const std::string update = Typed("meanwhile");
  v1::Lock lock;

  trio().JumpOver([&] {
    trio().home().Propose(ana_.Session(),
                          state::ApplyUpdate{.doc = DocId(written), .update = update});
    lock = ana_.LockIt(locked);
    ana_.Call(&v1::DocumentService::Stub::RenameDocument, rename);
    EXPECT_TRUE(ana_.status.ok());
  });

  EXPECT_TRUE(reader->Await(Update(update)));
  EXPECT_TRUE(writer->Await(Notice(
      "locked", absl::StrCat(R"({"lock":{"holder":"ana","until":)", lock.expires_at_ms(), "}}"))));
  EXPECT_TRUE(AwaitPart(*other, R"({"suggestions":")"));
  EXPECT_TRUE(AwaitPart(*other, R"({"drafts":")"));
  EXPECT_TRUE(other->Await(Notice("renamed", R"({"name":"new"})")));
}

TEST_F(JumpPort, WhoWasThoughtGoneMeanwhileJoinsAgain) {
  ana_.Create("notes");
  const auto editor = OpenAway("notes");
  const auto present = [this] {
    return ana_.Call(&v1::PresenceService::Stub::ListPresent, v1::ListPresentRequest())
        .present_size();
  };
  ASSERT_TRUE(Becomes([&] { return present() == 1; }));
  const SessionId session = ben_.Session();

  trio().JumpOver([&] {
    trio().home().EndLease(session);
    EXPECT_EQ(present(), 0);
  });

  EXPECT_TRUE(Becomes([&] { return present() == 1; }));
}

}  // namespace
}  // namespace coterie::gateway
