// The client against nodes that fail in scripted ways.

#include "client/client.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "client/fake_node.h"

namespace coterie::client {
namespace {

using Kind = Failure::Kind;

// Of a call that waits for nothing but nodes which answer, on a machine that is busy for a moment.
constexpr absl::Duration kSoon = absl::Seconds(5);
constexpr absl::Duration kCallTimeout = absl::Seconds(20);

// Three nodes of one cluster and a client that knows the first two.
class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    for (int i = 0; i < 3; ++i) nodes_.push_back(std::make_unique<FakeNode>(cluster_));
    client_ = Connect({node(0).address(), node(1).address()});
  }

  // Long enough for a busy machine to connect, so that the first address is the first to be asked.
  static std::unique_ptr<Client> Connect(std::vector<std::string> addresses,
                                         absl::Duration unreachable = absl::InfiniteDuration()) {
    return Open({.addresses = std::move(addresses),
                 .connect_timeout = kSoon,
                 .unreachable_timeout = unreachable});
  }
  static std::unique_ptr<Client> Open(Options options) {
    options.token = "t";
    options.call_timeout = kCallTimeout;
    return *Client::Open(std::move(options));
  }

  // The nodes as the cluster's members, so that the client can learn them.
  void Announce(std::uint64_t leader_id) {
    absl::MutexLock lock(&cluster_.mutex);
    cluster_.members.clear();
    for (std::uint64_t id = 1; id <= nodes_.size(); ++id) {
      v1::NodeStatus member;
      member.set_node_id(id);
      member.set_client_address(nodes_[id - 1]->address());
      cluster_.members.push_back(member);
    }
    cluster_.leader_id = leader_id;
  }

  absl::Status Write(const std::string& text, absl::Duration timeout = absl::ZeroDuration()) {
    v1::WriteDocumentRequest request;
    request.set_text(text);
    const absl::Time start = absl::Now();
    const absl::Status status = client_->Call(std::move(request), {.timeout = timeout}).status();
    took_ = absl::Now() - start;
    return status;
  }
  std::string text() {
    absl::MutexLock lock(&cluster_.mutex);
    return cluster_.text;
  }
  FakeNode& node(std::size_t i) { return *nodes_[i]; }

  FakeCluster cluster_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
  std::unique_ptr<Client> client_;
  absl::Duration took_;
};

TEST_F(ClientTest, SendsTheTokenAndGetsTheAnswer) {
  ASSERT_TRUE(Write("a").ok());
  EXPECT_EQ(text(), "a");
  EXPECT_EQ(node(0).last_token(), "Bearer t");
}

TEST_F(ClientTest, LoginKeepsTheTokenAndLogoutEndsIt) {
  EXPECT_TRUE(absl::IsUnauthenticated(client_->Login("mia", "wrong").status()));
  ASSERT_TRUE(client_->Login("mia", "secret").ok());
  ASSERT_TRUE(Write("a").ok());
  EXPECT_EQ(node(0).last_token(), "Bearer token-of-mia");
  EXPECT_TRUE(client_->Logout().ok());
  EXPECT_EQ(client_->token(), "");
}

TEST_F(ClientTest, AnUnavailableNodeIsGoneRoundAndThenAvoided) {
  node(0).Fail({Kind::kUnavailable});
  ASSERT_TRUE(Write("a").ok());
  EXPECT_LT(took_, kSoon);
  ASSERT_TRUE(Write("b").ok());
  EXPECT_EQ(node(0).calls(), 1);
  EXPECT_EQ(node(1).calls(), 2);
  EXPECT_EQ(text(), "ab");
}

TEST_F(ClientTest, ADeadAddressCostsLittle) {
  client_ = Open({.addresses = {DeadAddress(), DeadAddress(), node(0).address()}});
  ASSERT_TRUE(Write("a").ok());
  EXPECT_LT(took_, kSoon);
}

TEST_F(ClientTest, ASilentListenerCostsLittle) {
  // Accepts connections, as the kernel does for a stopped process, and says nothing.
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 5), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);

  client_ =
      Open({.addresses = {absl::StrCat("127.0.0.1:", ntohs(address.sin_port)), node(0).address()}});

  ASSERT_TRUE(Write("a").ok());
  EXPECT_LT(took_, kSoon);
  close(listener);
}

TEST_F(ClientTest, ALeaderHintIsFollowedToAnUnknownNodeAndRemembered) {
  node(0).Fail({Kind::kNotLeader, node(2).address()});
  ASSERT_TRUE(Write("a").ok());
  ASSERT_TRUE(Write("b").ok());
  EXPECT_EQ(node(0).calls(), 1);
  EXPECT_EQ(node(1).calls(), 0);
  EXPECT_EQ(node(2).calls(), 2);
}

