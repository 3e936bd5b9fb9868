#pragma once

// For tests that look at the port as an attacker or a flaky network does: one real node with its
// gateway, and clients whose every wait has an end, with TLS or without. One thread.

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "gateway/gateway.h"
#include "rpc/testing_node.h"
#include "yproto/frame.h"
#include "yproto/hocuspocus.h"

namespace coterie::gateway {

namespace asio = boost::asio;
namespace beast = boost::beast;

// More than anything here takes, also on a machine that does something else.
inline constexpr std::chrono::seconds kPatience(20);

// Runs `start`, which is given a handler, and waits for that handler to be called.
template <class Start>
boost::system::error_code Complete(asio::io_context& io, Start start,
                                   std::chrono::seconds patience = kPatience) {
  auto result = std::make_shared<std::optional<boost::system::error_code>>();
  start([result](boost::system::error_code error, auto&&...) { *result = error; });
  io.restart();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!*result && io.run_one_until(end) > 0) continue;
  return result->value_or(asio::error::timed_out);
}

// Bytes, and what they are answered with.
class RawClient {
 public:
  RawClient(asio::io_context& io, int port, const std::string& local_address = "127.0.0.1")
      : io_(io), socket_(io) {
    socket_.open(asio::ip::tcp::v4());
    socket_.bind({asio::ip::make_address_v4(local_address), 0}, error);
    socket_.connect(
        {asio::ip::make_address_v4("127.0.0.1"), static_cast<asio::ip::port_type>(port)}, error);
  }
  bool Send(std::string_view bytes) {
    error = Complete(io_, [&](auto handler) {
      asio::async_write(socket_, asio::buffer(bytes), std::move(handler));
    });
    return !error;
  }
  // What comes next; empty when the connection has ended.
  std::string Next() {
    std::size_t size = 0;
    error = Complete(
        io_,
        [&](auto handler) {
          socket_.async_read_some(
              asio::buffer(piece_),
              [handler, &size](boost::system::error_code read, std::size_t bytes) {
                size = bytes;
                handler(read);
              });
        },
        patience);
    return error ? std::string() : std::string(piece_.data(), size);
  }
  // All until the end.
  std::string Rest() {
    std::string all;
    for (std::string next = Next(); !next.empty(); next = Next()) all += next;
    return all;
  }
  bool HasEnded() { return Next().empty() && error != asio::error::timed_out; }
  asio::ip::tcp::socket& socket() { return socket_; }

  boost::system::error_code error;
  std::chrono::seconds patience = kPatience;

 private:
  asio::io_context& io_;
  asio::ip::tcp::socket socket_;
  std::array<char, 4096> piece_{};
};

// One WebSocket of an editor.
template <class Layer>
class BasicEditor {
 public:
  BasicEditor(asio::io_context& io, Layer layer) : io_(io), socket_(std::move(layer)) {}

  bool Open(const std::string& host, const std::string& target) {
    socket_.binary(true);
    error = Complete(
        io_, [&](auto handler) { socket_.async_handshake(host, target, std::move(handler)); });
    return !error;
  }
  void Send(const std::string& bytes) {
    error = Complete(
        io_, [&](auto handler) { socket_.async_write(asio::buffer(bytes), std::move(handler)); });
  }
  // Empty when the socket has ended.
  std::string Next() {
    beast::flat_buffer buffer;
    error = Complete(
        io_, [&](auto handler) { socket_.async_read(buffer, std::move(handler)); }, patience);
    return error ? std::string() : beast::buffers_to_string(buffer.data());
  }
  // Skips what is not asked for.
  bool Await(const std::string& bytes) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const std::string next = Next();
      if (next == bytes) return true;
      if (next.empty()) return false;
    }
    return false;
  }
  // Of the socket's end, which it waits for. 0 = none came.
  int CloseCode() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end && !Next().empty()) continue;
    return error == beast::websocket::error::closed ? socket_.reason().code : 0;
  }
  beast::websocket::stream<Layer>& socket() { return socket_; }

  boost::system::error_code error;
  std::chrono::seconds patience = kPatience;

 private:
  asio::io_context& io_;
  beast::websocket::stream<Layer> socket_;
};
using Editor = BasicEditor<asio::ip::tcp::socket>;
using TlsEditor = BasicEditor<beast::ssl_stream<asio::ip::tcp::socket>>;

// Who connects to one node's gateway.
class PortClients {
 protected:
  // Of the gateway that it starts; at the port of 0 which the system chose.
  std::unique_ptr<Gateway> StartGateway(rpc::TestingNode& node, Options options = {}) {
    options.listen = "127.0.0.1:0";
    absl::StatusOr<std::unique_ptr<Gateway>> started =
        Gateway::Start(node.server().faces(), options);
    CHECK(started.ok());
    port_ = (*started)->port();
    return *std::move(started);
  }

  std::string Host() const { return absl::StrCat("127.0.0.1:", port_); }
  RawClient Connect() { return {io_, port_}; }
  asio::ip::tcp::socket ConnectedSocket() { return std::move(Connect().socket()); }
  // Opened at `target`.
  std::unique_ptr<Editor> Open(const std::string& target) {
    auto editor = std::make_unique<Editor>(io_, ConnectedSocket());
    EXPECT_TRUE(editor->Open(Host(), target)) << editor->error.message();
    return editor;
  }
  std::unique_ptr<Editor> OpenYjs(const std::string& name, const std::string& token) {
    return Open("/yjs/" + name + "?create=1&token=" + token);
  }
  static std::string Ask(std::string_view known = std::string_view("\0", 1)) {
    return yproto::EncodeSync(yproto::SyncStep::kAsk, known);
  }
  static std::string Update(std::string_view update) {
    return yproto::EncodeSync(yproto::SyncStep::kUpdate, update);
  }
  // What a document without content is answered with.
  static std::string Nothing() {
    return yproto::EncodeSync(yproto::SyncStep::kAnswer, std::string_view("\0\0", 2));
  }
  // Waits until `is_true`, looking every few milliseconds.
  template <class Condition>
  bool Becomes(Condition is_true, absl::Duration patience = absl::FromChrono(kPatience)) {
    const absl::Time end = absl::Now() + patience;
    while (!is_true()) {
      if (absl::Now() > end) return false;
      io_.restart();
      io_.run_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  asio::io_context io_;
  int port_ = 0;
};

// A node with its gateway; the gateway object goes last.
class PortTest : public testing::Test, protected PortClients {
 protected:
  explicit PortTest(Options options = {}) {
    holder_.gateway = StartGateway(*holder_.node, std::move(options));
  }

  // The value of a counter or gauge on the page of metrics.
  double Metric(const std::string& name) {
    RawClient client = Connect();
    client.Send("GET /metrics HTTP/1.1\r\nHost: " + Host() + "\r\nAuthorization: Bearer " +
                ana_.token + "\r\nConnection: close\r\n\r\n");
    const std::string page = client.Rest();
    const std::size_t at = page.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name << " is not in " << page;
    return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
  }

  // In this order: the gateway is stopped before the server is and destroyed when the node is gone.
  struct Holder {
    std::unique_ptr<Gateway> gateway;
    std::unique_ptr<rpc::TestingNode> node = std::make_unique<rpc::TestingNode>();
    ~Holder() {
      if (gateway != nullptr) gateway->Stop(absl::Now());
      node.reset();
    }
  };
  Holder holder_;
  rpc::TestingClient ana_{*holder_.node, "ana"};
};

}  // namespace coterie::gateway
