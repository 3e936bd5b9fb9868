#pragma once

// A TCP connection with or without TLS, as Beast wants its streams. Without, it costs no TLS state.
// What is written goes out as a whole before the next is begun, so that Beast, which says by itself
// what keeps a WebSocket alive, and who sends the messages need not know of each other.
// Heavy header: only for what touches sockets. One shard's thread.

#include <absl/functional/any_invocable.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace coterie::gateway {

class Stream {
 public:
  using TcpSocket = boost::asio::ip::tcp::socket;
  using executor_type = TcpSocket::executor_type;

  // `tls` may be null: none. It outlives the stream.
  Stream(TcpSocket socket, boost::asio::ssl::context* tls)
      : socket_(std::make_unique<TcpSocket>(std::move(socket))), turns_(std::make_shared<Turns>()) {
    if (tls != nullptr) tls_ = std::make_unique<Tls>(*socket_, *tls);
  }

  executor_type get_executor() { return socket_->get_executor(); }
  TcpSocket& socket() { return *socket_; }
  bool has_tls() const { return tls_ != nullptr; }

  template <class Handler>
  void Handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }

  // After a handshake that failed, and not within its handler: what follows is sent as it is.
  void DropTls() { tls_ = nullptr; }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_ != nullptr) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_->async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  // Writes all of it; whoever comes meanwhile waits.
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    auto write = [this, turns = turns_, buffers,
                  handler = std::decay_t<Handler>(std::forward<Handler>(handler))]() mutable {
      auto done = [turns = std::move(turns), handler = std::move(handler)](
                      const boost::system::error_code& error, std::size_t bytes) mutable {
        turns->Next();
        handler(error, bytes);
      };
      if (tls_ != nullptr) {
        boost::asio::async_write(*tls_, buffers, std::move(done));
      } else {
        boost::asio::async_write(*socket_, buffers, std::move(done));
      }
    };
    if (std::exchange(turns_->is_taken, true)) {
      turns_->waiting.emplace_back(std::move(write));
    } else {
      write();
    }
  }

  void Close() {
    boost::system::error_code ignored;
    socket_->close(ignored);
  }

 private:
  // Of a reference, so that the socket can be reached without it.
  using Tls = boost::asio::ssl::stream<TcpSocket&>;

  // Of writing. Those who wait own the stream, or it would not be there when it is their turn.
  struct Turns {
    void Next() {
      is_taken = !waiting.empty();
      if (!is_taken) return;
      auto write = std::move(waiting.front());
      waiting.erase(waiting.begin());
      write();
    }
    bool is_taken = false;
    std::vector<absl::AnyInvocable<void()>> waiting;  // Beast's and the socket's: two at most.
  };

  std::unique_ptr<TcpSocket> socket_;  // Where it is when the stream moves.
  std::shared_ptr<Turns> turns_;
  std::unique_ptr<Tls> tls_;
};

// Found by Beast through the type of the stream.
inline void beast_close_socket(Stream& stream) { stream.Close(); }

template <class Handler>
void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
  boost::beast::websocket::async_teardown(role, stream.socket(), std::forward<Handler>(handler));
}
inline void teardown(boost::beast::role_type role, Stream& stream,
                     boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, stream.socket(), error);
}

}  // namespace coterie::gateway
