#include "gateway/http_connection.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <utility>

#include "gateway/connect_codec.h"
#include "gateway/connect_service.h"
#include "gateway/hocuspocus_session.h"
#include "gateway/metrics.h"
#include "gateway/web_socket.h"
#include "gateway/y_websocket_session.h"
#include "rpc/gate.h"
#include "rpc/node_calls.h"
#include "rpc/peer_address.h"
#include "rpc/status_map.h"
#include "state/command.h"

namespace coterie::gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::string_view kYjsPath = "/yjs/";
constexpr std::string_view kHocuspocusPath = "/hocuspocus";
constexpr std::string_view kApiPath = "/coterie.v1.";
// Of what is read to be forgotten.
constexpr std::size_t kUnreadPieceBytes = 16 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
// Of what comes behind something malformed, so that its sender gets to read the answer.
constexpr std::size_t kMalformedUnreadBytesMax = 1 << 20;
// What somebody is asked to wait for whose large request has no place.
constexpr absl::Duration kBusyPause = absl::Seconds(1);

std::string Field(const http::fields& fields, http::field name) {
  const auto value = fields[name];
  return {value.data(), value.size()};
}
std::string Field(const http::fields& fields, const char* name) {
  const auto value = fields[name];
  return {value.data(), value.size()};
}
// All fields of that name as one list.
template <class Name>
std::string List(const http::fields& fields, Name name) {
  std::string list;
  const auto [begin, end] = fields.equal_range(name);
  for (auto field = begin; field != end; ++field) {
    if (!list.empty()) list += ',';
    list.append(field->value().data(), field->value().size());
  }
  return list;
}

bool IsHttpWithoutTls(const error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  const int reason = ERR_GET_REASON(static_cast<std::uint32_t>(error.value()));
  return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
}

// Why a request leaves open whom it is for or where its body ends: somebody before this node may
// have taken it otherwise. Empty = it does not. RFC 9112, 3.2 and 6.1.
std::optional<HttpResponse> RefuseAmbiguous(const http::request_header<>& head, bool is_chunked) {
  const std::size_t hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11)) {
    return TextResponse(400, "A request has one Host.\n");
  }
  if (head.count(http::field::transfer_encoding) == 0) return std::nullopt;
  if (head.version() < 11) {
    return TextResponse(400, "There is no Transfer-Encoding before HTTP/1.1.\n");
  }
  if (boost::beast::iequals(List(head, http::field::transfer_encoding), "chunked")) {
    return std::nullopt;
  }
  return TextResponse(is_chunked ? 501 : 400, "Transfer-Encoding can only be chunked.\n");
}

std::optional<HttpResponse> RefuseMethod(const HttpRequest& request) {
  const std::string& method = request.method;
  const bool is_api = request.target.path.starts_with(kApiPath);
  const bool is_served = is_api ? method == "POST" : method == "GET" || method == "HEAD";
  if (is_served || method == "OPTIONS") return std::nullopt;
  HttpResponse refused = TextResponse(405, is_api ? "Only POST.\n" : "Only GET and HEAD.\n");
  refused.headers.emplace_back("Allow", is_api ? "POST" : "GET, HEAD");
  return refused;
}

}  // namespace

HttpConnection::HttpConnection(HttpContext& context, Shard& shard, Stream::TcpSocket socket,
                               std::shared_ptr<Admission::Place> place, std::string proxy)
    : context_(context),
      shard_(shard),
      stream_(std::move(socket), context.tls),
      place_(std::move(place)),
      proxy_(std::move(proxy)),
      timer_(shard.io()) {}

void HttpConnection::Start() {
  if (!stream_.has_tls()) return ReadHeader(kHeaderTimeout);
  Arm(kHeaderTimeout);
  stream_.Handshake([self = shared_from_this()](const error_code& error) {
    if (!error) return self->ReadHeader(kHeaderTimeout);
    if (!IsHttpWithoutTls(error)) return self->Close();
    self->shard_.Post([self] { self->AnswerWithoutTls(); });
  });
}

void HttpConnection::Arm(absl::Duration timeout) {
  timer_.expires_after(absl::ToChronoNanoseconds(timeout));
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    if (error) return;
    if (const auto self = weak.lock()) self->Close();
  });
}