TEST_F(ClientTest, NodesThatSendItToEachOtherDoNotKeepItBusy) {
  node(0).Fail({Kind::kNotLeader, node(1).address()}, 1000);
  node(1).Fail({Kind::kNotLeader, node(0).address()}, 1000);
  EXPECT_FALSE(Write("a", absl::Milliseconds(500)).ok());
  EXPECT_LT(node(0).calls() + node(1).calls(), 100);
}

TEST_F(ClientTest, AHungNodeCostsOneAttemptOnce) {
  node(0).Fail({Kind::kHang}, 10);
  ASSERT_TRUE(Write("a").ok());
  EXPECT_LT(took_, kAttempt + kSoon);
  ASSERT_TRUE(Write("b").ok());
  EXPECT_EQ(node(0).calls(), 1);
}

TEST_F(ClientTest, ADroppedReplyLeavesExactlyOneEffect) {
  node(0).Fail({Kind::kDropReply});
  node(1).Fail({Kind::kDropReply});
  ASSERT_TRUE(Write("a").ok());
  ASSERT_TRUE(Write("b").ok());
  EXPECT_EQ(text(), "ab");
  EXPECT_GE(node(0).calls() + node(1).calls(), 4);
}

TEST_F(ClientTest, ConcurrentWritersUnderFailuresHaveOneEffectEach) {
  for (int i = 0; i < 20; ++i) {
    node(0).Fail({i % 2 == 0 ? Kind::kDropReply : Kind::kUnavailable});
    node(1).Fail({i % 3 == 0 ? Kind::kUnavailable : Kind::kDropReply});
  }
  std::vector<std::jthread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        v1::WriteDocumentRequest request;
        request.set_text("x");
        EXPECT_TRUE(client_->Call(std::move(request)).ok());
      }
    });
  }
  writers.clear();
  EXPECT_EQ(text(), std::string(100, 'x'));
}

TEST_F(ClientTest, AcknowledgesAnswersSoThatTheClusterCanForget) {
  ASSERT_TRUE(Write("a").ok());
  ASSERT_TRUE(Write("b").ok());
  ASSERT_TRUE(Write("c").ok());
  absl::MutexLock lock(&cluster_.mutex);
  EXPECT_EQ(cluster_.acked_below, 3u);
  EXPECT_EQ(cluster_.effects.size(), 3u);
}

TEST_F(ClientTest, TheClustersOwnErrorIsNotRetried) {
  node(0).Fail({Kind::kLocked});
  const absl::Status status = Write("a");
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_EQ(DetailOf(status).reason, "LOCKED");
  EXPECT_EQ(DetailOf(status).Get("holder"), "mia");
  EXPECT_EQ(node(0).calls() + node(1).calls(), 1);
}

TEST_F(ClientTest, OverloadIsWaitedOut) {
  node(0).Fail({Kind::kExhausted}, 3);
  ASSERT_TRUE(Write("a").ok());
  EXPECT_GE(took_, absl::Milliseconds(60));
  EXPECT_EQ(node(1).calls(), 0);
}

TEST_F(ClientTest, TheDeadlineHolds) {
  for (int i = 0; i < 2; ++i) node(i).Fail({Kind::kHang}, 100);
  const absl::Status status = Write("a", absl::Milliseconds(400));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(took_, absl::Milliseconds(399));
  EXPECT_LT(took_, kSoon);
}

// As over a slow line: the time that is left goes to an answer that is on its way.
TEST_F(ClientTest, AnAnswerThatTakesMostOfTheTimeIsWaitedFor) {
  for (int i = 0; i < 2; ++i) node(i).Fail({Kind::kSlow}, 100);
  const absl::Status status = Write("a", absl::Seconds(10));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(text(), "a");
}

TEST_F(ClientTest, WhatTheNodesHaveNoRoomForIsSaidAsTheySayIt) {
  for (int i = 0; i < 2; ++i) node(i).Fail({Kind::kExhausted}, 1000);
  const absl::Status status = Write("a", absl::Milliseconds(300));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(DetailOf(status).reason, "OVERLOADED");
}

