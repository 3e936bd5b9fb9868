#pragma once

// One connection of HTTP/1.1: reads requests one after the other, answers them, and becomes a
// WebSocket when asked to. Checks what must hold whatever is asked: size, time, Host, Origin.
// Heavy header: only for what touches sockets. One shard's thread.

#include <absl/time/time.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/admission.h"
#include "gateway/connect_stream.h"
#include "gateway/gateway.h"
#include "gateway/http.h"
#include "gateway/limits.h"
#include "gateway/refusal_pace.h"
#include "gateway/rooms.h"
#include "gateway/static_files.h"
#include "gateway/stream.h"
#include "gateway/visitor.h"

namespace coterie::gateway {

// What all connections share; outlives them.
struct HttpContext {
  const Options& options;
  const rpc::Faces faces;
  Rooms& rooms;
  RefusalPace& refusal_pace;
  Counters& counters;
  const StaticFiles& files;
  const TrustedProxies& proxies;
  boost::asio::ssl::context* tls = nullptr;  // Null = none.
  std::atomic<bool> is_stopping{false};
};

class HttpConnection final : public HttpStream,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  // `proxy`: the address of the one that is at the other end. Empty = none that is trusted.
  HttpConnection(HttpContext& context, Shard& shard, Stream::TcpSocket socket,
                 std::shared_ptr<Admission::Place> place, std::string proxy);

  void Start();

  // --- As the stream of a method that answers with one ---
  void Write(std::string piece, std::function<void()> done) override;
  void End() override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::span_body<const char>>;

  void ReadHeader(absl::Duration timeout);
  void OnHeader();
  void ReadBody();
  void AdmitBody(std::size_t bytes);
  void ReadWholeBody();
  bool AwaitsLeave() const;
  void GiveLeave();
  void ReadRestOfBody();
  void ForgetBody();
  void Serve();
  void ServePath();
  void StartStream();
  void Upgrade();
  HttpResponse Metrics() const;

  void FillRequest();
  // Whether there is a place for who asks through a proxy.
  bool AdmitVisitor();
  // An answer for whoever may not even ask. Empty = go on.
  std::optional<HttpResponse> Refuse();
  std::size_t BodyMax() const;
  void AddCors(HttpResponse& response) const;
  void Answer(HttpResponse response);
  // For who is not understood: the connection ends with it.
  void AnswerLast(HttpResponse response);
  void AnswerUnreadable(const boost::system::error_code& error);
  void AnswerWithoutTls();
  void OnAnswered(bool keeps_alive);
  void Drain(std::size_t bytes_max);
  // Any thread.
  std::function<void(HttpResponse)> Answerer();

  void Arm(absl::Duration timeout);
  void WatchClient();
  void Close();

  HttpContext& context_;
  Shard& shard_;
  Stream stream_;
  std::shared_ptr<Admission::Place> place_;
  const std::string proxy_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_{kRequestBufferBytesMax};
  std::optional<Parser> parser_;
  HttpRequest request_;
  std::shared_ptr<void> body_place_;  // While a large body is read.
  bool is_last_ = false;              // Nobody knows where another request would begin.
  // Of what is being written.
  HttpResponse answer_;
  std::optional<Response> response_;
  boost::beast::http::response<boost::beast::http::empty_body> head_;
  std::optional<boost::beast::http::response_serializer<boost::beast::http::empty_body>>
      head_writer_;
  std::string piece_;
  std::shared_ptr<StreamFeed> feed_;
  char watched_ = 0;
};

}  // namespace coterie::gateway
