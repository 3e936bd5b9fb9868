// What no honest client does to the port: each is cut off or waited for, in bounded memory and
// time, and costs nobody else anything.

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "crdt/lib0.h"
#include "gateway/limits.h"
#include "gateway/test_port.h"
#include "node/testing_stall.h"
#include "rpc/auth_service.h"
#include "rpc/backups.h"
#include "rpc/node_calls.h"
#include "rpc/steady_time.h"
#include "rpc/token.h"
#include "yproto/test_hex.h"

namespace coterie::gateway {
namespace {

using yproto::FromHex;

const std::string kAbc = FromHex("01010100040101740361626300");

class HostilePort : public PortTest {
 protected:
  explicit HostilePort(Options options = {}) : PortTest(std::move(options)) {}

  // Sends pieces until the other side has had enough of it or `bytes_max` are sent.
  std::size_t Pour(RawClient& client, const std::string& piece, std::size_t bytes_max) {
    std::size_t sent = 0;
    while (sent < bytes_max && client.Send(piece)) sent += piece.size();
    return sent;
  }
};

constexpr std::size_t kEnough = 16 << 20;

TEST_F(HostilePort, AHeaderWithoutEndIsCutOff) {
  RawClient client = Connect();
  ASSERT_TRUE(client.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
  EXPECT_LT(Pour(client, "X-Filler: " + std::string(4'000, 'x') + "\r\n", kEnough), kEnough);
}

TEST_F(HostilePort, AChunkWhoseExtensionHasNoEndIsCutOff) {
  RawClient client = Connect();
  ASSERT_TRUE(
      client.Send("POST /coterie.v1.AuthService/Login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5;a="));
  EXPECT_LT(Pour(client, std::string(64 << 10, 'x'), kEnough), kEnough);
}

TEST_F(HostilePort, TrailersWithoutEndAreCutOff) {
  RawClient client = Connect();
  ASSERT_TRUE(
      client.Send("POST /coterie.v1.AuthService/Login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\n{}\r\n0\r\n"));
  EXPECT_LT(Pour(client, "X-Filler: " + std::string(4'000, 'x') + "\r\n", kEnough), kEnough);
}

// --- Requests whose bodies are larger than a stranger's ---

class LargeBodies : public HostilePort {
 protected:
  // Of a request that writes a document, with a body of `length` or, if that is empty, in chunks.
  std::string Head(const std::string& token, const std::string& length) const {
    return "POST /coterie.v1.DocumentService/WriteDocument HTTP/1.1\r\nHost: 127.0.0.1\r\n"
           "Content-Type: application/json\r\nAuthorization: Bearer " +
           token + "\r\n" +
           (length.empty() ? "Transfer-Encoding: chunked" : "Content-Length: " + length) +
           "\r\n\r\n";
  }
  // As large as a request may be. Whoever has a place is waited for.
  RawClient Begin(const std::string& local_address = "127.0.0.1") {
    RawClient client(io_, port_, local_address);
    EXPECT_TRUE(client.Send(Head(ana_.token, "8000000")));
    return client;
  }
  double InMemory() { return Metric("coterie_http_body_bytes"); }
  static constexpr double kBody = 8'000'000;
};

TEST_F(LargeBodies, WhoseTokenIsNoneIsAnsweredBeforeTheBody) {
  const std::string expired = ana_.token.substr(0, ana_.token.size() - 4) + "AAAA";
  for (const std::string& token : {std::string("x"), expired}) {
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Head(token, "4000000")));
    EXPECT_EQ(client.Next().substr(0, 12), "HTTP/1.1 401") << token;
    RawClient chunked = Connect();
    ASSERT_TRUE(chunked.Send(Head(token, "")));
    EXPECT_EQ(chunked.Next().substr(0, 12), "HTTP/1.1 401") << token;
  }
  EXPECT_EQ(InMemory(), 0);
}

// Who is refused while it sends gets to read why.
TEST_F(LargeBodies, WhoIsRefusedIsListenedToForAWhile) {
  RawClient client = Connect();
  ASSERT_TRUE(client.Send(Head("x", "4000000")));
  ASSERT_TRUE(client.Send(std::string(4'000'000, 'x'))) << client.error.message();
  const std::string answer = client.Rest();
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 401");
  EXPECT_EQ(client.error, asio::error::eof) << client.error.message();
}

TEST_F(LargeBodies, OneAddressCannotTakeTheMemoryForAllOfThem) {
  const auto places = static_cast<int>(kBodyBytesEachMax / kBody);
  std::vector<RawClient> slow;
  for (int i = 0; i < places; ++i) slow.push_back(Begin());
  ASSERT_TRUE(Becomes([&] { return InMemory() == places * kBody; })) << InMemory();

  const std::string refused = Begin().Next();
  EXPECT_EQ(refused.substr(0, 12), "HTTP/1.1 429") << refused;
  EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), std::string::npos) << refused;
  EXPECT_EQ(Begin("127.0.0.2").Next().substr(0, 12), "HTTP/1.1 429") << "it is the same user";
  rpc::TestingClient ben(*holder_.node, "ben");
  RawClient elsewhere(io_, port_, "127.0.0.2");
  ASSERT_TRUE(elsewhere.Send(Head(ben.token, "8000000")));
  EXPECT_TRUE(Becomes([&] { return InMemory() == (places + 1) * kBody; })) << InMemory();
  RawClient small = Connect();
  ASSERT_TRUE(small.Send(Head(ana_.token, "2") + "{}"));
  EXPECT_EQ(small.Next().substr(0, 12), "HTTP/1.1 400") << "small ones need no place";

  ASSERT_TRUE(slow.front().Send(std::string(8'000'000, ' ')));
  EXPECT_NE(slow.front().Next().find("and may have"), std::string::npos) << "the policy's answer";
  slow.pop_back();
  EXPECT_TRUE(Becomes([&] { return InMemory() == (places - 1) * kBody; })) << InMemory();
}

// The connection goes on, and holds nothing of what was refused.
TEST_F(LargeBodies, OneThatIsRefusedWhenItIsReadIsForgotten) {
  RawClient client = Connect();
  const std::string body(127 << 10, 'x');
  ASSERT_TRUE(client.Send(
      "POST /coterie.v1.AssistService/Ask HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      "Content-Type: text/plain\r\nAuthorization: Bearer " +
      ana_.token + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body));
  EXPECT_EQ(client.Next().substr(0, 12), "HTTP/1.1 415");
  EXPECT_TRUE(Becomes([&] { return InMemory() == 0; })) << InMemory();
  ASSERT_TRUE(client.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  EXPECT_EQ(client.Next().substr(0, 12), "HTTP/1.1 200");
}

// --- Passwords ---

TEST_F(HostilePort, AStrangerWhoTriesPasswordsTakesNobodysTurn) {
  const auto login = [&](const std::string& address, const std::string& user) {
    const std::string body = R"({"user":")" + user + R"(","password":"a password of some length"})";
    RawClient client(io_, port_, address);
    EXPECT_TRUE(
        client.Send("POST /coterie.v1.AuthService/Login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Content-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body));
    return client;
  };
  constexpr std::size_t kDoneMeanwhile = 30;
  constexpr std::size_t kTries =
      rpc::kPasswordTurns.waiting_per_user_max + rpc::kPasswordTurns.threads + kDoneMeanwhile;
  std::vector<RawClient> stranger;
  for (std::size_t i = 0; i < kTries; ++i) {
    stranger.push_back(login("127.0.0.1", "guess" + std::to_string(i)));
  }
  EXPECT_EQ(stranger.back().Next().substr(0, 12), "HTTP/1.1 429");

  EXPECT_EQ(login("127.0.0.2", "eve").Next().substr(0, 12), "HTTP/1.1 200");
}

// --- Behind a reverse proxy ---

class ProxiedPort : public HostilePort {
 protected:
  ProxiedPort() : HostilePort({.sockets_per_address_max = 2, .trusted_proxies = {"127.0.0.1"}}) {}
  // The connection stays open. What it is answered, without the body.
  std::string Get(RawClient& client, const std::string& forwarded) {
    client.Send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: " + forwarded +
                "\r\n\r\n");
    return client.Next().substr(0, 12);
  }
  static constexpr char kOk[] = "HTTP/1.1 200";
  static constexpr char kTooMany[] = "HTTP/1.1 429";
};

TEST_F(ProxiedPort, WhoVisitsIsCountedAndNotTheProxy) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(Connect());
  EXPECT_EQ(Get(clients[0], "1.1.1.1"), kOk);
  EXPECT_EQ(Get(clients[1], "9.9.9.9, 1.1.1.1"), kOk);
  EXPECT_EQ(Get(clients[2], "8.8.8.8, 1.1.1.1"), kTooMany);
  EXPECT_EQ(Get(clients[3], "2.2.2.2"), kOk);

  // The proxy's connection is of another visitor now.
  EXPECT_EQ(Get(clients[0], "2.2.2.2"), kOk);
  EXPECT_EQ(Get(clients[4], "1.1.1.1"), kOk);
  EXPECT_EQ(Get(clients[5], "2.2.2.2"), kTooMany);
}

TEST_F(ProxiedPort, WhoIsNoProxyIsNotBelieved) {
  RawClient first(io_, port_, "127.0.0.2");
  RawClient second(io_, port_, "127.0.0.2");
  RawClient third(io_, port_, "127.0.0.2");
  EXPECT_EQ(Get(first, "1.1.1.1"), kOk);
  EXPECT_EQ(Get(second, "2.2.2.2"), kOk);
  EXPECT_EQ(Get(third, "3.3.3.3"), "") << "refused without a word, as ever";
}

// --- Editors ---

std::string TokenFrame(const std::string& key, const std::string& token) {
  crdt::Lib0Writer writer(yproto::EncodeKey(key));
  writer.VarUint(2);
  writer.VarUint(0);
  writer.VarBytes(token);
  return writer.Take();
}

// What is sent back repeats the key before every message.
TEST_F(HostilePort, AKeyThatIsNoNameIsRefused) {
  const auto editor = Open("/hocuspocus?create=1");
  editor->Send(TokenFrame(std::string("doc\0", 4) + std::string(60'000, 's'), ana_.token));
  EXPECT_EQ(editor->CloseCode(), 4400);
}

TEST_F(HostilePort, AFrameOfTooManyMessagesIsRefusedAndNotCut) {
  const auto editor = OpenYjs("many", ana_.token);
  std::string frame;
  for (int i = 0; i < 65; ++i) frame += Ask();
  editor->Send(frame);
  EXPECT_EQ(editor->CloseCode(), 4400);
}

TEST_F(HostilePort, ASocketHasSoManyDocumentsOpenAtMost) {
  const auto editor = Open("/hocuspocus?create=1");
  const auto key = [](std::size_t i) { return yproto::EncodeKey(absl::StrCat("doc", i)); };
  const auto open = [&](std::size_t i) {
    editor->Send(TokenFrame(absl::StrCat("doc", i), ana_.token));
  };
  const std::string may_write = yproto::EncodeAuthenticated(yproto::Scope::kReadWrite);
  for (std::size_t i = 0; i < kDocumentsPerSocketMax; ++i) open(i);
  for (std::size_t opened = 0; opened < kDocumentsPerSocketMax;) {
    const std::string told = editor->Next();
    ASSERT_FALSE(told.empty()) << opened;
    if (told.ends_with(may_write)) ++opened;
  }
  open(kDocumentsPerSocketMax);
  const std::string denied = yproto::EncodeDenied(
      "this socket has 64 documents open, the most; close some, or open another socket");
  EXPECT_TRUE(editor->Await(key(kDocumentsPerSocketMax) + denied));
  editor->Send(key(0) + yproto::EncodeDetached("closed"));
  open(kDocumentsPerSocketMax);
  EXPECT_TRUE(editor->Await(key(kDocumentsPerSocketMax) + may_write));
}

// Each is read and answered, so that small ones are not for nothing either.
TEST_F(HostilePort, MessagesAreReadNoFasterThanTheyMayCome) {
  constexpr int kBeyond = 1'000;
  constexpr int kPings = static_cast<int>(kMessagesBurst) + kBeyond;
  const absl::Time begin = rpc::SteadyNow();
  RawClient client = Connect();
  ASSERT_TRUE(
      client.Send("GET /hocuspocus HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
  ASSERT_EQ(client.Next().substr(0, 12), "HTTP/1.1 101");
  std::string pings;  // Of Hocuspocus, each in a frame of its own.
  for (int i = 0; i < kPings; ++i) pings += FromHex("82 81 00 00 00 00 09");
  const std::string pong = FromHex("82 01 0a");

  ASSERT_TRUE(client.Send(pings)) << client.error.message();
  std::size_t answered = 0;
  while (answered < kPings * pong.size()) {
    const std::string next = client.Next();
    ASSERT_FALSE(next.empty()) << client.error.message();
    answered += next.size();
  }
  EXPECT_GE(rpc::SteadyNow() - begin, absl::Seconds(kBeyond / kMessagesPerSecond));
}

// Nobody's memory is for what one editor writes faster than it is committed.
TEST_F(HostilePort, WhoWritesWhileNothingIsCommittedIsNotReadOn) {
  constexpr std::size_t kPieceBytes = 256 << 10;
  constexpr std::size_t kPieces = 32;
  static_assert(kPieces * kPieceBytes > 3 * kUnsettledBytesMax);
  std::vector<std::string> pieces;
  for (std::size_t i = 0; i < kPieces; ++i) {
    crdt::Lib0Writer update(FromHex("01 01"));
    update.VarUint(1'000 + i);  // A text of a client of its own in the root "t".
    update.Raw(FromHex("00 04 01 01 74"));
    update.VarBytes(std::string(kPieceBytes, 'x'));
    update.U8(0);
    pieces.push_back(Update(update.view()));
  }
  const auto editor = OpenYjs("poured", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));
  const double before = Metric("coterie_gateway_received_bytes_total");
  const auto received = [&] { return Metric("coterie_gateway_received_bytes_total") - before; };
  const std::function<void(std::size_t)> pour_from = [&](std::size_t i) {
    if (i == kPieces) return;
    editor->socket().async_write(asio::buffer(pieces[i]),
                                 [&, i](boost::system::error_code error, std::size_t) {
                                   if (!error) pour_from(i + 1);
                                 });
  };
  {
    node::TestingStall stall(holder_.node->server().faces().calls.node());
    pour_from(0);
    EXPECT_TRUE(Becomes([&] { return received() > kUnsettledBytesMax; })) << received();
    constexpr double kMost = kUnsettledBytesMax + 2 * kPieceBytes;
    EXPECT_FALSE(Becomes([&] { return received() > kMost; }, absl::Seconds(1))) << received();
  }
  EXPECT_TRUE(Becomes([&] { return received() > kPieces * kPieceBytes; })) << received();
}

// Memory is for those who have logged in.
TEST_F(HostilePort, AStrangersMessageIsSmall) {
  const auto editor = Open("/hocuspocus?create=1");
  editor->Send(yproto::EncodeKey("doc") + Update(std::string(100'000, 'x')));
  const int code = editor->CloseCode();
  EXPECT_TRUE(code == 1009 || code == 0) << code;  // Who is still sending may miss the farewell.
  EXPECT_NE(editor->error, asio::error::timed_out);

  const auto friends = Open("/hocuspocus?create=1");
  friends->Send(TokenFrame("doc", ana_.token));
  const std::string key = yproto::EncodeKey("doc");
  ASSERT_TRUE(friends->Await(key + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));
  crdt::Lib0Writer update(FromHex("01 01 07 00 04 01 01 74"));
  update.VarBytes(std::string(100'000, 'x'));
  update.U8(0);
  friends->Send(key + Update(update.view()));
  EXPECT_TRUE(friends->Await(key + yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved)));
}

// Documents with one text each that is more than a message may be without a place of its own.
class LargeMessages : public HostilePort {
 protected:
  explicit LargeMessages(Options options = {}) : HostilePort(std::move(options)) {
    for (int i = 0; i <= static_cast<int>(kLargeMessagesMax); ++i) {
      editors_.push_back(OpenYjs(NameOf(i), ana_.token));
      editors_.back()->Send(Ask());
      EXPECT_TRUE(editors_.back()->Await(Nothing()));
    }
  }
  static std::string NameOf(int number) { return absl::StrCat("large", number); }
  static std::string MakeMessage() {
    crdt::Lib0Writer update(FromHex("01 01 07 00 04 01 01 74"));
    update.VarBytes(std::string(kTextBytes, 'x'));
    update.U8(0);
    return Update(update.view());
  }
  // Of the message: all but its last bytes, one of these, and the rest.
  void Begin(int number) { Write(number, message_.size() - kLastBytes); }
  void Drip(int number) { Write(number, 1); }
  void End(int number) { Write(number, message_.size()); }
  void Write(int number, std::size_t bytes_max) {
    const auto piece = asio::buffer(asio::buffer(message_) + sent_[number], bytes_max);
    sent_[number] += piece.size();
    const bool is_end = sent_[number] == message_.size();
    editors_[number]->error = Complete(io_, [&](auto handler) {
      editors_[number]->socket().async_write_some(is_end, piece, std::move(handler));
    });
    EXPECT_FALSE(editors_[number]->error) << editors_[number]->error.message();
  }
  bool IsSaved(int number) {
    v1::GetDocumentRequest get;
    get.mutable_document()->set_name(NameOf(number));
    get.set_without_text(true);
    const auto got = ana_.Call(&v1::DocumentService::Stub::GetDocument, get);
    return got.document().size_bytes() == kTextBytes;
  }
  double InMemory() { return Metric("coterie_gateway_large_messages"); }
  double Waited() { return Metric("coterie_gateway_large_messages_waited_total"); }

  static constexpr std::size_t kTextBytes = kMessageBytesMax + (64 << 10);
  static constexpr std::size_t kLastBytes = 1 << 10;
  const std::string message_ = MakeMessage();
  std::vector<std::unique_ptr<Editor>> editors_;
  std::size_t sent_[kLargeMessagesMax + 1] = {};  // Of each one's message, by Write().
};

TEST_F(LargeMessages, ThereAreEightInMemoryAndTheNinthWaits) {
  constexpr int kNinth = static_cast<int>(kLargeMessagesMax);
  for (int i = 0; i < kNinth; ++i) Begin(i);
  ASSERT_TRUE(Becomes([&] { return InMemory() == kNinth; }));
  EXPECT_EQ(Waited(), 0);

  // Not waited for: all of it need not fit between here and there.
  editors_[kNinth]->socket().async_write(asio::buffer(message_), [](auto&&...) {});
  ASSERT_TRUE(Becomes([&] { return Waited() == 1; }));
  const auto small = OpenYjs("small", ana_.token);
  small->Send(Update(kAbc));
  EXPECT_TRUE(small->Await(Update(kAbc))) << "small messages need no place";
  EXPECT_EQ(InMemory(), kNinth);
  EXPECT_FALSE(IsSaved(kNinth));

  End(0);
  EXPECT_TRUE(Becomes([&] { return IsSaved(0) && IsSaved(kNinth); }));
  EXPECT_TRUE(Becomes([&] { return InMemory() == kNinth - 1; }));
  editors_[1]->socket().next_layer().close();
  for (int i = 2; i < kNinth; ++i) End(i);
  EXPECT_TRUE(Becomes([&] { return InMemory() == 0; }));
  for (int i = 2; i < kNinth; ++i) EXPECT_TRUE(IsSaved(i)) << i;
  EXPECT_FALSE(IsSaved(1));
  EXPECT_EQ(Waited(), 1);
}

class ImpatientPort : public LargeMessages {
 protected:
  ImpatientPort() : LargeMessages({.silent_max = kSilent}) {}
  // More than it takes a busy machine to open all of them.
  static constexpr absl::Duration kSilent = absl::Seconds(6);
};

TEST_F(ImpatientPort, WhoIsNotListenedToIsNotBlamedForSilence) {
  constexpr int kNinth = static_cast<int>(kLargeMessagesMax);
  for (int i = 0; i < kNinth; ++i) Begin(i);
  ASSERT_TRUE(Becomes([&] { return InMemory() == kNinth; }));
  editors_[kNinth]->socket().async_write(asio::buffer(message_), [](auto&&...) {});
  ASSERT_TRUE(Becomes([&] { return Waited() == 1; }));

  const absl::Time end = absl::Now() + 2 * kSilent;
  while (absl::Now() < end) {
    for (int i = 0; i < kNinth; ++i) Drip(i);
    asio::steady_timer timer(io_, std::chrono::milliseconds(100));
    Complete(io_, [&](auto handler) { timer.async_wait(std::move(handler)); });
  }

  EXPECT_EQ(InMemory(), kNinth);
  EXPECT_FALSE(IsSaved(kNinth));
  End(0);
  EXPECT_TRUE(Becomes([&] { return IsSaved(0) && IsSaved(kNinth); }));
}

TEST_F(ImpatientPort, WhoIsListenedToAndSaysNothingIsDropped) {
  // Its pings are answered by who reads, and nobody does.
  const std::string sockets = "coterie_gateway_sockets{protocol=\"y-websocket\"}";
  EXPECT_TRUE(Becomes([&] { return Metric(sockets) == 0; }));
}

class ImpatientForLargeMessages : public LargeMessages {
 protected:
  ImpatientForLargeMessages() : LargeMessages({.large_message_max = kTime}) {}
  static constexpr absl::Duration kTime = absl::Seconds(1);
};

TEST_F(ImpatientForLargeMessages, WhoDoesNotComeToItsEndGivesItsPlaceBack) {
  const absl::Time begin = rpc::SteadyNow();
  Begin(0);
  EXPECT_EQ(editors_[0]->CloseCode(), 1013);
  EXPECT_GE(rpc::SteadyNow() - begin, kTime);
  EXPECT_TRUE(Becomes([&] { return InMemory() == 0; }));
}

// An answer may cost a thousand times what its question does.
TEST_F(HostilePort, WhoAsksForEverythingAgainAndAgainIsAnsweredNoFasterThanItMakesSense) {
  const auto editor = OpenYjs("asked", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));
  std::string frame;
  for (int i = 0; i < 50; ++i) frame += Ask();
  for (int i = 0; i < 10; ++i) editor->Send(frame);
  editor->Send(Update(kAbc));
  ASSERT_TRUE(editor->Await(Update(kAbc)));
  EXPECT_LT(Metric("coterie_gateway_syncs_total"), 20);
  // The last question is answered all the same.
  crdt::Lib0Writer known(FromHex("01 01 03"));
  editor->Send(Ask(known.view()));
  EXPECT_TRUE(editor->Await(Nothing()));
}

// As with state vectors: all of it may be megabytes. And so nobody else waits behind the answers.
TEST_F(HostilePort, WhoAsksWhoIsHereAgainAndAgainIsAnsweredNoFasterThanItMakesSense) {
  const std::string answers = "coterie_gateway_awareness_answers_total";
  const auto honest = OpenYjs("here", ana_.token);
  honest->Send(yproto::EncodeAwareness(FromHex("01 09 01 02 7b7d")));  // Client 9, clock 1, {}.
  const auto greedy = OpenYjs("here", ana_.token);
  greedy->Send(Ask());
  ASSERT_TRUE(greedy->Await(Nothing()));
  const double before = Metric(answers);
  std::string frame;
  for (int i = 0; i < 64; ++i) frame += FromHex("03");
  for (int i = 0; i < 50; ++i) greedy->Send(frame);

  honest->Send(Update(kAbc));
  EXPECT_TRUE(honest->Await(Update(kAbc)));
  EXPECT_TRUE(greedy->Await(Update(kAbc)));
  EXPECT_LT(Metric(answers), before + 20) << "of 3 200";
  // The last question is answered all the same.
  const double asked = Metric(answers);
  greedy->Send(FromHex("03"));
  EXPECT_TRUE(Becomes([&] { return Metric(answers) > asked; }));
}

TEST_F(HostilePort, WhoOpensADocumentAgainAndAgainGetsItNoFasterThanWhoAsks) {
  const std::string openings = "coterie_gateway_openings_total";
  const auto greedy = Open("/hocuspocus?create=1");
  const std::string told =
      yproto::EncodeKey("doc") + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite);
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 100; ++i) greedy->Send(TokenFrame("doc", ana_.token));
  // The first comes at once, and the first of those that come again.
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(greedy->Await(told)) << i;
  EXPECT_GE(absl::Now() - begin, 2 * kAnswerEvery);
  const double opened = Metric(openings);
  EXPECT_LE(opened, 2 + (absl::Now() - begin) / kAnswerEvery);

  // Different ones are no repetition.
  const auto last =
      yproto::EncodeKey("doc39") + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite);
  const auto open_all = [&] {
    const auto honest = Open("/hocuspocus?create=1");
    for (int i = 0; i < 40; ++i) honest->Send(TokenFrame(absl::StrCat("doc", i), ana_.token));
    EXPECT_TRUE(honest->Await(last));
  };
  open_all();  // They are made.
  const absl::Time opening = absl::Now();
  open_all();
  EXPECT_LT(absl::Now() - opening, 35 * kAnswerEvery);
}

// --- Backups ---

class BackupPort : public HostilePort {
 protected:
  explicit BackupPort(absl::Duration stalled_max) : HostilePort({.stalled_max = stalled_max}) {
    Prng prng(7);
    const std::uint64_t doc = ana_.Create("notes");
    for (int i = 0; i < 160; ++i) {  // Nothing that can be compressed; no kernel buffers so much.
      std::string text(100'000, ' ');
      for (char& letter : text) letter = static_cast<char>('!' + prng.Below(90));
      ana_.Append(doc, text);
      CHECK(ana_.status.ok());
    }
  }
  RawClient Begin() {
    RawClient client = Connect();
    EXPECT_TRUE(
        client.Send("POST /coterie.v1.BackupService/TakeBackup HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Content-Type: application/connect+proto\r\nAuthorization: Bearer " +
                    ana_.token + "\r\nContent-Length: 5\r\n\r\n" + std::string(5, '\0')));
    return client;
  }
  std::size_t Copies() const {
    const std::filesystem::path folder = holder_.node->folder() + "/state/outgoing";
    if (!std::filesystem::exists(folder)) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }
};

class StalledPort : public BackupPort {
 protected:
  StalledPort() : BackupPort(absl::Seconds(10)) {}
};

TEST_F(StalledPort, WhoTakesNothingOfABackupIsCutOffAndHoldsNeitherPlaceNorCopy) {
  std::vector<RawClient> stalled;
  for (int i = 0; i < rpc::Backups::kAtOnceMax; ++i) {
    stalled.push_back(Begin());
    EXPECT_EQ(stalled.back().Next().substr(0, 12), "HTTP/1.1 200");
    ASSERT_TRUE(Becomes([&] { return Copies() == stalled.size(); }));
  }
  EXPECT_NE(Begin().Rest().find("resource_exhausted"), std::string::npos);

  EXPECT_TRUE(Becomes([&] { return Copies() == 0; }, absl::Seconds(60))) << Copies();
  const std::string whole = Begin().Rest();
  EXPECT_GT(whole.size(), 16'000'000u);
  EXPECT_TRUE(whole.ends_with("{}\r\n0\r\n\r\n")) << "the stream's end";
  for (RawClient& client : stalled) {
    const std::string cut = client.Rest();
    EXPECT_LT(cut.size(), whole.size());
    EXPECT_FALSE(cut.ends_with("0\r\n\r\n"));
  }
}

// What ends that copy is not that nobody takes of it.
class PatientPort : public BackupPort {
 protected:
  PatientPort() : BackupPort(2 * absl::FromChrono(kPatience)) {}
};

TEST_F(PatientPort, WhoHasGoneHoldsNoCopyOfABackup) {
  {
    RawClient client = Begin();
    EXPECT_EQ(client.Next().substr(0, 12), "HTTP/1.1 200");
    ASSERT_TRUE(Becomes([&] { return Copies() == 1; }));
  }
  EXPECT_TRUE(Becomes([&] { return Copies() == 0; })) << Copies();
}

// --- The node's end ---

TEST_F(HostilePort, StoppingWaitsForNobodyWhoHasGone) {
  const auto editor = OpenYjs("stop", ana_.token);
  editor->Send(Ask());
  ASSERT_TRUE(editor->Await(Nothing()));
  editor->Send(Update(kAbc));
  ASSERT_TRUE(editor->Await(Update(kAbc)));

  const absl::Time begin = absl::Now();
  std::jthread stopping([this] { holder_.gateway->Stop(absl::Now() + absl::Seconds(10)); });
  EXPECT_EQ(editor->CloseCode(), 1012);
  stopping.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

// For AddressSanitizer: proposals are under way, their answers come when no shard runs any more,
// and each shard holds what belongs to the other.
TEST_F(HostilePort, StoppingInTheMiddleOfWritesEndsWithoutHarm) {
  std::vector<std::unique_ptr<Editor>> editors;
  for (int i = 0; i < 8; ++i) {
    editors.push_back(OpenYjs(absl::StrCat("busy", i), ana_.token));
    editors.back()->Send(Ask());
    ASSERT_TRUE(editors.back()->Await(Nothing()));
  }
  const std::string text(700'000, 'x');
  for (std::uint64_t i = 0; i < 4; ++i) {
    for (const auto& editor : editors) {
      crdt::Lib0Writer update(FromHex("01 01 07"));  // A text of client 7 in the root "t".
      update.VarUint(i * text.size());
      update.Raw(i == 0 ? FromHex("04 01 01 74") : FromHex("84 07"));
      if (i > 0) update.VarUint(i * text.size() - 1);
      update.VarBytes(text);
      update.U8(0);
      editor->Send(Update(update.view()));
    }
  }
  EXPECT_FALSE(editors.front()->error);
}

// --- Rights ---

class OpenSockets : public HostilePort {
 protected:
  // A session as AuthService makes it, but of another lifetime.
  std::string Login(const std::string& user, absl::Duration lifetime) {
    const std::string secret = rpc::NewSecret();
    std::optional<SessionId> session;
    holder_.node->server().faces().calls.Propose(
        {.caller = {}, .deadline = absl::Now() + absl::Seconds(10), .authorization = {}}, {},
        state::Login{
            .user = user,
            .verified_hash = {},
            .create_user = true,
            .token_hash = rpc::HashSecret(secret),
            .lifetime_ms = static_cast<std::uint64_t>(absl::ToInt64Milliseconds(lifetime))},
        [this, &session](const absl::StatusOr<state::Outcome>& outcome) {
          asio::post(io_, [&session, id = outcome.ok() ? outcome->session : SessionId()] {
            session = id;
          });
        });
    EXPECT_TRUE(Becomes([&] { return session.has_value(); }));
    return rpc::FormatToken({.session = session.value_or(SessionId()), .secret = secret});
  }
  void Share(const std::string& user, v1::Role role) {
    v1::ShareDocumentRequest request;
    request.mutable_document()->set_name("shared");
    request.mutable_grant()->set_user(user);
    request.mutable_grant()->set_role(role);
    ana_.Call(&v1::DocumentService::Stub::ShareDocument, request);
    EXPECT_TRUE(ana_.status.ok()) << ana_.status.error_message();
  }
  std::unique_ptr<Editor> Synced(const std::string& token) {
    auto editor = Open("/yjs/shared?token=" + token);
    editor->Send(Ask());
    EXPECT_TRUE(editor->Await(Nothing()));
    return editor;
  }
  // Between what ends a right and the end of the socket, on a machine that is busy for a moment:
  // less than it takes a lease to end by itself.
  static constexpr absl::Duration kSoon = absl::Seconds(5);
};

TEST_F(OpenSockets, AnExpiredTokenEndsThemSoon) {
  ana_.Create("shared");
  const std::string token = Login("tom", absl::Seconds(3));
  const absl::Time expiry = absl::Now() + absl::Seconds(3);
  Share("tom", v1::ROLE_EDITOR);
  const auto editor = Synced(token);

  EXPECT_EQ(editor->CloseCode(), 4401);
  EXPECT_GT(absl::Now(), expiry - absl::Seconds(1));
  EXPECT_LT(absl::Now(), expiry + kSoon);
  const auto again = Open("/yjs/shared?token=" + token);
  EXPECT_EQ(again->CloseCode(), 4401);
}

TEST_F(OpenSockets, ALogoutEndsThemAtOnce) {
  ana_.Create("shared");
  rpc::TestingClient tom(*holder_.node, "tom");
  Share("tom", v1::ROLE_EDITOR);
  const auto editor = Synced(tom.token);
  const auto hocuspocus = Open("/hocuspocus");
  hocuspocus->Send(TokenFrame("shared", tom.token));
  const std::string key = yproto::EncodeKey("shared");
  ASSERT_TRUE(hocuspocus->Await(key + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));

  const absl::Time begin = absl::Now();
  tom.Call(&v1::AuthService::Stub::Logout, v1::LogoutRequest());

  EXPECT_EQ(editor->CloseCode(), 4401);
  EXPECT_TRUE(hocuspocus->Await(key + yproto::EncodeDenied("the session is over: log in again")));
  EXPECT_LT(absl::Now() - begin, kSoon);
  // What comes from it now is nobody's.
  hocuspocus->Send(key + Update(kAbc));
  hocuspocus->Send(FromHex("09"));
  ASSERT_TRUE(hocuspocus->Await(FromHex("0a")));
  EXPECT_EQ(Synced(ana_.token)->error, boost::system::error_code());
}

TEST_F(OpenSockets, ARemovedUserIsGoneFromThem) {
  ana_.Create("shared");
  rpc::TestingClient tom(*holder_.node, "tom");
  Share("tom", v1::ROLE_EDITOR);
  const auto editor = Synced(tom.token);

  const absl::Time begin = absl::Now();
  v1::RemoveUserRequest request;
  request.set_name("tom");
  ana_.Call(&v1::AuthService::Stub::RemoveUser, request);
  ASSERT_TRUE(ana_.status.ok()) << ana_.status.error_message();

  EXPECT_EQ(editor->CloseCode(), 4401);
  EXPECT_LT(absl::Now() - begin, kSoon);
}

TEST_F(OpenSockets, WhoIsDemotedWritesNothingMore) {
  ana_.Create("shared");
  rpc::TestingClient tom(*holder_.node, "tom");
  Share("tom", v1::ROLE_EDITOR);
  const auto editor = Synced(tom.token);
  editor->Send(Update(kAbc));
  ASSERT_TRUE(editor->Await(Update(kAbc)));

  Share("tom", v1::ROLE_VIEWER);
  // Structs of client 1 from clock 3: "d" behind "abc".
  editor->Send(Update(FromHex("01 01 01 03 84 01 02 01 64 00")));

  std::string told;
  while (told.find("you may only read this document") == std::string::npos) {
    told = editor->Next();
    ASSERT_FALSE(told.empty());
  }
  v1::GetDocumentRequest get;
  get.mutable_document()->set_name("shared");
  EXPECT_EQ(ana_.Call(&v1::DocumentService::Stub::GetDocument, get).text(), "abc");

  Share("tom", v1::ROLE_NONE);
  EXPECT_EQ(editor->CloseCode(), 4403);
}

}  // namespace
}  // namespace coterie::gateway