TEST_F(ClientTest, NodesThatAllDieMeanwhileAreUnreachable) {
  client_ = Connect({node(0).address(), node(1).address()}, absl::Milliseconds(300));
  for (int i = 0; i < 2; ++i) node(i).Fail({Kind::kUnavailable}, 1'000'000);
  const std::jthread killer([&] {
    while (node(0).calls() == 0) std::this_thread::yield();
    for (int i = 0; i < 2; ++i) node(i).Kill();
  });
  EXPECT_FALSE(Write("a", absl::Seconds(30)).ok());
  EXPECT_LT(took_, absl::Seconds(10));
}

TEST_F(ClientTest, NothingReachableIsSaidSoon) {
  client_ = Connect({DeadAddress(), DeadAddress()}, absl::Milliseconds(300));
  const absl::Status status = Write("a");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_LT(took_, kSoon);
}

TEST_F(ClientTest, ANodeThatComesUpIsNoticedAtOnce) {
  const std::string address = DeadAddress();
  client_ = Connect({address});
  EXPECT_FALSE(Write("a", absl::Milliseconds(300)).ok());

  const FakeNode late(cluster_, address);
  ASSERT_TRUE(Write("b").ok());

  EXPECT_LT(took_, absl::Milliseconds(1500));
  EXPECT_EQ(text(), "b");
}

TEST_F(ClientTest, LearnsTheMembersAndOutlivesItsOnlySeed) {
  Announce(3);
  client_ = Connect({node(0).address()});
  ASSERT_TRUE(client_->LearnMembers().ok());
  EXPECT_EQ(client_->addresses().size(), 3u);
  EXPECT_EQ(client_->leader(), node(2).address());

  node(0).Kill();
  node(2).Kill();
  ASSERT_TRUE(Write("a").ok());
  EXPECT_LT(took_, kSoon);
  EXPECT_EQ(node(1).calls(), 1);
}

TEST_F(ClientTest, MalformedOptionsAreRefused) {
  EXPECT_FALSE(Client::Open({}).ok());
  EXPECT_FALSE(Client::Open({.addresses = {"nowhere"}}).ok());
  EXPECT_FALSE(Client::Open({.addresses = {"a b:1"}}).ok());
}

// --- Streams ---

class StreamTest : public ClientTest {
 protected:
  // The next batch's revision; 0 and a test failure if there is none.
  std::uint64_t Next(Subscription& subscription) {
    const auto batch = subscription.Next(absl::Now() + absl::Seconds(8));
    EXPECT_TRUE(batch.ok()) << batch.status();
    return batch.ok() ? batch->revision() : 0;
  }
};

TEST_F(StreamTest, DeliversInOrderAndResumesElsewhereWithoutGapOrDuplicate) {
  auto subscription = *client_->Subscribe({});
  for (int i = 1; i <= 5; ++i) cluster_.Publish("a");
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(Next(*subscription), i);
  const std::string first_node = subscription->node();

  node(0).Kill();
  for (int i = 6; i <= 9; ++i) cluster_.Publish("b");

  for (std::uint64_t i = 4; i <= 9; ++i) EXPECT_EQ(Next(*subscription), i);
  EXPECT_NE(subscription->node(), first_node);
  EXPECT_EQ(subscription->resumptions(), 1);
}

TEST_F(StreamTest, FromNowBeginsAfterWhatIs) {
  cluster_.Publish("old");
  v1::SubscribeRequest request;
  request.set_from_now(true);
  auto subscription = *client_->Subscribe(std::move(request));
  cluster_.Publish("new");
  EXPECT_EQ(Next(*subscription), 2u);
}

TEST_F(StreamTest, AFrozenNodeIsLeft) {
  auto subscription = *client_->Subscribe({});
  cluster_.Publish("a");
  ASSERT_EQ(Next(*subscription), 1u);

  node(0).Freeze();
  cluster_.Publish("b");
  const absl::Time start = absl::Now();
  EXPECT_EQ(Next(*subscription), 2u);

  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_EQ(subscription->node(), node(1).address());
}

TEST_F(StreamTest, SilenceOfALivingNodeIsNotAFailure) {
  auto subscription = *client_->Subscribe({});
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      subscription->Next(absl::Now() + absl::Milliseconds(3500)).status()));
  EXPECT_EQ(subscription->resumptions(), 0);
  cluster_.Publish("a");
  EXPECT_EQ(Next(*subscription), 1u);
}

TEST_F(StreamTest, ManyEventsAgainstASlowReaderArriveWhole) {
  auto subscription = *client_->Subscribe({});
  for (int i = 0; i < 1000; ++i) cluster_.Publish("a");
  for (std::uint64_t i = 1; i <= 1000; ++i) ASSERT_EQ(Next(*subscription), i);
}

