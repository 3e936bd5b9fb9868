// The whole port against one real node, with a client of Beast's.

#include "gateway/gateway.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/check.h"
#include "crdt/lib0.h"
#include "crdt/state_vector.h"
#include "crdt/update_view.h"
#include "gateway/connect_codec.h"
#include "rpc/policy.h"
#include "rpc/testing_llm.h"
#include "rpc/testing_node.h"
#include "state/command.h"
#include "yproto/frame.h"
#include "yproto/hocuspocus.h"
#include "yproto/test_hex.h"

namespace coterie::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using yproto::FromHex;

const std::string kAbc = FromHex("01010100040101740361626300");
const std::string kEmptyVector = FromHex("00");

using Headers = std::map<std::string, std::string>;

// A node with its gateway; the gateway object goes last.
class Fixture : public testing::Test {
 protected:
  explicit Fixture(Options options = {}, const std::vector<std::string>& llm_addresses = {})
      : holder_(std::make_unique<rpc::TestingNode>(rpc::Users::kMadeAtLogin, llm_addresses)) {
    options.listen = "127.0.0.1:0";
    absl::StatusOr<std::unique_ptr<Gateway>> started =
        Gateway::Start(holder_.node->server().faces(), options);
    CHECK(started.ok());
    holder_.gateway = *std::move(started);
    port_ = holder_.gateway->port();
  }

  struct Answer {
    int status = 0;
    std::string body;
    http::fields fields;
    std::string Field(const std::string& name) const {
      const auto value = fields[name];
      return {value.data(), value.size()};
    }
  };
  Answer Ask(http::verb method, const std::string& target, const std::string& body = {},
             const Headers& headers = {}) {
    beast::tcp_stream stream = Connect();
    http::request<http::string_body> request(method, target, 11, body);
    request.set(http::field::host, absl::StrCat("127.0.0.1:", port_));
    for (const auto& [name, value] : headers) request.set(name, value);
    request.prepare_payload();
    error_code error;
    http::write(stream, request, error);
    http::response<http::string_body> response;
    beast::flat_buffer buffer;
    http::read(stream, buffer, response, error);
    EXPECT_FALSE(error) << error.message();
    return {static_cast<int>(response.result_int()), response.body(), response.base()};
  }
  Answer Call(const std::string& method, const std::string& json, const std::string& token = {}) {
    Headers headers = {{"Content-Type", "application/json"}};
    if (!token.empty()) headers["Authorization"] = "Bearer " + token;
    return Ask(http::verb::post, "/coterie.v1." + method, json, headers);
  }

  beast::tcp_stream Connect() {
    beast::tcp_stream stream(io_);
    error_code error;
    stream.socket().connect({asio::ip::make_address_v4("127.0.0.1"), Port()}, error);
    EXPECT_FALSE(error);
    return stream;
  }
  template <class Condition>
  bool Becomes(Condition is_true) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (!is_true()) {
      if (absl::Now() > end) return false;
      asio::steady_timer(io_, std::chrono::milliseconds(20)).wait();
    }
    return true;
  }
  asio::ip::port_type Port() const { return static_cast<asio::ip::port_type>(port_); }

  // In this order: the gateway is stopped before the server is and destroyed when the node is gone.
  struct Holder {
    std::unique_ptr<Gateway> gateway;
    std::unique_ptr<rpc::TestingNode> node;
    explicit Holder(std::unique_ptr<rpc::TestingNode> testing) : node(std::move(testing)) {}
    ~Holder() {
      if (gateway != nullptr) gateway->Stop(absl::Now());
      node.reset();
    }
  };
  Holder holder_;
  rpc::TestingClient ana_{*holder_.node, "ana"};
  asio::io_context io_;
  int port_ = 0;
};

// One WebSocket of a test.
class Editor {
 public:
  Editor(beast::tcp_stream stream, const std::string& host, const std::string& target)
      : socket_(std::move(stream)) {
    socket_.binary(true);
    socket_.handshake(host, target, error);
  }
  void Send(const std::string& bytes) { socket_.write(asio::buffer(bytes), error); }
  // Empty when the socket has ended.
  std::string Next() {
    beast::flat_buffer buffer;
    socket_.read(buffer, error);
    return error ? std::string() : beast::buffers_to_string(buffer.data());
  }
  // Skips what is not asked for.
  bool Await(const std::string& bytes) {
    for (int i = 0; i < 20; ++i) {
      const std::string next = Next();
      if (next == bytes) return true;
      if (next.empty()) return false;
    }
    return false;
  }
  int close_code() const { return socket_.reason().code; }
  beast::websocket::stream<beast::tcp_stream>& socket() { return socket_; }

