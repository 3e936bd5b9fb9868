#pragma once

// One WebSocket: reads messages for its session as fast as they are settled and no faster than they
// may come, writes what it is sent from a bounded queue, keeps the line alive, ends in order. Beast
// reads and says what keeps the line; messages are framed here, many in one system call.
// Heavy header: only for what touches sockets. One shard's thread, unless Socket says otherwise.

#include <absl/time/time.h>

#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/admission.h"
#include "gateway/counters.h"
#include "gateway/socket.h"
#include "gateway/stream.h"

namespace coterie::gateway {

class WebSocket final : public Socket, public std::enable_shared_from_this<WebSocket> {
 public:
  using Upgrade = boost::beast::http::request<boost::beast::http::string_body>;

  struct Patience {
    absl::Duration silent;         // With who is listened to and answers no ping.
    absl::Duration large_message;  // With all of one that has its place.
  };
  WebSocket(Stream stream, Shard& shard, Counters& counters,
            std::shared_ptr<Admission::Place> place, const Patience& patience);

  // Answers the handshake, then lives until the connection ends.
  void Run(const Upgrade& request, std::shared_ptr<Session> session);

  Shard& shard() override { return shard_; }
  Credit Hold(std::size_t bytes) override;
  void Send(const Blob& prefix, const Blob& body) override;
  void Close(CloseCode code, const std::string& reason) override;
  void Resume() override;
  void Trust() override;

 private:
  struct Frame {
    Blob prefix;
    Blob body;
    std::size_t size_bytes() const { return prefix.size_bytes() + body.size_bytes(); }
  };
  struct Ending {
    CloseCode code;
    std::string reason;
  };
  enum class Hearing : std::uint8_t { kListens, kDoesNot };
  // Who is not listened to cannot be blamed for silence: pings go unanswered then.
  void SetTimeouts(Hearing hearing);
  void OnAccepted(const boost::system::error_code& error);
  void Read();
  void ReadSome();
  void OnRead(const boost::system::error_code& error);
  // Whether the message that is being read may grow; else ReadSome() is called again later.
  bool MayGrow();
  // Any thread.
  void Settle(std::size_t bytes);
  // Whether one more message may be read now; else Read() is called again later.
  bool TakeAllowance();
  void Write();
  void Gather();
  void OnWritten(const boost::system::error_code& error);
  void MaybeEnd();
  void Finish();
  void WatchQuiet();

  Shard& shard_;
  Counters& counters_;
  const std::shared_ptr<Admission::Place> place_;
  const Patience patience_;
  boost::beast::websocket::stream<Stream> web_socket_;
  boost::beast::flat_buffer buffer_;
  std::shared_ptr<Session> session_;  // Null when finished.
  // Of the message that is being read, if it is large; then of what was handed on.
  std::shared_ptr<void> large_place_;
  std::vector<Frame> queue_;
  std::string gathered_;  // Frames that are being written, with their heads; or
  Frame large_;           // one that is too large to be copied, without its head.
  std::size_t writing_frames_ = 0;
  std::size_t writing_bytes_ = 0;  // Without heads.
  std::size_t queued_bytes_ = 0;   // With those that are being written.
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_paused_ = false;
  bool is_waiting_ = false;  // For its allowance of messages.
  bool is_ending_ = false;   // The close handshake has begun.
  std::optional<Ending> ending_;
  std::atomic<std::size_t> held_{0};
  std::uint64_t messages_ = 0;  // Read so far.
  double allowance_;
  absl::Time allowed_at_;
  absl::Time sent_at_;
};

}  // namespace coterie::gateway
