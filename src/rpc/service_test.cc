// What clients see of a real node over real sockets: users, documents and hostile input.

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/utf8.h"
#include "coterie/v1/assist.grpc.pb.h"
#include "coterie/v1/drafts.grpc.pb.h"
#include "rpc/testing_node.h"
#include "state/command.h"

namespace coterie::rpc {
namespace {

using Documents = v1::DocumentService::Stub;
using Auth = v1::AuthService::Stub;
using grpc::StatusCode;

TEST(Service, RefusesWhoHasNoSession) {
  TestingNode node;
  TestingClient nobody(node);
  nobody.Call(&Auth::WhoAmI, v1::WhoAmIRequest());
  EXPECT_EQ(nobody.status.error_code(), StatusCode::UNAUTHENTICATED);

  TestingClient mia(node, "mia");
  mia.Call(&Auth::WhoAmI, v1::WhoAmIRequest());
  EXPECT_TRUE(mia.status.ok());

  mia.token.back() = mia.token.back() == 'A' ? 'B' : 'A';
  mia.Call(&Auth::WhoAmI, v1::WhoAmIRequest());
  EXPECT_EQ(mia.status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(mia.Reason(), "UNAUTHENTICATED");
}

TEST(Service, ASessionEndsWithItsLogout) {
  TestingNode node;
  TestingClient mia(node, "mia");

  mia.Call(&Auth::Logout, v1::LogoutRequest());
  EXPECT_TRUE(mia.status.ok());

  mia.Call(&Auth::WhoAmI, v1::WhoAmIRequest());
  EXPECT_EQ(mia.status.error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(Service, MalformedBytesAreAnInvalidArgument) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::string method = "/coterie.v1.DocumentService/CreateDocument";
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"),
        std::string("\x12\x7f"
                    "abc"),                     // Longer than it is.
        std::string("\x12\x02\xc3\x28", 4)}) {  // A name that is not UTF-8.
    mia.CallWithBytes(method, bytes);
    EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT) << mia.status.error_message();
    EXPECT_EQ(mia.Reason(), "MALFORMED");
  }
}

TEST(Service, WhatIsTooLongIsRefusedWithTheLimit) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");

  mia.Append(doc, std::string(5 << 20, 'a'));
  EXPECT_EQ(mia.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(mia.Reason(), "LIMIT");

  mia.Append(doc, std::string(9 << 20, 'a'));
  EXPECT_EQ(mia.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);

  mia.Create(std::string(257, 'n'));
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);

  v1::LoginRequest login;
  login.set_user("mia");
  login.set_password(std::string(1'025, 'p'));
  mia.Call(&Auth::Login, login);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST(Service, AnUnknownMethodIsUnimplemented) {
  TestingNode node;
  TestingClient mia(node, "mia");

  mia.CallWithBytes("/coterie.v1.DocumentService/Explode", "");

  EXPECT_EQ(mia.status.error_code(), StatusCode::UNIMPLEMENTED);
}

TEST(Service, WritesNeedTheLock) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  const std::uint64_t doc = mia.Create("notes");
  v1::WriteDocumentRequest write;
  write.mutable_document()->set_id(doc);
  write.set_text("hello");

  mia.Call(&Documents::WriteDocument, write);
  EXPECT_EQ(mia.Reason(), "LOCK_REQUIRED");

  write.set_lock_token(mia.LockIt(doc).token());
  mia.Call(&Documents::WriteDocument, write);
  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();

  ben.Append(doc, "mine");
  EXPECT_EQ(ben.status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ben.Reason(), "LOCKED");

  write.set_lock_token(write.lock_token() - 1);
  mia.Call(&Documents::WriteDocument, write);
  EXPECT_EQ(mia.Reason(), "STALE_TOKEN");
}

TEST(Service, ADeltaIsAnEditAndAWrongOneIsExplained) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  mia.Append(doc, "hello");
  v1::EditDocumentRequest edit;
  edit.mutable_document()->set_id(doc);
  edit.set_delta(R"([{"retain":5,"attributes":{"bold":true}},{"insert":"!"}])");

  mia.Call(&Documents::EditDocument, edit);
  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(doc);
  EXPECT_EQ(mia.Call(&Documents::GetDocument, get).text(), "hello!");

  edit.set_delta(R"([{"retain":5},{"retain":0}])");
  mia.Call(&Documents::EditDocument, edit);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(mia.status.error_message().find("Op 1 of the delta"), std::string::npos);
  edit.set_delta("[]");
  edit.add_splices()->set_inserted("x");
  mia.Call(&Documents::EditDocument, edit);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
}

// Most likely its field has another name than its sender thinks.
TEST(Service, AnEditOfNothingIsRefused) {
  TestingNode node;
  TestingClient mia(node, "mia");
  v1::EditDocumentRequest edit;
  edit.mutable_document()->set_id(mia.Create("notes"));

  mia.Call(&Documents::EditDocument, edit);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(mia.status.error_message().find("splices"), std::string::npos);
}

TEST(Service, ALocksTokenIsShownToItsHolderAlone) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  mia.LockIt(mia.Create("notes"));

