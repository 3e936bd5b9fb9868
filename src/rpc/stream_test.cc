// Subscriptions and attachments of a real node over real sockets.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rpc/event_hub.h"
#include "rpc/test_streams.h"
#include "rpc/testing_node.h"

namespace coterie::rpc {
namespace {

using grpc::StatusCode;

TEST(Subscribe, GivesHistoryAndThenWhatHappens) {
  TestingNode node;
  TestingClient mia(node, "mia");
  mia.Create("before");
  Watch watch(node, mia, After(0));

  EXPECT_EQ(watch.Next().events(0).user_created().name(), "mia");
  EXPECT_EQ(watch.Next().events(0).document_created().name(), "before");
  const std::uint64_t doc = mia.Create("after");
  EXPECT_EQ(watch.Next().events(0).document_created().name(), "after");
  mia.Append(doc, "text");
  const v1::SubscribeResponse changed = watch.Next();
  EXPECT_EQ(changed.events(0).document_changed().changes(0).inserted(), "text");
  EXPECT_EQ(changed.events(0).user(), "mia");
}

TEST(Subscribe, BeginsWithAMarkOfWhereItStands) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  Watch watch(node, mia, FromNow());

  EXPECT_GE(watch.Begin(), doc);
}

TEST(Subscribe, ResumesWithoutGapOrRepetition) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  std::vector<std::uint64_t> revisions;
  for (int i = 0; i < 10; ++i) revisions.push_back(mia.Append(doc, "x"));

  Watch watch(node, mia, After(revisions[4]));

  for (std::size_t i = 5; i < revisions.size(); ++i) {
    EXPECT_EQ(watch.Next().revision(), revisions[i]);
  }
}

TEST(Subscribe, WhoDoesNotReadMissesNothing) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  Watch watch(node, mia, After(doc));
  // More than its queue and gRPC's buffers hold.
  std::vector<std::uint64_t> revisions;
  const std::string text(64 << 10, 'x');
  for (int i = 0; i < 100; ++i) revisions.push_back(mia.Append(doc, text));

  for (const std::uint64_t revision : revisions) ASSERT_EQ(watch.Next().revision(), revision);

  const std::uint64_t last = mia.Append(doc, "live again");
  EXPECT_EQ(watch.Next().revision(), last);
}

// Its stream ends although the write that is in flight never does.
TEST(Subscribe, WhoReadsNothingIsCutOff) {
  TestingNode node;
  TestingClient ana(node, "ana");
  const std::uint64_t doc = ana.Create("notes");
  grpc::ClientContext context;  // Without a deadline, which would end it as well.
  context.AddMetadata("authorization", "Bearer " + ana.token);
  v1::EventService::Stub stub(node.channel());
  const auto reader = stub.Subscribe(&context, v1::SubscribeRequest());
  v1::SubscribeResponse first;
  ASSERT_TRUE(reader->Read(&first));
  EventHub& hub = node.server().faces().events;
  ASSERT_EQ(hub.size(), 1u);
  // More than gRPC takes on for somebody who reads nothing.
  for (int i = 0; i < 120; ++i) ana.Append(doc, std::string(250'000, 'x'));

  const absl::Time end = absl::Now() + absl::Seconds(60);
  absl::Notification never;
  while (hub.size() > 0 && absl::Now() < end) {
    never.WaitForNotificationWithTimeout(absl::Milliseconds(100));
  }
  EXPECT_EQ(hub.size(), 0u);
  context.TryCancel();
}

TEST(Subscribe, TheFutureIsOutOfRange) {
  TestingNode node;
  TestingClient mia(node, "mia");

  const grpc::Status status = Watch(node, mia, After(1'000'000)).End();

  EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE) << status.error_message();
}

TEST(Subscribe, WhatIsNoLongerKeptIsOutOfRange) {
  TestingNode::Parts parts = TestingNode::Alone();
  parts.node.machine.events_retained_max = 10;
  TestingNode node(std::move(parts));
  TestingClient mia(node, "mia");
  const std::uint64_t doc = mia.Create("notes");
  std::vector<std::uint64_t> revisions;
  for (int i = 0; i < 20; ++i) revisions.push_back(mia.Append(doc, "x"));

  const grpc::Status status = Watch(node, mia, After(revisions[8])).End();

  EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE) << status.error_message();
  const google::rpc::ErrorInfo info = InfoOf(status);
  ASSERT_EQ(info.metadata().count("oldest_revision"), 1u);
  EXPECT_EQ(info.metadata().at("oldest_revision"), std::to_string(revisions[10]));
  EXPECT_EQ(info.metadata().at("current_revision"), std::to_string(revisions.back()));
  Watch watch(node, mia, After(revisions[9]));
  EXPECT_EQ(watch.Next().revision(), revisions[10]);
}

