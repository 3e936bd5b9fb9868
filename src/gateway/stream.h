#pragma once

// A TCP connection with or without TLS, as Beast wants its streams. Without, it costs no TLS state.
// Heavy header: only for what touches sockets. One shard's thread.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <memory>
#include <utility>

namespace coterie::gateway {

class Stream {
 public:
  using TcpSocket = boost::asio::ip::tcp::socket;
  using executor_type = TcpSocket::executor_type;

  // `tls` may be null: none. It outlives the stream.
  Stream(TcpSocket socket, boost::asio::ssl::context* tls)
      : socket_(std::make_unique<TcpSocket>(std::move(socket))) {
    if (tls != nullptr) tls_ = std::make_unique<Tls>(*socket_, *tls);
  }

  executor_type get_executor() { return socket_->get_executor(); }
  TcpSocket& socket() { return *socket_; }
  bool has_tls() const { return tls_ != nullptr; }

  template <class Handler>
  void Handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_ != nullptr) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_->async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_ != nullptr) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      socket_->async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

  void Close() {
    boost::system::error_code ignored;
    socket_->close(ignored);
  }

 private:
  // Of a reference, so that the socket can be reached without it.
  using Tls = boost::asio::ssl::stream<TcpSocket&>;

  std::unique_ptr<TcpSocket> socket_;  // Where it is when the stream moves.
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