void HttpConnection::Close() {
  timer_.cancel();
  stream_.Close();
  if (feed_ == nullptr) return;
  shard_.Forget(this);
  std::exchange(feed_, nullptr)->Stop();
}

// --- Requests ---

void HttpConnection::ReadHeader(absl::Duration timeout) {
  ForgetBody();  // Of a request that was answered without being served.
  request_ = {};
  parser_.emplace();
  parser_->header_limit(kHeaderBytesMax);
  parser_->body_limit(boost::none);  // Set when it is known what is asked for.
  Arm(timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                            if (error) return self->AnswerUnreadable(error);
                            self->OnHeader();
                          });
}

void HttpConnection::FillRequest() {
  const auto& from = parser_->get();
  request_ = {.method = std::string(from.method_string()),
              .target = {},
              .host = Field(from, http::field::host),
              .origin = Field(from, http::field::origin),
              .visitor = {},
              .authorization = Field(from, http::field::authorization),
              .content_type = Field(from, http::field::content_type),
              .content_encoding = Field(from, http::field::content_encoding),
              .accept_encoding = Field(from, http::field::accept_encoding),
              .if_none_match = Field(from, http::field::if_none_match),
              .connect_protocol_version = Field(from, "Connect-Protocol-Version"),
              .connect_timeout_ms = Field(from, "Connect-Timeout-Ms"),
              .body = {}};
  const auto target = from.target();
  std::optional<RequestTarget> parsed = ParseTarget({target.data(), target.size()});
  if (parsed) request_.target = *std::move(parsed);
}

bool HttpConnection::AdmitVisitor() {
  if (proxy_.empty()) return true;
  const std::string forwarded = List(parser_->get(), "X-Forwarded-For");
  return place_->MoveTo(rpc::CountedAs(context_.proxies.VisitorOf(proxy_, forwarded)));
}

std::optional<HttpResponse> HttpConnection::Refuse() {
  const bool is_admitted = AdmitVisitor();
  request_.visitor = place_->address();
  if (!is_admitted) {
    context_.counters.sockets_refused.Add();
    HttpResponse response = TextResponse(429, "Too many connections of your address are open.\n");
    response.headers.emplace_back("Retry-After", "1");
    return response;
  }
  if (request_.target.path.empty()) return TextResponse(400, "The address is malformed.\n");
  if (!IsHostAllowed(request_.host, context_.options.hosts)) {
    return TextResponse(
        421, absl::StrCat("This node is not known as ", request_.host, "; see --http-host.\n"));
  }
  const bool is_api = request_.target.path.starts_with(kApiPath);
  const bool is_socket = boost::beast::websocket::is_upgrade(parser_->get());
  if ((is_api || is_socket) &&
      !IsOriginAllowed(request_.origin, request_.host, context_.options.origins)) {
    return TextResponse(403, absl::StrCat("Pages of ", request_.origin,
                                          " may not use this node; see --http-origin.\n"));
  }
  return std::nullopt;
}

std::size_t HttpConnection::BodyMax() const {
  if (request_.method != "POST") return 0;
  if (!request_.target.path.starts_with(kApiPath)) return 0;
  const rpc::Policy* policy = PolicyOfPath(request_.target.path);
  if (policy == nullptr) return kSmallBodyBytesMax;  // It is told that there is no such method.
  const bool is_anonymous =
      policy->access == rpc::Access::kAnyone || request_.authorization.empty();
  // JSON and its Base64 are longer than what the policy counts.
  const std::size_t most = policy->request_bytes_max * 2;
  return is_anonymous ? std::min(most, kSmallBodyBytesMax) : most;
}

void HttpConnection::OnHeader() {
  context_.counters.http_requests.Add();
  FillRequest();
  if (std::optional<HttpResponse> refusal = RefuseAmbiguous(parser_->get(), parser_->chunked())) {
    return AnswerLast(*std::move(refusal));
  }
  if (std::optional<HttpResponse> refusal = Refuse()) {
    return Answer(*std::move(refusal));
  }
  if (boost::beast::websocket::is_upgrade(parser_->get())) return Upgrade();
  if (std::optional<HttpResponse> refusal = RefuseMethod(request_)) {
    return Answer(*std::move(refusal));
  }
  ReadBody();
}