  error_code error;

 private:
  beast::websocket::stream<beast::tcp_stream> socket_;
};

class Port : public Fixture {
 protected:
  std::unique_ptr<Editor> Open(const std::string& target) {
    return std::make_unique<Editor>(Connect(), absl::StrCat("127.0.0.1:", port_), target);
  }
  std::string YjsTarget(const std::string& name) {
    return "/yjs/" + name + "?create=1&token=" + ana_.token;
  }
  std::string Ask(const std::string& known) {
    return yproto::EncodeSync(yproto::SyncStep::kAsk, known);
  }
  using Fixture::Ask;
};

TEST_F(Port, HealthIsForAnyoneAndMetricsAreNot) {
  EXPECT_EQ(Ask(http::verb::get, "/healthz").status, 200);
  // It leads again soon if the disk was too slow for it.
  EXPECT_TRUE(Becomes([&] { return Ask(http::verb::get, "/readyz").status == 200; }));
  EXPECT_EQ(Ask(http::verb::get, "/metrics").status, 401);

  Answer metrics;
  EXPECT_TRUE(Becomes([&] {
    metrics = Ask(http::verb::get, "/metrics", {}, {{"Authorization", "Bearer " + ana_.token}});
    return metrics.body.find("\ncoterie_raft_is_leader 1\n") != std::string::npos;
  })) << metrics.body;
  EXPECT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.body.find("coterie_gateway_commit_seconds_bucket{le=\"+Inf\"} 0\n"),
            std::string::npos);
  EXPECT_NE(metrics.body.find("\ncoterie_raft_elections_won_total "), std::string::npos);
  EXPECT_EQ(metrics.body.find("\ncoterie_raft_elections_won_total 0\n"), std::string::npos);
  EXPECT_NE(
      metrics.body.find("coterie_rpc_seconds_bucket{method=\"AuthService.Login\",le=\"+Inf\"} 1\n"),
      std::string::npos);
  EXPECT_NE(metrics.body.find("coterie_rpc_errors_total{method=\"AuthService.Login\"} 0\n"),
            std::string::npos);
  EXPECT_EQ(Call("AuthService/Login", "{}").status, 400);
  const std::string own = absl::StrCat("http://127.0.0.1:", port_);
  const Answer again = Ask(http::verb::get, "/metrics", {},
                           {{"Authorization", "Bearer " + ana_.token}, {"Origin", own}});
  EXPECT_NE(again.body.find("coterie_rpc_errors_total{method=\"AuthService.Login\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(again.Field("Access-Control-Allow-Origin"), own);
}

TEST_F(Port, TheApiSpeaksJson) {
  const Answer login = Call("AuthService/Login", R"({"user":"tom"})");
  ASSERT_EQ(login.status, 200) << login.body;
  EXPECT_NE(login.body.find("\"token\":\""), std::string::npos);

  EXPECT_EQ(Call("DocumentService/CreateDocument", R"({"name":"n"})", ana_.token).status, 200);
  const Answer list = Call("DocumentService/ListDocuments", "{}", ana_.token);
  EXPECT_NE(list.body.find("\"name\":\"n\""), std::string::npos) << list.body;

  const std::string edit = R"x({"document":{"name":"n"},"delta":)x"
                           R"x("[{\"insert\":\"hi\",\"attributes\":{\"bold\":true}}]"})x";
  EXPECT_EQ(Call("DocumentService/EditDocument", edit, ana_.token).status, 200);
  const Answer read =
      Call("DocumentService/GetDocument", R"({"document":{"name":"n"}})", ana_.token);
  EXPECT_NE(read.body.find("\"text\":\"hi\""), std::string::npos) << read.body;
}

TEST_F(Port, TheApiRefusesAsOverGrpc) {
  const Answer nobody = Call("DocumentService/ListDocuments", "{}");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_NE(nobody.body.find("\"code\":\"unauthenticated\""), std::string::npos);
  const Answer missing =
      Call("DocumentService/GetDocument", R"({"document":{"name":"x"}})", ana_.token);
  EXPECT_EQ(missing.status, 404);
  rpc::TestingClient tom(*holder_.node, "tom");
  EXPECT_EQ(Call("AuthService/CreateUser", R"({"name":"eve"})", tom.token).status, 403);
  EXPECT_EQ(Call("DocumentService/ListDocuments", "{", ana_.token).status, 400);
  EXPECT_EQ(Call("DocumentService/Nothing", "{}", ana_.token).status, 501);
  EXPECT_EQ(Ask(http::verb::post, "/coterie.v1.AuthService/Login", "{}").status, 415);
  EXPECT_EQ(Ask(http::verb::get, "/coterie.v1.AuthService/WhoAmI").status, 405);
  const Answer stranger = Call("AuthService/WhoAmI", "{}");
  EXPECT_EQ(stranger.status, 401);
  EXPECT_EQ(stranger.Field("WWW-Authenticate"), "Bearer");
  const auto with = [&](const std::string& name, const std::string& value) {
    return Ask(http::verb::post, "/coterie.v1.AuthService/WhoAmI", "{}",
               {{"Content-Type", "application/json"},
                {"Authorization", "Bearer " + ana_.token},
                {name, value}})
        .status;
  };
  EXPECT_EQ(with("Connect-Protocol-Version", "1"), 200);
  EXPECT_EQ(with("Connect-Protocol-Version", "9"), 400);
  EXPECT_EQ(with("Connect-Timeout-Ms", "1000"), 200);
  EXPECT_EQ(with("Connect-Timeout-Ms", "soon"), 400);
  const std::string large = "{\"user\":\"" + std::string(100'000, 'x') + "\"}";
  EXPECT_EQ(Call("AuthService/Login", large).status, 413);
}

// An IPv6 address is in brackets, as in an address of the web.
TEST_F(Port, ListensAtAnAddressInBrackets) {
  for (const std::string listen : {"[::1]:0", "[::]:0"}) {
    const auto started = Gateway::Start(holder_.node->server().faces(), Options{.listen = listen});
    ASSERT_TRUE(started.ok()) << started.status();
    tcp::socket socket(io_);
    error_code error;
    socket.connect(
        {asio::ip::make_address_v6("::1"), static_cast<asio::ip::port_type>((*started)->port())},
        error);
    EXPECT_FALSE(error) << listen << ": " << error.message();
    (*started)->Stop(absl::Now());
  }
  const auto none = Gateway::Start(holder_.node->server().faces(), Options{.listen = "[::1:0"});
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("[::1:0"), std::string::npos) << none.status();
}

bool IsStream(std::string_view method) {
  const google::protobuf::MethodDescriptor* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(std::string(method));
  CHECK(descriptor != nullptr);
  return descriptor->server_streaming();
}

// Deny by default, over this face as well: whatever is in the policy table is served, and to nobody
// who is not logged in.
TEST_F(Port, EveryMethodIsServedAndNoneToStrangers) {
  for (const rpc::Policy& policy : rpc::Policies()) {
    if (IsStream(policy.method)) continue;
    std::string method(policy.method.substr(policy.method.find("v1.") + 3));
    method[method.find('.')] = '/';
    const bool is_open = policy.access == rpc::Access::kAnyone;
    EXPECT_EQ(Call(method, "{}").status == 401, !is_open) << method;
    EXPECT_NE(Call(method, "{}").status, 501) << method;
  }
}

// What streams in one direction; HTTP/1.1 cannot do both.
TEST_F(Port, EveryServerStreamIsServedAndNoneToStrangers) {
  for (const rpc::Policy& policy : rpc::Policies()) {
    if (!IsStream(policy.method) || policy.method.ends_with(".Attach")) continue;
    std::string method(policy.method.substr(policy.method.find("v1.") + 3));
    method[method.find('.')] = '/';
    const Answer answer =
        Ask(http::verb::post, "/coterie.v1." + method, std::string("\0\0\0\0\2{}", 7),
            {{"Content-Type", "application/connect+json"}});
    EXPECT_EQ(answer.status, 200) << method;
    EXPECT_NE(answer.body.find("\"code\":\"unauthenticated\""), std::string::npos)
        << method << answer.body;
  }
}

TEST_F(Port, AStreamBringsEvents) {
  beast::tcp_stream stream = Connect();
  http::request<http::string_body> request(http::verb::post, "/coterie.v1.EventService/Subscribe",
                                           11);
  request.body() = std::string("\0\0\0\0\2{}", 7);
  request.set(http::field::host, "127.0.0.1");
  request.set(http::field::content_type, "application/connect+json");
  request.set(http::field::authorization, "Bearer " + ana_.token);
  request.prepare_payload();
  error_code error;
  http::write(stream, request, error);
  ana_.Create("streamed");

  std::string bytes;
  char piece[4096];
  while (!error && bytes.find("streamed") == std::string::npos) {
    bytes.append(piece, stream.read_some(asio::buffer(piece), error));
  }
  EXPECT_TRUE(bytes.starts_with("HTTP/1.1 200 OK")) << bytes;
  EXPECT_NE(bytes.find("documentCreated"), std::string::npos);
}

TEST_F(Port, ForeignPagesMayNothing) {
  EXPECT_EQ(Ask(http::verb::get, "/healthz", {}, {{"Host", "evil.example"}}).status, 421);
  const Headers evil = {{"Origin", "http://evil.example"}};
  EXPECT_EQ(Ask(http::verb::options, "/coterie.v1.AuthService/Login", {}, evil).status, 403);
  const std::string own = absl::StrCat("http://127.0.0.1:", port_);
  const Answer preflight =
      Ask(http::verb::options, "/coterie.v1.AuthService/Login", {}, {{"Origin", own}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.Field("Access-Control-Allow-Origin"), own);
}

TEST_F(Port, AnUpdateReachesTheOtherWhenItIsCommitted) {
  const auto first = Open(YjsTarget("a%20b"));
  const auto second = Open(YjsTarget("a%20b"));
  first->Send(Ask(kEmptyVector));
  second->Send(Ask(kEmptyVector));
  const std::string nothing = yproto::EncodeSync(yproto::SyncStep::kAnswer, FromHex("0000"));
  ASSERT_TRUE(first->Await(nothing));
  ASSERT_TRUE(second->Await(nothing));

  first->Send(yproto::EncodeSync(yproto::SyncStep::kUpdate, kAbc));

  EXPECT_TRUE(second->Await(yproto::EncodeSync(yproto::SyncStep::kUpdate, kAbc)));
  EXPECT_TRUE(first->Await(yproto::EncodeSync(yproto::SyncStep::kUpdate, kAbc)));
  const auto late = Open(YjsTarget("a%20b"));
  late->Send(Ask(kEmptyVector));
  EXPECT_TRUE(late->Await(yproto::EncodeSync(yproto::SyncStep::kAnswer, FromHex("0000"))) ||
              late->Await(yproto::EncodeSync(yproto::SyncStep::kUpdate, kAbc)));
}

// The letter "x" behind the client's last one, in the root "t".
std::string Letter(std::uint64_t client, std::uint64_t clock) {
  crdt::Lib0Writer update;
  update.Raw(FromHex("01 01"));
  update.VarUint(client);
  update.VarUint(clock);
  if (clock == 0) {
    update.Raw(FromHex("04 01 01 74"));
  } else {
    update.U8(0x84);
    update.VarUint(client);
    update.VarUint(clock - 1);
  }
  update.Raw(FromHex("01 78 00"));
  return update.Take();
}

// What an editor has, of what it was sent one after the other.
void Learn(const std::string& frame, crdt::StateVector& known) {
  crdt::Lib0Reader reader(frame);
  yproto::Message message;
  crdt::UpdateView view;
  if (yproto::ReadMessage(reader, message)) return;
  const auto* sync = std::get_if<yproto::Sync>(&message);
  if (sync == nullptr || sync->step == yproto::SyncStep::kAsk) return;
  ASSERT_FALSE(crdt::UpdateView::Open(sync->payload, view));
  for (const crdt::UpdateView::Group& group : view.groups()) {
    ASSERT_LE(group.begin, known.At(group.client));
    known.Raise(group.client, group.gap);
  }
}

// More than the state remembers the requests of (state::kClientsPerSessionMax).
TEST_F(Port, OneSessionMayHaveManyEditors) {
  std::vector<std::unique_ptr<Editor>> editors;
  crdt::StateVector wanted;
  for (std::uint64_t i = 0; i < state::kClientsPerSessionMax + 4; ++i) {
    editors.push_back(Open(YjsTarget("many")));
    editors.back()->Send(Ask(kEmptyVector));
    wanted.Set(crdt::Client(100 + i), 2);
  }
  crdt::StateVector known;
  for (std::uint64_t clock = 0; clock < 2; ++clock) {
    for (std::size_t i = 0; i < editors.size(); ++i) {
      editors[i]->Send(yproto::EncodeSync(yproto::SyncStep::kUpdate, Letter(100 + i, clock)));
    }
    while (known.At(crdt::Client(100 + editors.size() - 1)) <= clock && !editors[0]->error) {
      Learn(editors[0]->Next(), known);
    }
  }

  while (!known.Covers(wanted) && !editors[0]->error) Learn(editors[0]->Next(), known);

  EXPECT_TRUE(known.Covers(wanted));
}

TEST_F(Port, ABurstArrivesWhole) {
  const auto writer = Open(YjsTarget("burst"));
  const auto reader = Open(YjsTarget("burst"));
  writer->Send(Ask(kEmptyVector));
  reader->Send(Ask(kEmptyVector));
  constexpr std::uint64_t kLetters = 2'000;
  crdt::StateVector wanted;
  wanted.Set(crdt::Client(7), kLetters);

  for (std::uint64_t i = 0; i < kLetters; ++i) {
    writer->Send(yproto::EncodeSync(yproto::SyncStep::kUpdate, Letter(7, i)));
  }

  crdt::StateVector known;
  while (!known.Covers(wanted) && !reader->error) Learn(reader->Next(), known);
  EXPECT_TRUE(known.Covers(wanted));
}

TEST_F(Port, HocuspocusIsToldWhatIsSaved) {
  const auto editor = Open("/hocuspocus?create=1");
  const std::string key = yproto::EncodeKey("doc");
  editor->Send(key + FromHex("02 00") + static_cast<char>(ana_.token.size()) + ana_.token);
  ASSERT_TRUE(editor->Await(key + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));

  editor->Send(key + yproto::EncodeSync(yproto::SyncStep::kUpdate, kAbc));

  EXPECT_TRUE(editor->Await(key + yproto::EncodeSyncStatus(yproto::SyncStatus::kSaved)));
  editor->Send(FromHex("09"));
  EXPECT_TRUE(editor->Await(FromHex("0a")));
}

TEST_F(Port, HocuspocusIsToldOfANewName) {
  const auto editor = Open("/hocuspocus?create=1");
  const std::string key = yproto::EncodeKey("doc");
  editor->Send(key + FromHex("02 00") + static_cast<char>(ana_.token.size()) + ana_.token);
  ASSERT_TRUE(editor->Await(key + yproto::EncodeAuthenticated(yproto::Scope::kReadWrite)));

  EXPECT_EQ(Call("DocumentService/RenameDocument",
                 R"({"document":{"name":"doc"},"newName":"a \"name\""})", ana_.token)
                .status,
            200);

  EXPECT_TRUE(editor->Await(key + yproto::EncodeStateless(R"({"name":"a \"name\""})")));
}

TEST_F(Port, WhoReadsNothingIsCutOffAndSlowsNobody) {
  const auto slow = Open(YjsTarget("slow"));
  const auto quick = Open(YjsTarget("slow"));
  slow->Send(Ask(kEmptyVector));
  quick->Send(Ask(kEmptyVector));
  ASSERT_TRUE(quick->Await(yproto::EncodeSync(yproto::SyncStep::kAnswer, FromHex("0000"))));

  // Structs of client 7, each a text of 512 KiB in the root "t"; kernels buffer some MiB.
  crdt::Lib0Writer head;
  const std::string text(512 << 10, 'x');
  for (std::uint64_t i = 0; i < 48; ++i) {
    crdt::Lib0Writer update;
    update.Raw(FromHex("01 01"));
    update.VarUint(7);
    update.VarUint(i * text.size());
    if (i == 0) {
      update.Raw(FromHex("04 01 01 74"));
    } else {
      update.U8(0x84);
      update.VarUint(7);
      update.VarUint(i * text.size() - 1);
    }
    update.VarBytes(text);
    update.U8(0);
    const std::string frame = yproto::EncodeSync(yproto::SyncStep::kUpdate, update.view());
    quick->Send(frame);
    ASSERT_TRUE(quick->Await(frame)) << i;
  }

  // It may read what was on its way, then it ends.
  while (!slow->error) slow->Next();
  const Answer metrics =
      Ask(http::verb::get, "/metrics", {}, {{"Authorization", "Bearer " + ana_.token}});
  EXPECT_NE(metrics.body.find("\ncoterie_gateway_sockets_slow_total 1\n"), std::string::npos);
}

TEST_F(Port, StoppingSendsEverybodyElsewhere) {
  const auto editor = Open(YjsTarget("stop"));
  editor->Send(Ask(kEmptyVector));
  ASSERT_TRUE(editor->Await(yproto::EncodeSync(yproto::SyncStep::kAnswer, FromHex("0000"))));

  std::jthread stopping([this] { holder_.gateway->Stop(absl::Now() + absl::Seconds(5)); });
  while (!editor->Next().empty()) continue;

  EXPECT_EQ(editor->close_code(), 1012);
}

// A method that answers with a stream, read to its end or given up.
class Assist : public Fixture {
 protected:
  explicit Assist(rpc::TestingLlm::Script script = {.pieces = {"It was ", "\xC3\xA9lan."}})
      : Assist(std::make_unique<rpc::TestingLlm>(std::move(script))) {}

  static std::string Enveloped(const std::string& data) {
    return std::string("\0\0\0\0", 4) + static_cast<char>(data.size()) + data;
  }
  void Send(beast::tcp_stream& stream, const std::string& method, const std::string& body,
            const std::string& coding) {
    http::request<http::string_body> request(http::verb::post,
                                             "/coterie.v1.AssistService/" + method, 11, body);
    request.set(http::field::host, "127.0.0.1");
    request.set(http::field::content_type, "application/connect+" + coding);
    request.set(http::field::authorization, "Bearer " + ana_.token);
    request.prepare_payload();
    error_code error;
    http::write(stream, request, error);
    EXPECT_FALSE(error) << error.message();
  }
  // The data of the envelopes, the last one being the end of the stream.
  std::vector<std::string> Stream(const std::string& method, const std::string& body,
                                  const std::string& coding) {
    beast::tcp_stream stream = Connect();
    Send(stream, method, body, coding);
    http::response<http::string_body> response;
    beast::flat_buffer buffer;
    error_code error;
    http::read(stream, buffer, response, error);
    EXPECT_FALSE(error) << error.message();
    EXPECT_EQ(response.result_int(), 200u);
    std::vector<std::string> data;
    for (std::string_view rest = response.body(); rest.size() >= 5;) {
      const std::size_t size =
          static_cast<unsigned char>(rest[3]) * 256u + static_cast<unsigned char>(rest[4]);
      EXPECT_EQ(rest[0] == 2, rest.size() == 5 + size);
      data.emplace_back(rest.substr(5, size));
      rest.remove_prefix(5 + size);
    }
    return data;
  }

  std::unique_ptr<rpc::TestingLlm> llm_;

 private:
  explicit Assist(std::unique_ptr<rpc::TestingLlm> llm)
      : Fixture({}, {llm->address()}), llm_(std::move(llm)) {}
};

TEST_F(Assist, AnAnswerStreamsAsJson) {
  const std::vector<std::string> told = Stream("Ask", Enveloped(R"({"question":"Who?"})"), "json");
  ASSERT_EQ(told.size(), 5u);
  EXPECT_NE(told[0].find(R"("started":{"model":"testing")"), std::string::npos) << told[0];
  EXPECT_EQ(told[1], R"({"text":"It was "})");
  EXPECT_EQ(told[2], "{\"text\":\"\xC3\xA9lan.\"}");
  EXPECT_NE(told[3].find(R"("finished":{)"), std::string::npos) << told[3];
  EXPECT_EQ(told[4], "{}");
}

TEST_F(Assist, AnAnswerStreamsAsBytes) {
  v1::AskRequest request;
  request.set_question("Who?");
  const std::vector<std::string> told =
      Stream("Ask", Enveloped(request.SerializeAsString()), "proto");
  ASSERT_EQ(told.size(), 5u);
  std::string text;
  for (std::size_t i = 0; i < 4; ++i) {
    v1::AssistEvent event;
    ASSERT_TRUE(event.ParseFromString(told[i])) << i;
    text += event.text();
  }
  EXPECT_EQ(text, "It was \xC3\xA9lan.");
}

TEST_F(Assist, ContinuesInTheDocumentWithACursor) {
  const std::uint64_t doc = ana_.Create("story");
  ana_.Append(doc, "Once. ");
  Editor editor(Connect(), absl::StrCat("127.0.0.1:", port_), "/yjs/story?token=" + ana_.token);
  editor.Send(yproto::EncodeSync(yproto::SyncStep::kAsk, kEmptyVector));

  const std::vector<std::string> told =
      Stream("Continue", Enveloped(R"({"document":{"name":"story"},"mode":"MODE_WRITE"})"), "json");

  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told.back(), "{}");
  v1::AssistEvent written;
  for (const std::string& data : told) {
    v1::AssistEvent event;
    ASSERT_TRUE(DecodeMessage(Coding::kJson, data == "{}" ? "{}" : data, event).ok()) << data;
    if (event.has_written()) written = event;
  }
  ASSERT_EQ(written.written().ranges_size(), 1);
  EXPECT_EQ(written.written().ranges(0).begin(), 6u);
  EXPECT_EQ(written.written().ranges(0).end(), 6u + 12u);
  EXPECT_NE(Call("DocumentService/GetDocument", R"({"document":{"name":"story"}})", ana_.token)
                .body.find("Once. It was \xC3\xA9lan."),
            std::string::npos);
  std::string heard;
  while (heard.find("AI for ana") == std::string::npos && !editor.error) heard += editor.Next();
  EXPECT_NE(heard.find("\"cursor\":{\"anchor\":{"), std::string::npos);

  // Taken back as one.
  const std::string edit =
      absl::StrCat(R"({"document":{"name":"story"},"baseRevision":")", written.written().revision(),
                   R"(","splices":[{"position":6,"deleted":12}]})");
  EXPECT_EQ(Call("DocumentService/EditDocument", edit, ana_.token).status, 200);
  EXPECT_NE(Call("DocumentService/GetDocument", R"({"document":{"name":"story"}})", ana_.token)
                .body.find("\"text\":\"Once. \""),
            std::string::npos);
}