TEST(Subscribe, ShowsNobodyWhatHeMayNotSee) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  Watch live(node, ben, FromNow());
  live.Begin();
  v1::CreateDocumentRequest create;
  create.set_name("secret");
  create.set_everyone(v1::ROLE_NONE);
  const std::uint64_t begin =
      mia.Call(&v1::DocumentService::Stub::CreateDocument, create).revision();
  mia.Create("open");
  Watch history(node, ben, After(begin - 1));

  EXPECT_EQ(live.Next().events(0).document_created().name(), "open");
  EXPECT_EQ(history.Next().events(0).document_created().name(), "open");
}

TEST(Subscribe, CanBeForOneDocumentWithoutTexts) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const std::uint64_t noise = mia.Create("noise");
  const std::uint64_t doc = mia.Create("notes");
  v1::SubscribeRequest request = FromNow();
  request.add_documents()->set_name("notes");
  request.set_without_text(true);
  Watch watch(node, mia, request);
  watch.Begin();
  mia.Append(noise, "x");
  const std::uint64_t revision = mia.Append(doc, "text");

  const v1::SubscribeResponse changed = watch.Next();

  EXPECT_EQ(changed.revision(), revision);
  EXPECT_EQ(changed.events(0).document_changed().changes_size(), 0);
}

TEST(Subscribe, AnUnknownDocumentIsNotFound) {
  TestingNode node;
  TestingClient mia(node, "mia");
  v1::SubscribeRequest request = FromNow();
  request.add_documents()->set_name("nothing");

  EXPECT_EQ(Watch(node, mia, request).End().error_code(), StatusCode::NOT_FOUND);
}