void HttpConnection::ReadBody() {
  const std::size_t most = BodyMax();
  const auto length = parser_->content_length();
  if (length && *length > most) {
    return Answer(TextResponse(413, absl::StrCat("The request may have ", most, " bytes.\n")));
  }
  if (parser_->is_done()) return Serve();
  parser_->body_limit(most);
  Arm(context_.options.body_max);
  const std::size_t bytes = length ? static_cast<std::size_t>(*length) : most;
  if (bytes > kSmallBodyBytesMax) return AdmitBody(bytes);
  ReadWholeBody();
}

// A large body is read for somebody who is known, and if there is memory for it.
void HttpConnection::AdmitBody(std::size_t bytes) {
  context_.faces.gate.authenticator().Identify(
      request_.authorization, absl::Now() + kOpenTimeout,
      [self = shared_from_this(), bytes](const absl::StatusOr<rpc::Caller>& caller) {
        self->shard_.Post([self, bytes, caller] {
          if (!caller.ok()) {
            return self->Answer(
                JsonResponse(HttpStatusOf(caller.status()), ErrorJson(caller.status())));
          }
          self->body_place_ = self->place_->AdmitBody(caller->user, bytes);
          if (self->body_place_ != nullptr) return self->ReadWholeBody();
          const absl::Status busy = rpc::Overloaded(
              "Too many large requests are on their way to this node; retry in a moment.",
              kBusyPause);
          HttpResponse response = JsonResponse(HttpStatusOf(busy), ErrorJson(busy));
          response.headers.emplace_back("Retry-After", "1");
          self->Answer(std::move(response));
        });
      });
}

void HttpConnection::ReadWholeBody() {
  if (AwaitsLeave()) return GiveLeave();
  ReadRestOfBody();
}

// Whether the client waits to be told that its body is wanted (RFC 9110, 10.1.1). Who has sent some
// of it does not.
bool HttpConnection::AwaitsLeave() const {
  const auto& head = parser_->get();
  return head.version() >= 11 && buffer_.size() == 0 &&
         boost::beast::iequals(head[http::field::expect], "100-continue");
}

void HttpConnection::GiveLeave() {
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = shared_from_this()](const error_code& error, std::size_t) {
                      if (error) return self->Close();
                      self->ReadRestOfBody();
                    });
}

void HttpConnection::ReadRestOfBody() {
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](const error_code& error, std::size_t) {
                     if (error == http::error::body_limit) {
                       return self->Answer(TextResponse(413, "The request is too large.\n"));
                     }
                     if (error) return self->AnswerUnreadable(error);
                     self->Serve();
                   });
}

// What is served keeps no bytes of it: the gate counts the request from here on.
void HttpConnection::ForgetBody() {
  request_.body = std::string();
  body_place_ = nullptr;
}

void HttpConnection::Serve() {
  timer_.cancel();
  request_.body = std::move(parser_->get().body());
  if (request_.method == "OPTIONS") {
    HttpResponse preflight{.status = 204, .content_type = {}, .headers = {}, .body = {}};
    preflight.headers = {
        {"Access-Control-Allow-Methods", "GET, POST"},
        {"Access-Control-Allow-Headers",
         "Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms"},
        {"Access-Control-Max-Age", "7200"}};
    return Answer(std::move(preflight));
  }
  ServePath();
}

void HttpConnection::ServePath() {
  const std::string& path = request_.target.path;
  const node::Node& node = context_.faces.calls.node();
  if (path == "/healthz" || path == "/livez") return Answer(TextResponse(200, "ok\n"));
  if (path == "/readyz") {
    const Readiness readiness =
        ReadinessOf(node.status(), context_.is_stopping.load() ? Stopping::kYes : Stopping::kNo);
    return Answer(TextResponse(readiness.is_ready ? 200 : 503, readiness.text));
  }
  if (path == "/metrics") {
    if (context_.options.open_metrics == OpenMetrics::kToAnyone) return Answer(Metrics());
    static const rpc::Policy& policy = *rpc::FindPolicy("coterie.v1.ClusterService.GetStatus");
    return context_.faces.gate.authenticator().Admit(
        policy, request_.authorization, absl::Now() + kOpenTimeout,
        [self = shared_from_this(),
         answer = Answerer()](const absl::StatusOr<rpc::Caller>& caller) {
          answer(caller.ok()
                     ? self->Metrics()
                     : JsonResponse(HttpStatusOf(caller.status()), ErrorJson(caller.status())));
        });
  }
  if (path.starts_with(kApiPath)) {
    if (IsStreamPath(context_.faces, path)) return StartStream();
    ServeUnary(context_.faces, request_, Answerer());
    return ForgetBody();
  }
  if (path.starts_with(kYjsPath) || path == kHocuspocusPath) {
    return Answer(TextResponse(426, "Here is a WebSocket.\n"));
  }
  if (context_.files.empty()) return Answer(TextResponse(404, "There is nothing here.\n"));
  Answer(context_.files.Serve(request_));
}