TEST_F(Assist, AllSeeWhereTheModelIsAtWork) {
  const std::uint64_t doc = ana_.Create("story");
  ana_.Append(doc, "Once it were.");
  Editor editor(Connect(), absl::StrCat("127.0.0.1:", port_), "/yjs/story?token=" + ana_.token);
  editor.Send(yproto::EncodeSync(yproto::SyncStep::kAsk, kEmptyVector));

  ASSERT_EQ(Stream("Grammar", Enveloped(R"({"document":{"name":"story"}})"), "json").back(), "{}");

  // It comes, at the beginning of the passage, and goes with the task.
  std::string heard;
  while (heard.find("AI for ana") == std::string::npos && !editor.error) heard += editor.Next();
  EXPECT_NE(heard.find("\"cursor\":{\"anchor\":{"), std::string::npos);
  EXPECT_NE(heard.find("\"assistant\":true"), std::string::npos);
  while (heard.find("null", heard.find("AI for ana")) == std::string::npos && !editor.error) {
    heard += editor.Next();
  }
  EXPECT_FALSE(editor.error) << heard;
}

TEST_F(Assist, ErrorsAreTheEndOfTheStream) {
  const auto end_of = [this](const std::string& method, const std::string& body) {
    const std::vector<std::string> told = Stream(method, body, "json");
    EXPECT_EQ(told.size(), 1u);
    return told.empty() ? std::string() : told.back();
  };
  EXPECT_NE(end_of("Summarize", Enveloped(R"({"document":{"name":"none"}})")).find("not_found"),
            std::string::npos);
  EXPECT_NE(end_of("Ask", Enveloped("{}")).find("invalid_argument"), std::string::npos);
  EXPECT_NE(end_of("Ask", "no envelope").find("invalid_argument"), std::string::npos);
  EXPECT_NE(end_of("Ask", Enveloped("{")).find("invalid_argument"), std::string::npos);
  EXPECT_EQ(llm_->asked(), 0);
  ana_.token = "none";
  EXPECT_NE(end_of("Ask", Enveloped(R"({"question":"Who?"})")).find("unauthenticated"),
            std::string::npos);
  EXPECT_EQ(Call("AssistService/Ask", "{}").status, 415);
}