TEST_F(StreamTest, OneReadToItsEndWaitsForItsReader) {
  {
    absl::MutexLock lock(&cluster_.mutex);
    cluster_.backup.assign(40, std::string(64 << 10, 'x'));  // More than a connection has room for.
  }
  node(0).Fail({Kind::kUnavailable});
  node(1).Fail({Kind::kUnavailable});
  std::size_t bytes = 0;
  const absl::Status status =
      client_->TakeBackup(absl::Now() + absl::Seconds(30), [&](const std::string& piece) {
        bytes += piece.size();
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(bytes, 40u * (64 << 10));
}

TEST_F(StreamTest, OneReadToItsEndIsGivenUpByItsReader) {
  {
    absl::MutexLock lock(&cluster_.mutex);
    cluster_.backup.assign(40, std::string(64 << 10, 'x'));
  }
  const absl::Status status = client_->TakeBackup(absl::Now() + absl::Seconds(30),
                                                  [&](const std::string&) { return false; });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(StreamTest, OneReadToItsEndDoesNotWaitForAFrozenNode) {
  {
    absl::MutexLock lock(&cluster_.mutex);
    cluster_.backup.assign(200, std::string(64 << 10, 'x'));
  }
  int pieces = 0;
  const absl::Status status = client_->TakeBackup(absl::InfiniteFuture(), [&](const std::string&) {
    if (++pieces == 1) node(0).Freeze();
    return true;
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_LT(pieces, 200);

  // Before its first message another one does it.
  pieces = 0;
  const absl::Status other = client_->TakeBackup(absl::InfiniteFuture(), [&](const std::string&) {
    ++pieces;
    return true;
  });
  EXPECT_TRUE(other.ok()) << other;
  EXPECT_EQ(pieces, 200);
}

TEST_F(StreamTest, AGapIsAnError) {
  {
    absl::MutexLock lock(&cluster_.mutex);
    cluster_.oldest_event = 7;
  }
  auto subscription = *client_->Subscribe({});
  const absl::Status status = subscription->Next().status();
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_EQ(DetailOf(status).Get("oldest"), "7");
}

TEST_F(StreamTest, CancelEndsAWaitingNext) {
  auto subscription = *client_->Subscribe({});
  std::jthread canceller([&] { subscription->Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(subscription->Next().status()));
}

TEST_F(StreamTest, AttachmentMovesOnWhenItsNodeDiesAndLeavesAtTheEnd) {
  auto attachment = client_->Attach({.activity = v1::ACTIVITY_VIEWING});
  ASSERT_TRUE(attachment->WaitUntilAttached(absl::Now() + absl::Seconds(5)).ok());

  node(0).Kill();
  {
    absl::MutexLock lock(&cluster_.mutex);
    const auto again = [this] { return cluster_.attached == 2; };
    EXPECT_TRUE(cluster_.mutex.AwaitWithTimeout(absl::Condition(&again), absl::Seconds(5)));
  }
  attachment.reset();

  absl::MutexLock lock(&cluster_.mutex);
  const auto left = [this] { return cluster_.left_cleanly >= 1; };
  EXPECT_TRUE(cluster_.mutex.AwaitWithTimeout(absl::Condition(&left), absl::Seconds(5)));
}

TEST_F(StreamTest, AttachmentTellsWhatOneDoes) {
  absl::Mutex mutex;
  v1::Activity seen = v1::ACTIVITY_UNSPECIFIED;
  auto attachment = client_->Attach(
      {.activity = v1::ACTIVITY_VIEWING, .on_presence = [&](const v1::AttachResponse& response) {
         absl::MutexLock lock(&mutex);
         seen = response.present(0).activity();
       }});
  attachment->Set(v1::ACTIVITY_EDITING, {});
  absl::MutexLock lock(&mutex);
  const auto is_editing = [&] { return seen == v1::ACTIVITY_EDITING; };
  EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&is_editing), absl::Seconds(5)));
}

TEST_F(StreamTest, AttachmentLeavesAFrozenNodeWithinItsLease) {
  auto attachment = client_->Attach({.lease = absl::Seconds(4)});
  ASSERT_TRUE(attachment->WaitUntilAttached(absl::Now() + absl::Seconds(5)).ok());
  node(0).Freeze();
  absl::MutexLock lock(&cluster_.mutex);
  const auto again = [this] { return cluster_.attached == 2; };
  EXPECT_TRUE(cluster_.mutex.AwaitWithTimeout(absl::Condition(&again), absl::Seconds(4)));
}

}  // namespace
}  // namespace coterie::client
