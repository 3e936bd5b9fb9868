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
// Of a message, at a time; of its beginning less, as every idle socket holds a buffer for that.
constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kReadSecondBytes = 4 << 10;
constexpr std::size_t kReadFirstBytes = 256;
// What an idle socket keeps of a buffer.
constexpr std::size_t kIdleBufferBytes = 512;
// A larger message is written from where it is; smaller ones are copied until they are so many.
constexpr std::size_t kCopiedBytesMax = 4 << 10;
constexpr std::size_t kGatheredBytesMax = 64 << 10;

// RFC 6455, 5.2: what stands before a whole binary message of a server.
void AppendHead(std::string& to, std::size_t size) {
  constexpr char kFinalBinary = static_cast<char>(0x82);
  to.push_back(kFinalBinary);
  int length_bytes = 0;
  if (size < 126) {
    to.push_back(static_cast<char>(size));
  } else if (size <= 0xffff) {
    to.push_back(126);
    length_bytes = 2;
  } else {
    to.push_back(127);
    length_bytes = 8;
  }
  for (int i = length_bytes - 1; i >= 0; --i) to.push_back(static_cast<char>(size >> (8 * i)));
}

}  // namespace

WebSocket::WebSocket(Stream stream, Shard& shard, Counters& counters,
                     std::shared_ptr<Admission::Place> place, const Patience& patience)
    : shard_(shard),
      counters_(counters),
      place_(std::move(place)),
      patience_(patience),
      web_socket_(std::move(stream)),
      allowance_(kMessagesBurst),
      allowed_at_(rpc::SteadyNow()),
      sent_at_(rpc::SteadyNow()) {}

void WebSocket::Run(const Upgrade& request, std::shared_ptr<Session> session) {
  session_ = std::move(session);
  shard_.AtDrop(this, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->session_ = nullptr;
  });
  SetTimeouts(Hearing::kListens);
  web_socket_.read_message_max(kStrangerMessageBytesMax);
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

// Beast looks at them when a read begins and when its timer rings.
void WebSocket::SetTimeouts(Hearing hearing) {
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = absl::ToChronoNanoseconds(kHeaderTimeout);
  timeouts.idle_timeout = hearing == Hearing::kListens ? absl::ToChronoNanoseconds(patience_.silent)
                                                       : websocket::stream_base::none();
  timeouts.keep_alive_pings = true;
  web_socket_.set_option(timeouts);
}

void WebSocket::OnAccepted(const error_code& error) {
  if (error) {
    shard_.Forget(this);
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
  ReadSome();
}

void WebSocket::ReadSome() {
  SetTimeouts(Hearing::kListens);
  const std::size_t wanted = buffer_.size() == 0                  ? kReadFirstBytes
                             : buffer_.size() <= kReadSecondBytes ? kReadSecondBytes
                                                                  : kReadBytes;
  web_socket_.async_read_some(
      buffer_.prepare(wanted),
      [self = shared_from_this()](const error_code& error, std::size_t bytes) {
        self->buffer_.commit(bytes);
        self->OnRead(error);
      });
}

bool WebSocket::MayGrow() {
  if (buffer_.size() + kReadBytes <= kMessageBytesMax || large_place_ != nullptr) return true;
  large_place_ = place_->AdmitLargeMessage();
  if (large_place_ == nullptr) {
    shard_.PostAfter(absl::Milliseconds(100), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self != nullptr && self->MayGrow()) self->ReadSome();
    });
    return false;
  }
  // The place is of use to others, too.
  shard_.PostAfter(patience_.large_message, [weak = weak_from_this(), message = messages_] {
    const auto self = weak.lock();
    if (self == nullptr || self->messages_ != message) return;
    self->Close(CloseCode::kTryAgain, "a large message did not come in time");
  });
  return true;
}