class EndlessAssist : public Assist {
 protected:
  EndlessAssist() : Assist({.pieces = {"and "}, .is_endless = true}) {}
  // Reads until the answer is under way.
  void Await(beast::tcp_stream& stream) {
    std::string bytes;
    char piece[4096];
    error_code error;
    while (!error && bytes.find("and ") == std::string::npos) {
      bytes.append(piece, stream.read_some(asio::buffer(piece), error));
    }
    EXPECT_FALSE(error) << error.message();
  }
};

TEST_F(EndlessAssist, AClientThatGoesStopsTheModel) {
  beast::tcp_stream stream = Connect();
  Send(stream, "Ask", Enveloped(R"({"question":"Who?"})"), "json");
  Await(stream);

  stream.close();

  EXPECT_TRUE(llm_->WaitUntilCancelled(1));
}

TEST_F(EndlessAssist, AnEndedSessionIsToldNothingMore) {
  beast::tcp_stream stream = Connect();
  Send(stream, "Ask", Enveloped(R"({"question":"Who?"})"), "json");
  Await(stream);

  EXPECT_EQ(Call("AuthService/Logout", "{}", ana_.token).status, 200);

  ASSERT_TRUE(llm_->WaitUntilCancelled(1));
  std::string bytes;
  char piece[4096];
  error_code error;
  while (!error) bytes.append(piece, stream.read_some(asio::buffer(piece), error));
  EXPECT_NE(bytes.find("\"code\":\"unauthenticated\""), std::string::npos);
}