  EXPECT_NE(mia.Call(&Documents::ListLocks, v1::ListLocksRequest()).locks(0).token(), 0u);
  EXPECT_EQ(ben.Call(&Documents::ListLocks, v1::ListLocksRequest()).locks(0).token(), 0u);
}

TEST(Service, ARetriedCallGetsItsFirstAnswer) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  v1::AppendDocumentRequest append;
  append.mutable_request_id()->set_client_id(1);
  append.mutable_request_id()->set_sequence(1);
  append.mutable_document()->set_id(doc);
  append.set_text("once");

  const std::uint64_t first = mia.Call(&Documents::AppendDocument, append).revision();
  const std::uint64_t second = mia.Call(&Documents::AppendDocument, append).revision();

  EXPECT_EQ(first, second);
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(doc);
  EXPECT_EQ(mia.Call(&Documents::GetDocument, get).text(), "once");
}

TEST(Service, ARetriedRenameFindsItsAnswerUnderTheOldName) {
  TestingNode node;
  TestingClient mia(node, "mia");
  mia.Create("old");
  v1::RenameDocumentRequest rename;
  rename.mutable_request_id()->set_client_id(1);
  rename.mutable_request_id()->set_sequence(1);
  rename.mutable_document()->set_name("old");
  rename.set_new_name("new");

  const std::uint64_t first = mia.Call(&Documents::RenameDocument, rename).revision();
  const std::uint64_t second = mia.Call(&Documents::RenameDocument, rename).revision();

  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();
  EXPECT_EQ(first, second);
}

TEST(Service, WhatIsRepeatedAfterARenameFindsItsAnswerUnderTheOldName) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("old");
  auto request = [number = std::uint64_t{0}](auto message) mutable {
    message.mutable_request_id()->set_client_id(1);
    message.mutable_request_id()->set_sequence(++number);
    message.mutable_document()->set_name("old");
    return message;
  };
  const auto merge = request(v1::MergeDraftRequest());
  const auto drop = request(v1::DropDraftRequest());
  auto resolve = request(v1::ResolveSuggestionRequest());
  resolve.mutable_suggestion()->set_batch(1);
  resolve.set_decision(v1::ResolveSuggestionRequest::DECISION_ACCEPT);
  const auto answers = [&] {
    std::vector<std::string> messages;
    mia.Call(&v1::DraftService::Stub::MergeDraft, merge);
    messages.emplace_back(mia.status.error_message());
    mia.Call(&v1::DraftService::Stub::DropDraft, drop);
    messages.emplace_back(mia.status.error_message());
    mia.Call(&v1::AssistService::Stub::ResolveSuggestion, resolve);
    messages.emplace_back(mia.status.error_message());
    return messages;
  };
  const std::vector<std::string> first = answers();

  v1::RenameDocumentRequest rename;
  rename.mutable_document()->set_id(doc);
  rename.set_new_name("new");
  mia.Call(&Documents::RenameDocument, rename);

  EXPECT_EQ(answers(), first);
}

TEST(Service, WhatMayNotBeSeenIsNotThere) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  v1::CreateDocumentRequest create;
  create.set_name("secret");
  create.set_everyone(v1::ROLE_NONE);
  const std::uint64_t doc = mia.Call(&Documents::CreateDocument, create).document_id();
  v1::GetDocumentRequest get;
  get.mutable_document()->set_id(doc);

  ben.Call(&Documents::GetDocument, get);
  EXPECT_EQ(ben.status.error_code(), StatusCode::NOT_FOUND);
  get.mutable_document()->set_id(doc + 1'000);
  ben.Call(&Documents::GetDocument, get);
  EXPECT_EQ(ben.status.error_code(), StatusCode::NOT_FOUND);
  ben.Append(doc, "x");
  EXPECT_EQ(ben.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ben.Call(&Documents::ListDocuments, v1::ListDocumentsRequest()).documents_size(), 0);
}

