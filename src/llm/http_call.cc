#include "llm/http_call.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "runtime/status_macros.h"

namespace coterie::llm {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kLookEvery = std::chrono::milliseconds(50);
constexpr std::size_t kErrorBytesMax = 4 << 10;
constexpr std::size_t kHeaderBytesMax = 64 << 10;

absl::Status Invalid(const std::string& url) {
  return absl::InvalidArgumentError(
      absl::StrCat("--url ", url,
                   ": not of the form http://HOST:PORT or https://HOST/PATH, for "
                   "example http://127.0.0.1:11434 for Ollama"));
}

// One connection. Everything runs in the steps of the caller's thread.
class Connection {
 public:
  explicit Connection(const HttpCall& call)
      : call_(call), where_(absl::StrCat(call.url.host, ":", call.url.port)), socket_(io_) {}

  absl::Status Connect() {
    tcp::resolver resolver(io_);
    tcp::resolver::results_type found;
    RETURN_IF_ERROR(Step("cannot be found", [&](auto done) {
      resolver.async_resolve(call_.url.host, call_.url.port,
                             [&found, done](const error_code& error, auto results) {
                               found = std::move(results);
                               done(error);
                             });
    }));
    RETURN_IF_ERROR(Step("cannot be connected to", [&](auto done) {
      asio::async_connect(socket_, found,
                          [done](const error_code& error, const tcp::endpoint&) { done(error); });
    }));
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    return call_.url.has_tls ? Handshake() : absl::OkStatus();
  }

  absl::StatusOr<HttpEnd> Exchange(const std::function<absl::Status(std::string_view)>& on_bytes) {
    if (tls_) return ExchangeOn(*tls_, on_bytes);
    return ExchangeOn(socket_, on_bytes);
  }

 private:
  // Starts something that ends by calling `done`, and waits for that.
  template <class Start>
  absl::Status Step(const char* what, Start start) {
    std::optional<error_code> result;
    const absl::Time silent_at = absl::Now() + call_.silence_max;
    start([&result](const error_code& error) { result = error; });
    io_.restart();
    while (!result) {
      io_.run_for(kLookEvery);
      if (result) break;
      const absl::Status given_up = WhyGiveUp(silent_at);
      if (given_up.ok()) continue;
      // What is under way is never heard of again: this context runs no more.
      error_code ignored;
      socket_.close(ignored);
      return given_up;
    }
    if (!*result) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(where_, " ", what, ": ", result->message()));
  }

  absl::Status WhyGiveUp(absl::Time silent_at) const {
    const absl::Time now = absl::Now();
    if (call_.is_cancelled && call_.is_cancelled()) {
      return absl::CancelledError("the call was given up");
    }
    if (now >= call_.deadline) {
      return absl::DeadlineExceededError(absl::StrCat(where_, " did not answer in time"));
    }
    if (now < silent_at) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat(where_, " has said nothing for ", absl::FormatDuration(call_.silence_max)));
  }

  absl::Status Handshake() {
    context_.emplace(asio::ssl::context::tls_client);
    error_code error;
    context_->set_default_verify_paths(error);
    tls_.emplace(socket_, *context_);
    tls_->set_verify_mode(asio::ssl::verify_peer, error);
    tls_->set_verify_callback(asio::ssl::host_name_verification(call_.url.host), error);
    SSL_set_tlsext_host_name(tls_->native_handle(), call_.url.host.c_str());
    return Step("has no TLS that can be trusted",
                [&](auto done) { tls_->async_handshake(asio::ssl::stream_base::client, done); });
  }

  template <class Stream>
  absl::StatusOr<HttpEnd> ExchangeOn(
      Stream& stream, const std::function<absl::Status(std::string_view)>& on_bytes) {
    http::request<http::string_body> request(http::string_to_verb(call_.method),
                                             call_.url.path + call_.target, 11, call_.body);
    const bool is_usual = call_.url.port == (call_.url.has_tls ? "443" : "80");
    request.set(http::field::host, is_usual ? call_.url.host : where_);
    request.set(http::field::user_agent, "coterie-llm");
    request.set(http::field::accept, "text/event-stream, application/json");
    request.set(http::field::content_type, "application/json");
    if (!call_.bearer.empty()) request.set(http::field::authorization, "Bearer " + call_.bearer);
    request.prepare_payload();
    RETURN_IF_ERROR(Step("does not take the request", [&](auto done) {
      http::async_write(stream, request,
                        [done](const error_code& error, std::size_t) { done(error); });
    }));
    boost::beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    parser.header_limit(kHeaderBytesMax);
    RETURN_IF_ERROR(Step("does not answer", [&](auto done) {
      http::async_read_header(stream, buffer, parser,
                              [done](const error_code& error, std::size_t) { done(error); });
    }));
    const auto retry_after = parser.get()[http::field::retry_after];
    HttpEnd end{.status = static_cast<int>(parser.get().result_int()),
                .retry_after = std::string(retry_after.data(), retry_after.size())};
    while (!parser.is_done()) {
      std::array<char, 8'192> piece;
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      parser.get().body().more = true;
      RETURN_IF_ERROR(Step("broke off", [&](auto done) {
        http::async_read_some(stream, buffer, parser, [done](const error_code& error, std::size_t) {
          done(error == http::error::need_buffer ? error_code() : error);
        });
      }));
      const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
      if (end.status == 200) {
        RETURN_IF_ERROR(on_bytes(bytes));
      } else if (end.body.size() < kErrorBytesMax) {
        end.body += bytes;
      } else {
        break;
      }
    }
    return end;
  }

  const HttpCall& call_;
  const std::string where_;
  asio::io_context io_{1};
  tcp::socket socket_;
  std::optional<asio::ssl::context> context_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
};

}  // namespace

absl::StatusOr<HttpUrl> ParseUrl(const std::string& url) {
  HttpUrl parsed;
  std::string rest;
  if (absl::StartsWith(url, "https://")) {
    parsed.has_tls = true;
    rest = url.substr(8);
  } else if (absl::StartsWith(url, "http://")) {
    rest = url.substr(7);
  } else {
    return Invalid(url);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  parsed.path = rest.substr(slash);
  while (parsed.path.ends_with('/')) parsed.path.pop_back();
  const std::string host = rest.substr(0, slash);
  const std::size_t colon = host.rfind(':');
  parsed.host = host.substr(0, colon);
  parsed.port =
      colon == std::string::npos ? (parsed.has_tls ? "443" : "80") : host.substr(colon + 1);
  const bool is_number = !parsed.port.empty() && parsed.port.size() <= 5 &&
                         std::all_of(parsed.port.begin(), parsed.port.end(),
                                     [](char c) { return c >= '0' && c <= '9'; });
  // A name and password in an address would be logged with it.
  const bool is_plain = url.find_first_of(" @?#\r\n") == std::string::npos;
  if (parsed.host.empty() || !is_number || !is_plain) return Invalid(url);
  return parsed;
}

absl::StatusOr<HttpEnd> RunHttp(const HttpCall& call,
                                const std::function<absl::Status(std::string_view)>& on_bytes) {
  Connection connection(call);
  RETURN_IF_ERROR(connection.Connect());
  return connection.Exchange(on_bytes);
}

}  // namespace coterie::llm