// Rights and locks bind every step, and what is written before stays.
TEST_F(EndlessAssist, ALockEndsTheWriting) {
  const std::uint64_t doc = ana_.Create("story");
  rpc::TestingClient bob(*holder_.node, "bob");
  beast::tcp_stream stream = Connect();
  Send(stream, "Continue", Enveloped(R"({"document":{"name":"story"},"mode":"MODE_WRITE"})"),
       "json");
  std::string bytes;
  char piece[4096];
  error_code error;
  const auto read_until = [&](const std::string& wanted) {
    while (!error && bytes.find(wanted) == std::string::npos) {
      bytes.append(piece, stream.read_some(asio::buffer(piece), error));
    }
    EXPECT_NE(bytes.find(wanted), std::string::npos);
  };
  read_until("\"written\"");

  bob.LockIt(doc);

  read_until("\"error\"");
  read_until("is locked by bob");
  EXPECT_TRUE(llm_->WaitUntilCancelled(1));
  EXPECT_NE(Call("DocumentService/GetDocument", R"({"document":{"name":"story"}})", ana_.token)
                .body.find("\"text\":\"and "),
            std::string::npos);
}

TEST_F(EndlessAssist, ANodeThatStopsEndsItsAnswers) {
  beast::tcp_stream stream = Connect();
  Send(stream, "Ask", Enveloped(R"({"question":"Who?"})"), "json");
  Await(stream);

  holder_.gateway->Stop(absl::Now());
  holder_.node->StopServer();

  EXPECT_TRUE(llm_->WaitUntilCancelled(1));
}