void WebSocket::OnRead(const error_code& error) {
  SetTimeouts(Hearing::kDoesNot);  // Until the next ReadSome(), whenever that is.
  if (!error && !web_socket_.is_message_done()) {
    if (MayGrow()) return ReadSome();
    counters_.large_messages_waited.Add();
    return;
  }
  is_reading_ = false;
  ++messages_;
  if (error) {
    large_place_ = nullptr;
    return Finish();
  }
  counters_.messages_received.Add();
  counters_.bytes_received.Add(buffer_.size());
  std::string message = boost::beast::buffers_to_string(buffer_.data());
  buffer_.consume(buffer_.size());
  if (buffer_.capacity() > kIdleBufferBytes) buffer_.shrink_to_fit();
  if (session_ == nullptr) return;
  const std::shared_ptr<void> place = large_place_;  // Until it has been handed on.
  if (ending_) {
    large_place_ = nullptr;
    return Read();  // On to the peer's close frame.
  }
  if (web_socket_.got_text()) {
    Close(CloseCode::kMalformed, "messages are binary");
  } else if (session_->OnMessage(std::move(message)) == Flow::kPause) {
    is_paused_ = true;
  }
  large_place_ = nullptr;
  Read();
}

Credit WebSocket::Hold(std::size_t bytes) {
  held_.fetch_add(bytes);
  return {nullptr,
          [self = shared_from_this(), bytes, place = large_place_](void*) { self->Settle(bytes); }};
}

void WebSocket::Trust() { web_socket_.read_message_max(kLargeMessageBytesMax); }

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
  const std::size_t frames = queue_.size() + writing_frames_;
  const bool is_full =
      queued_bytes_ + frame.size_bytes() > kSendQueueBytesMax || frames >= kSendQueueFramesMax;
  if (is_full && frames > 0) {
    counters_.sockets_slow.Add();
    queue_.clear();
    return Close(CloseCode::kResync, "too slow: reconnect, and what is missing is sent");
  }
  queued_bytes_ += frame.size_bytes();
  queue_.push_back(std::move(frame));
  Write();
}

// One large frame, or as many as there are of the others.
void WebSocket::Gather() {
  std::size_t count = 0;
  gathered_.clear();
  for (const Frame& frame : queue_) {
    const bool is_large = frame.size_bytes() > kCopiedBytesMax;
    if (count > 0 && (is_large || gathered_.size() > kGatheredBytesMax)) break;
    ++count;
    writing_bytes_ += frame.size_bytes();
    AppendHead(gathered_, frame.size_bytes());
    if (is_large) {
      large_ = frame;
      break;
    }
    gathered_.append(frame.prefix.view()).append(frame.body.view());
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  writing_frames_ = count;
}

void WebSocket::Write() {
  if (is_writing_ || queue_.empty() || is_ending_ || !web_socket_.is_open()) return;
  is_writing_ = true;
  Gather();
  const std::array<asio::const_buffer, 3> buffers = {asio::buffer(gathered_),
                                                     asio::buffer(large_.prefix.view()),
                                                     asio::buffer(large_.body.view())};
  web_socket_.next_layer().async_write_some(
      buffers, [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
        self->OnWritten(error);
      });
}

void WebSocket::OnWritten(const error_code& error) {
  is_writing_ = false;
  sent_at_ = rpc::SteadyNow();
  counters_.messages_sent.Add(writing_frames_);
  counters_.bytes_sent.Add(gathered_.size() + large_.size_bytes());
  large_ = {};
  gathered_.clear();
  writing_frames_ = 0;
  queued_bytes_ -= std::min(queued_bytes_, std::exchange(writing_bytes_, 0));
  if (gathered_.capacity() > kIdleBufferBytes) gathered_.shrink_to_fit();
  if (queue_.empty()) queue_.shrink_to_fit();
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
  shard_.Forget(this);
  const std::shared_ptr<Session> session = std::move(session_);
  session_ = nullptr;
  session->OnClosed();
}

}  // namespace coterie::gateway