TEST(Service, AnErrorAboutALongNameIsText) {
  TestingNode node;
  TestingClient ana(node, "ana");
  v1::GetDocumentRequest request;
  std::string name = "x";  // So that no limit falls between two letters.
  for (int i = 0; i < 300; ++i) name += "\xC3\xA9";
  request.mutable_document()->set_name(name);
  ana.Call(&v1::DocumentService::Stub::GetDocument, request);
  EXPECT_EQ(ana.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_TRUE(IsValidUtf8(ana.status.error_message())) << ana.status.error_message();
}

TEST(Service, DocumentsAreListedInPages) {
  TestingNode node;
  TestingClient mia(node, "mia");
  for (const char* name : {"a", "b", "c", "d", "e"}) mia.Create(name);
  v1::ListDocumentsRequest list;
  list.set_page_size(2);

  std::string names;
  int pages = 0;
  do {
    const v1::ListDocumentsResponse page = mia.Call(&Documents::ListDocuments, list);
    for (const v1::Document& document : page.documents()) names += document.name();
    list.set_page_token(page.next_page_token());
    ++pages;
  } while (!list.page_token().empty() && pages < 10);

  EXPECT_EQ(names, "abcde");
  EXPECT_EQ(pages, 3);
}

TEST(Service, DocumentsAreFoundByAPartOfTheirNameAndListedAsTheyChanged) {
  TestingNode node;
  TestingClient mia(node, "mia");
  for (const char* name : {"Ärger 1", "plan (a)", "Plan b", "ÄRGER 2"}) mia.Create(name);
  v1::AppendDocumentRequest append;
  append.mutable_document()->set_name("plan (a)");
  append.set_text("later");
  mia.Call(&Documents::AppendDocument, append);
  v1::ListDocumentsRequest list;
  const auto names = [&] {
    std::string all;
    list.clear_page_token();
    do {
      const v1::ListDocumentsResponse page = mia.Call(&Documents::ListDocuments, list);
      for (const v1::Document& document : page.documents()) all += document.name() + "; ";
      list.set_page_token(page.next_page_token());
    } while (!list.page_token().empty());
    return all;
  };
  list.set_page_size(1);
  list.set_order(v1::DOCUMENT_ORDER_CHANGED);
  EXPECT_EQ(names(), "plan (a); ÄRGER 2; Plan b; Ärger 1; ");
  list.set_name_contains("ärger");
  EXPECT_EQ(names(), "ÄRGER 2; Ärger 1; ");
  list.set_order(v1::DOCUMENT_ORDER_NAME);
  list.set_name_contains("PLAN");
  EXPECT_EQ(names(), "Plan b; plan (a); ");
  list.set_name_contains("n (");  // No pattern.
  EXPECT_EQ(names(), "plan (a); ");
  list.set_name_contains(".");
  EXPECT_EQ(names(), "");

  list.set_name_contains(std::string(10'000, 'a'));
  mia.Call(&Documents::ListDocuments, list);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
  list.clear_name_contains();
  list.set_order(v1::DOCUMENT_ORDER_CHANGED);
  list.set_page_token("plan");
  mia.Call(&Documents::ListDocuments, list);
  EXPECT_EQ(mia.status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST(Service, OnlyAdministratorsRemoveUsers) {
  TestingNode node;
  TestingClient mia(node, "mia");  // The first of all.
  TestingClient ben(node, "ben");
  v1::RemoveUserRequest remove;

  remove.set_name("mia");
  ben.Call(&Auth::RemoveUser, remove);
  EXPECT_EQ(ben.status.error_code(), StatusCode::PERMISSION_DENIED);

  remove.set_name("ben");
  mia.Call(&Auth::RemoveUser, remove);
  EXPECT_TRUE(mia.status.ok());
  ben.Call(&Auth::WhoAmI, v1::WhoAmIRequest());
  EXPECT_EQ(ben.status.error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(Service, ASecureClusterMakesNoUserAtLogin) {
  TestingNode node(Users::kMadeByAdmins);
  node.server().MakeFirstUser("root", "secret");
  TestingClient client(node);
  v1::LoginRequest login;
  login.set_user("root");
  login.set_password("secret");
  // The first user comes when the node has elected itself.
  for (int i = 0; i < 100 && client.token.empty(); ++i) {
    client.token = client.Call(&Auth::Login, login).token();
  }
  EXPECT_TRUE(client.Call(&Auth::WhoAmI, v1::WhoAmIRequest()).is_admin());

  login.set_password("wrong");
  client.Call(&Auth::Login, login);
  EXPECT_EQ(client.Reason(), "WRONG_PASSWORD");
  login.set_user("stranger");
  client.Call(&Auth::Login, login);
  EXPECT_EQ(client.Reason(), "WRONG_PASSWORD");
}

// As when it is started without --secure beside others, or later.
TEST(Service, ANodeForDevelopmentMakesNoUserWhereTheClusterIsSecure) {
  TestingNode node(Users::kMadeAtLogin);
  node.server().MakeFirstUser("root", "secret");
  TestingClient client(node);
  v1::LoginRequest login;
  login.set_user("root");
  login.set_password("secret");
  for (int i = 0; i < 100 && client.token.empty(); ++i) {
    client.token = client.Call(&Auth::Login, login).token();
    if (client.Reason() == "WRONG_PASSWORD") break;  // It came too late, and made the user.
  }
  ASSERT_FALSE(client.token.empty());
  for (const char* password : {"", "x"}) {
    login.set_user("stranger");
    login.set_password(password);
    client.Call(&Auth::Login, login);
    EXPECT_EQ(client.Reason(), "WRONG_PASSWORD") << password;
  }
}

TEST(Service, ANewUserLogsInAtSeveralPlacesAtOnce) {
  TestingNode node;
  TestingClient(node, "first");
  std::vector<std::string> errors(6);
  {
    std::vector<std::jthread> places;
    for (std::string& error : errors) {
      places.emplace_back([&node, &error] {
        TestingClient client(node);
        v1::LoginRequest login;
        login.set_user("zoe");
        login.set_password("secret");
        client.Call(&Auth::Login, login);
        error = client.status.error_message();
      });
    }
  }
  EXPECT_EQ(errors, std::vector<std::string>(6));
}

TEST(Service, AChangedPasswordIsTheOneThatCounts) {
  TestingNode node;
  TestingClient mia(node, "mia");
  v1::SetPasswordRequest set;
  set.set_new_password("first");
  mia.Call(&Auth::SetPassword, set);
  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();

  set.set_new_password("second");
  mia.Call(&Auth::SetPassword, set);
  EXPECT_EQ(mia.Reason(), "WRONG_PASSWORD");

  // The first try was done, and its answer lost.
  set.set_old_password("first");
  set.mutable_request_id()->set_client_id(5);
  set.mutable_request_id()->set_sequence(1);
  const std::uint64_t revision = mia.Call(&Auth::SetPassword, set).revision();
  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();
  EXPECT_EQ(mia.Call(&Auth::SetPassword, set).revision(), revision);
  EXPECT_TRUE(mia.status.ok()) << mia.status.error_message();

  v1::LoginRequest login;
  login.set_user("mia");
  login.set_password("second");
  mia.Call(&Auth::Login, login);
  EXPECT_TRUE(mia.status.ok());
}

TEST(Service, WhoCallsTooOftenIsSlowedAndNobodyElse) {
  TestingNode node(Users::kMadeAtLogin, {}, /*user_calls_per_second=*/0.5);
  TestingClient mia(node, "mia");
  TestingClient tom(node, "tom");
  mia.Call(&v1::ClusterService::Stub::GetStatus, v1::GetStatusRequest());
  EXPECT_TRUE(mia.status.ok());
  mia.Call(&v1::ClusterService::Stub::GetStatus, v1::GetStatusRequest());
  EXPECT_EQ(mia.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(mia.Reason(), "OVERLOADED");
  tom.Call(&v1::ClusterService::Stub::GetStatus, v1::GetStatusRequest());
  EXPECT_TRUE(tom.status.ok());
}

TEST(Service, StatusTellsOfTheNode) {
  TestingNode node;
  TestingClient mia(node, "mia");

  const v1::GetStatusResponse status =
      mia.Call(&v1::ClusterService::Stub::GetStatus, v1::GetStatusRequest());

  ASSERT_EQ(status.nodes_size(), 1);
  EXPECT_EQ(status.leader_id(), 1u);
  EXPECT_EQ(status.cluster_id(), 7u);
  EXPECT_EQ(status.nodes(0).role(), v1::NODE_ROLE_LEADER);
  EXPECT_TRUE(status.nodes(0).is_reachable());
}

}  // namespace
}  // namespace coterie::rpc