HttpResponse HttpConnection::Metrics() const {
  const rpc::Faces& faces = context_.faces;
  HttpResponse response =
      TextResponse(200, MetricsText(faces.calls.node(), faces.gate.times(), context_.counters));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

// --- WebSockets ---

void HttpConnection::Upgrade() {
  timer_.cancel();
  const std::string& path = request_.target.path;
  const std::string& query = request_.target.query;
  const IfMissing if_missing =
      QueryParameter(query, "create") == "1" ? IfMissing::kCreate : IfMissing::kFail;
  std::shared_ptr<Session> session;
  if (path == kHocuspocusPath || path == std::string(kHocuspocusPath) + "/") {
    session = std::make_shared<HocuspocusSession>(context_.rooms, context_.faces.gate, if_missing);
  } else if (path.starts_with(kYjsPath) && path.size() > kYjsPath.size() &&
             path.size() <= kYjsPath.size() + state::kNameBytesMax) {
    std::string authorization = request_.authorization;
    if (const std::optional<std::string> token = QueryParameter(query, "token")) {
      authorization = absl::StrCat("Bearer ", *token);
    } else if (authorization.empty()) {
      const std::string offered =
          TokenInProtocols(Field(parser_->get(), http::field::sec_websocket_protocol));
      if (!offered.empty()) authorization = absl::StrCat("Bearer ", offered);
    }
    session = std::make_shared<YWebsocketSession>(
        context_.rooms, context_.faces.gate, context_.refusal_pace,
        YWebsocketSession::Request{.document = path.substr(kYjsPath.size()),
                                   .authorization = std::move(authorization),
                                   .if_missing = if_missing,
                                   .visitor = place_->address()});
  } else {
    return Answer(TextResponse(404, "WebSockets are at /yjs/DOCUMENT and /hocuspocus.\n"));
  }
  const WebSocket::Patience patience{.silent = context_.options.silent_max,
                                     .large_message = context_.options.large_message_max};
  const auto socket = std::make_shared<WebSocket>(std::move(stream_), shard_, context_.counters,
                                                  std::move(place_), patience);
  socket->Run(parser_->release(), std::move(session));
}

// --- Answers ---

std::function<void(HttpResponse)> HttpConnection::Answerer() {
  return [self = shared_from_this()](HttpResponse response) {
    self->shard_.Post([self, response = std::move(response)] { self->Answer(response); });
  };
}

void HttpConnection::AddCors(HttpResponse& response) const {
  if (request_.origin.empty()) return;
  response.headers.emplace_back("Vary", "Origin");
  // The cluster page shows every node's figures.
  const std::string& path = request_.target.path;
  if (!path.starts_with(kApiPath) && path != "/metrics") return;
  if (!IsOriginAllowed(request_.origin, request_.host, context_.options.origins)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", request_.origin);
}

void HttpConnection::Answer(HttpResponse answer) {
  if (answer.status >= 400) context_.counters.http_errors.Add();
  AddCors(answer);
  answer_ = std::move(answer);
  const bool is_read = parser_->is_done() && !is_last_;
  const bool keeps_alive = is_read && parser_->get().keep_alive() && !context_.is_stopping.load();
  response_.emplace();
  response_->result(static_cast<unsigned>(answer_.status));
  response_->version(11);
  response_->set(http::field::server, "coterie");
  response_->set("X-Content-Type-Options", "nosniff");
  if (answer_.status == 401) response_->set(http::field::www_authenticate, "Bearer");
  if (!answer_.content_type.empty())
    response_->set(http::field::content_type, answer_.content_type);
  for (const auto& [name, value] : answer_.headers) response_->insert(name, value);
  response_->keep_alive(keeps_alive);
  const bool has_body = answer_.status != 204 && answer_.status != 304;
  if (has_body) response_->content_length(answer_.body.size_bytes());
  if (has_body && request_.method != "HEAD") {
    response_->body() = {answer_.body.view().data(), answer_.body.size_bytes()};
  }
  Arm(context_.options.body_max);
  http::async_write(stream_, *response_,
                    [self = shared_from_this(), keeps_alive](const error_code& error, std::size_t) {
                      if (error) return self->Close();
                      self->OnAnswered(keeps_alive);
                    });
}

void HttpConnection::AnswerLast(HttpResponse response) {
  is_last_ = true;
  Answer(std::move(response));
}

// What is no HTTP is told so; whoever went away in the middle is not.
void HttpConnection::AnswerUnreadable(const error_code& error) {
  const error_code went_away = http::error::partial_message;
  if (error.category() != went_away.category() || error == went_away ||
      error == http::error::end_of_stream) {
    return Close();
  }
  if (error == http::error::header_limit) {
    return AnswerLast(
        TextResponse(431, absl::StrCat("The header may have ", kHeaderBytesMax, " bytes.\n")));
  }
  AnswerLast(TextResponse(400, absl::StrCat("The request is malformed: ", error.message(), ".\n")));
}

void HttpConnection::AnswerWithoutTls() {
  stream_.DropTls();
  parser_.emplace();
  AnswerLast(TextResponse(400, "This port speaks TLS: its address begins with https://.\n"));
}

void HttpConnection::OnAnswered(bool keeps_alive) {
  answer_ = {};
  if (keeps_alive) return ReadHeader(kKeepAliveTimeout);
  error_code ignored;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  if (parser_->is_done() && !is_last_) return Close();
  // To close now would be to reset, and the client, who is still sending, would lose the answer.
  ForgetBody();
  parser_.reset();
  piece_.resize(kUnreadPieceBytes);
  Arm(kCloseTimeout);
  Drain(is_last_ ? kMalformedUnreadBytesMax : kUnreadBytesMax);
}

void HttpConnection::Drain(std::size_t bytes_max) {
  stream_.async_read_some(asio::buffer(piece_), [self = shared_from_this(), bytes_max](
                                                    const error_code& error, std::size_t bytes) {
    if (error || bytes >= bytes_max) return self->Close();
    self->Drain(bytes_max - bytes);
  });
}

void HttpConnection::StartStream() {
  HttpResponse head = StreamHead(request_);
  if (head.status != 200) return Answer(std::move(head));
  AddCors(head);
  head_ = {};
  head_.result(http::status::ok);
  head_.version(11);
  head_.set(http::field::server, "coterie");
  head_.set(http::field::content_type, head.content_type);
  for (const auto& [name, value] : head.headers) head_.insert(name, value);
  head_.chunked(true);
  head_writer_.emplace(head_);
  http::async_write_header(
      stream_, *head_writer_, [self = shared_from_this()](const error_code& error, std::size_t) {
        if (error) return self->Close();
        self->feed_ = ServeStream(self->context_.faces, self->request_, self, self->shard_);
        self->ForgetBody();
        self->shard_.AtDrop(self.get(), [weak = self->weak_from_this()] {
          if (const auto connection = weak.lock()) connection->feed_ = nullptr;
        });
        self->WatchClient();
      });
}

// A client that is answered by a stream says nothing more: whatever comes, or an end, ends it.
void HttpConnection::WatchClient() {
  stream_.async_read_some(
      asio::buffer(&watched_, 1),
      [self = shared_from_this()](const error_code&, std::size_t) { self->Close(); });
}

void HttpConnection::Write(std::string piece, std::function<void()> done) {
  piece_ = std::move(piece);
  Arm(context_.options.stalled_max);
  asio::async_write(
      stream_, http::make_chunk(asio::buffer(piece_)),
      [self = shared_from_this(), done = std::move(done)](const error_code& error, std::size_t) {
        if (error) return self->Close();
        self->timer_.cancel();
        done();
      });
}

void HttpConnection::End() {
  Arm(context_.options.stalled_max);
  asio::async_write(stream_, http::make_chunk_last(),
                    [self = shared_from_this()](const error_code&, std::size_t) { self->Close(); });
}

}  // namespace coterie::gateway