class WebApp : public Fixture {
 protected:
  WebApp()
      : Fixture(
            {.origins = {"http://127.0.0.1:8081", "*", "http://localhost:*", "https://b.example"},
             .web_root = MakeFolder(),
             .control = "http://127.0.0.1:9/abc"}) {}
  static std::string MakeFolder() {
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / "coterie-web-root";
    std::filesystem::create_directories(folder / "assets");
    std::ofstream(folder / "index.html") << "<!doctype html>";
    std::ofstream(folder / "assets" / "app-1a2b3c4d.js") << "1";
    return folder.string();
  }
};

TEST_F(WebApp, IsServedWithAStrictPolicy) {
  const Answer page = Ask(http::verb::get, "/d/notes");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_NE(page.Field("Content-Security-Policy").find("script-src 'self'"), std::string::npos);
  EXPECT_NE(page.Field("Content-Security-Policy")
                .find("connect-src 'self' http://127.0.0.1:9 http://127.0.0.1:8081 ws://"),
            std::string::npos);
  EXPECT_EQ(page.Field("Cache-Control"), "no-cache");
  EXPECT_EQ(Ask(http::verb::get, "/", {}, {{"If-None-Match", page.Field("ETag")}}).status, 304);

  const Answer script = Ask(http::verb::get, "/assets/app-1a2b3c4d.js");
  EXPECT_EQ(script.body, "1");
  EXPECT_NE(script.Field("Cache-Control").find("immutable"), std::string::npos);
  EXPECT_EQ(Ask(http::verb::get, "/nodes.json").body,
            "{\"origins\":[\"http://127.0.0.1:8081\",\"https://b.example\"],"
            "\"control\":\"http://127.0.0.1:9/abc\"}\n");
  EXPECT_EQ(Ask(http::verb::get, "/../../etc/passwd.txt").status, 404);
  EXPECT_EQ(Ask(http::verb::get, "/%2e%2e/%2e%2e/etc/passwd.txt").status, 404);
}

}  // namespace
}  // namespace coterie::gateway