TEST(Subscribe, EndsWithItsSession) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watch watch(node, mia, FromNow());
  watch.Begin();

  mia.Call(&v1::AuthService::Stub::Logout, v1::LogoutRequest());

  EXPECT_EQ(watch.End().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(Subscribe, NeedsASession) {
  TestingNode node;
  TestingClient nobody(node);

  EXPECT_EQ(Watch(node, nobody, FromNow()).End().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST(Subscribe, ASessionHasSoManyAtMost) {
  TestingNode node;
  TestingClient mia(node, "mia");
  std::vector<std::unique_ptr<Watch>> watches;
  for (std::size_t i = 0; i < EventHub::kFeedsPerSessionMax; ++i) {
    watches.push_back(std::make_unique<Watch>(node, mia, FromNow()));
    watches.back()->Begin();
  }

  EXPECT_EQ(Watch(node, mia, FromNow()).End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

TEST(Subscribe, AUserHasSoManyAtMostInAllSessions) {
  TestingNode node;
  std::vector<std::unique_ptr<TestingClient>> sessions;
  std::vector<std::unique_ptr<Watch>> watches;
  while (watches.size() < EventHub::kFeedsPerUserMax) {
    if (watches.size() % EventHub::kFeedsPerSessionMax == 0) {
      sessions.push_back(std::make_unique<TestingClient>(node, "mia"));
    }
    watches.push_back(std::make_unique<Watch>(node, *sessions.back(), FromNow()));
    ASSERT_NE(watches.back()->Begin(), 0u);
  }

  TestingClient mia(node, "mia");
  EXPECT_EQ(Watch(node, mia, FromNow()).End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  TestingClient ben(node, "ben");
  EXPECT_NE(Watch(node, ben, FromNow()).Begin(), 0u);
}

TEST(Subscribe, EndsWhenTheNodeStops) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watch watch(node, mia, FromNow());
  watch.Begin();

  node.StopServer();

  EXPECT_EQ(watch.End().error_code(), StatusCode::UNAVAILABLE);
}

TEST(Attach, JoinsAndShowsWhatOthersDo) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  const std::uint64_t doc = mia.Create("notes");
  Watch watch(node, ben, FromNow());
  watch.Begin();
  Attached of_mia(node, mia);

  v1::AttachResponse answer = of_mia.Say(v1::ACTIVITY_EDITING, doc);
  // Its own JOIN may be shown before what it does.
  while (answer.present_size() == 1 && answer.present(0).activity() == v1::ACTIVITY_IDLE) {
    answer = of_mia.Hear();
  }

  EXPECT_EQ(answer.lease_ms(), 10'000u);
  ASSERT_EQ(answer.present_size(), 1);
  EXPECT_EQ(answer.present(0).user(), "mia");
  EXPECT_EQ(answer.present(0).activity(), v1::ACTIVITY_EDITING);
  EXPECT_EQ(answer.present(0).document_name(), "notes");
  EXPECT_TRUE(watch.Next().events(0).has_joined());
  const v1::ListPresentResponse list =
      ben.Call(&v1::PresenceService::Stub::ListPresent, v1::ListPresentRequest());
  ASSERT_EQ(list.present_size(), 1);
  EXPECT_EQ(list.present(0).document_id(), doc);
}

TEST(Attach, AnotherOnesArrivalIsShown) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  Attached of_mia(node, mia);
  of_mia.Say(v1::ACTIVITY_IDLE, 0);
  Attached of_ben(node, ben);
  of_ben.Say(v1::ACTIVITY_VIEWING, 0);

  v1::AttachResponse shown;
  do {
    shown = of_mia.Hear();
  } while (shown.present_size() == 1);
  EXPECT_EQ(shown.present_size(), 2);
}

TEST(Attach, WhoClosesLeavesAtOnce) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Watch watch(node, mia, FromNow());
  watch.Begin();
  Attached first(node, mia);
  Attached second(node, mia);
  first.Say(v1::ACTIVITY_IDLE, 0);
  second.Say(v1::ACTIVITY_IDLE, 0);
  EXPECT_TRUE(watch.Next().events(0).has_joined());

  EXPECT_TRUE(first.Close().ok());
  EXPECT_TRUE(second.Close().ok());

  const v1::SubscribeResponse left = watch.Next();
  EXPECT_EQ(left.events(0).left().reason(), v1::Left::REASON_DETACHED);
}

TEST(Attach, WhoWasThoughtGoneAndIsNotJoinsAgain) {
  TestingNode node;
  TestingClient mia(node, "mia");
  const SessionId session = mia.Session();
  Watch watch(node, mia, FromNow());
  watch.Begin();
  Attached attached(node, mia);
  attached.Say(v1::ACTIVITY_IDLE, 0);
  EXPECT_TRUE(watch.Next().events(0).has_joined());

  node.EndLease(session);

  EXPECT_EQ(watch.Next().events(0).left().reason(), v1::Left::REASON_LEASE_EXPIRED);
  const v1::SubscribeResponse again = watch.Next();
  ASSERT_EQ(again.events_size(), 1);
  EXPECT_EQ(again.events(0).joined().session_id(), session.value());
}

TEST(Attach, AStoppingNodeThrowsNobodyOut) {
  TestingNode node;
  TestingClient mia(node, "mia");
  Attached attached(node, mia);
  attached.Say(v1::ACTIVITY_IDLE, 0);

  node.StopServer();

  EXPECT_EQ(attached.Close().error_code(), StatusCode::UNAVAILABLE);
}

TEST(Attach, HidesTheDocumentThatTheOtherMayNotSee) {
  TestingNode node;
  TestingClient mia(node, "mia");
  TestingClient ben(node, "ben");
  v1::CreateDocumentRequest create;
  create.set_name("secret");
  create.set_everyone(v1::ROLE_NONE);
  const std::uint64_t doc =
      mia.Call(&v1::DocumentService::Stub::CreateDocument, create).document_id();
  Attached attached(node, mia);
  attached.Say(v1::ACTIVITY_EDITING, doc);

  const v1::ListPresentResponse list =
      ben.Call(&v1::PresenceService::Stub::ListPresent, v1::ListPresentRequest());

  ASSERT_EQ(list.present_size(), 1);
  EXPECT_EQ(list.present(0).document_id(), 0u);
  EXPECT_EQ(list.present(0).document_name(), "");
}

}  // namespace
}  // namespace coterie::rpc
