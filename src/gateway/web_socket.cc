#include "gateway/web_socket.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/field.hpp>
#include <utility>

#include "base/utf8.h"
#include "gateway/limits.h"
#include "gateway/request_target.h"
#include "rpc/steady_time.h"

namespace coterie::gateway {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

// A close frame has room for no more.
constexpr std::size_t kReasonBytesMax = 120;
// What an idle socket keeps of its read buffer.
constexpr std::size_t kIdleBufferBytes = 1'024;

}  // namespace

WebSocket::WebSocket(Stream stream, Shard& shard, Counters& counters,
                     std::shared_ptr<Admission::Place> place)
    : shard_(shard),
      counters_(counters),
      place_(std::move(place)),
      web_socket_(std::move(stream)),
      allowance_(kMessagesBurst),
      allowed_at_(rpc::SteadyNow()),
      sent_at_(rpc::SteadyNow()) {}

void WebSocket::Run(const Upgrade& request, std::shared_ptr<Session> session) {
  session_ = std::move(session);
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = absl::ToChronoNanoseconds(kHeaderTimeout);
  timeouts.idle_timeout = absl::ToChronoNanoseconds(kSilentMax);
  timeouts.keep_alive_pings = true;
  web_socket_.set_option(timeouts);
  web_socket_.read_message_max(kMessageBytesMax);
  web_socket_.binary(true);
  web_socket_.auto_fragment(false);
  const auto offered = request[http::field::sec_websocket_protocol];
  if (OffersProtocol({offered.data(), offered.size()}, "coterie")) {
    web_socket_.set_option(
        websocket::stream_base::decorator([](websocket::response_type& response) {
          response.set(http::field::sec_websocket_protocol, "coterie");
        }));
  }
  web_socket_.async_accept(
      request, [self = shared_from_this()](const error_code& error) { self->OnAccepted(error); });
}

void WebSocket::OnAccepted(const error_code& error) {
  if (error) {
    session_ = nullptr;
    return;
  }
  is_paused_ = session_->Start(shared_from_this()) == Flow::kPause;
  WatchQuiet();
  Read();
}

// --- Reading ---

bool WebSocket::TakeAllowance() {
  const absl::Time now = rpc::SteadyNow();
  allowance_ = std::min(kMessagesBurst,
                        allowance_ + absl::ToDoubleSeconds(now - allowed_at_) * kMessagesPerSecond);
  allowed_at_ = now;
  if (allowance_ >= 1) {
    allowance_ -= 1;
    return true;
  }
  is_waiting_ = true;
  shard_.PostAfter(absl::Milliseconds(20), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->is_waiting_ = false;
    self->Read();
  });
  return false;
}

void WebSocket::Read() {
  if (is_reading_ || is_paused_ || is_waiting_ || session_ == nullptr) return;
  if (held_.load() > kUnsettledBytesMax || !TakeAllowance()) return;
  is_reading_ = true;
  web_socket_.async_read(
      buffer_, [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
        self->OnRead(error);
      });
}

void WebSocket::OnRead(const error_code& error) {
  is_reading_ = false;
  if (error) return Finish();
  counters_.messages_received.Add();
  counters_.bytes_received.Add(buffer_.size());
  std::string message = boost::beast::buffers_to_string(buffer_.data());
  buffer_.consume(buffer_.size());
  if (buffer_.capacity() > kIdleBufferBytes) buffer_.shrink_to_fit();
  if (session_ == nullptr) return;
  if (ending_) return Read();  // On to the peer's close frame.
  if (web_socket_.got_text()) {
    Close(CloseCode::kMalformed, "messages are binary");
  } else if (session_->OnMessage(std::move(message)) == Flow::kPause) {
    is_paused_ = true;
  }
  Read();
}

Credit WebSocket::Hold(std::size_t bytes) {
  held_.fetch_add(bytes);
  return {nullptr, [self = shared_from_this(), bytes](void*) { self->Settle(bytes); }};
}

void WebSocket::Settle(std::size_t bytes) {
  const std::size_t before = held_.fetch_sub(bytes);
  if (before <= kUnsettledBytesMax || before - bytes > kUnsettledBytesMax) return;
  shard_.Post([self = shared_from_this()] { self->Read(); });
}

void WebSocket::Resume() {
  is_paused_ = false;
  Read();
}

// --- Writing ---

void WebSocket::Send(const Blob& prefix, const Blob& body) {
  if (ending_ || session_ == nullptr) return;
  Frame frame{.prefix = prefix, .body = body};
  const bool is_full = queued_bytes_ + frame.size_bytes() > kSendQueueBytesMax ||
                       queue_.size() >= kSendQueueFramesMax;
  if (is_full && !queue_.empty()) {
    counters_.sockets_slow.Add();
    queue_.resize(is_writing_ ? 1 : 0);
    return Close(CloseCode::kResync, "too slow: reconnect, and what is missing is sent");
  }
  queued_bytes_ += frame.size_bytes();
  queue_.push_back(std::move(frame));
  Write();
}

void WebSocket::Write() {
  if (is_writing_ || queue_.empty() || is_ending_) return;
  is_writing_ = true;
  const Frame& frame = queue_.front();
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(frame.prefix.view()),
                                                     asio::buffer(frame.body.view())};
  web_socket_.async_write(
      buffers, [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
        self->OnWritten(error);
      });
}

void WebSocket::OnWritten(const error_code& error) {
  is_writing_ = false;
  sent_at_ = rpc::SteadyNow();
  counters_.messages_sent.Add();
  counters_.bytes_sent.Add(queue_.front().size_bytes());
  queued_bytes_ -= std::min(queued_bytes_, queue_.front().size_bytes());
  queue_.pop_front();
  if (error) return Finish();
  Write();
  MaybeEnd();
}

void WebSocket::WatchQuiet() {
  const absl::Duration quiet = rpc::SteadyNow() - sent_at_;
  if (quiet >= kQuietMax && queue_.empty()) {
    const Blob nothing = session_->KeepAlive();
    if (!nothing.empty()) Send({}, nothing);
    sent_at_ = rpc::SteadyNow();
  }
  const absl::Duration rest = kQuietMax - (rpc::SteadyNow() - sent_at_);
  shard_.PostAfter(std::max(rest, absl::Seconds(1)), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && self->session_ != nullptr) self->WatchQuiet();
  });
}

// --- Ending ---

void WebSocket::Close(CloseCode code, const std::string& reason) {
  if (ending_ || session_ == nullptr) return;
  ending_ = {.code = code, .reason = reason.substr(0, kReasonBytesMax)};
  while (!IsValidUtf8(ending_->reason)) ending_->reason.pop_back();
  // A peer that does not read gets no farewell.
  shard_.PostAfter(kCloseTimeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->web_socket_.next_layer().Close();
    self->Finish();
  });
  MaybeEnd();
}

// After what is still to be said.
void WebSocket::MaybeEnd() {
  if (!ending_ || is_ending_ || is_writing_ || session_ == nullptr) return;
  is_ending_ = true;
  const websocket::close_reason reason(static_cast<websocket::close_code>(ending_->code),
                                       ending_->reason);
  web_socket_.async_close(reason,
                          [self = shared_from_this()](const error_code&) { self->Finish(); });
}

void WebSocket::Finish() {
  if (session_ == nullptr) return;
  const std::shared_ptr<Session> session = std::move(session_);
  session_ = nullptr;
  session->OnClosed();
}

}  // namespace coterie::gateway
