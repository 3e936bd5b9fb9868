#pragma once

// A client's socket as rooms see it, and what a socket hands its messages to. Which bytes mean what
// is the session's to know; when and how they are sent, the socket's.

#include <cstddef>
#include <memory>
#include <string>

#include "base/blob.h"
#include "gateway/close_code.h"
#include "gateway/shard.h"

namespace coterie::gateway {

using Credit = std::shared_ptr<void>;

class Socket {
 public:
  virtual ~Socket() = default;
  virtual Shard& shard() = 0;

  // --- The shard's thread ---
  // So many bytes that it read were handed on. While too many are, it reads no more; they are
  // settled when the last copy of the credit goes, on any thread.
  virtual Credit Hold(std::size_t bytes) = 0;
  // Sends both as one message. Too much unsent: the socket ends with kResync instead.
  virtual void Send(const Blob& prefix, const Blob& body) = 0;
  virtual void Close(CloseCode code, const std::string& reason) = 0;
  // After a message that was answered with Flow::kPause.
  virtual void Resume() = 0;
  // Somebody has logged in: larger messages may come.
  virtual void Trust() = 0;
};

enum class Flow : std::uint8_t { kContinue, kPause };

// What the messages of one socket mean. Lives on the socket's shard, as long as the socket.
class Session {
 public:
  virtual ~Session() = default;
  virtual Flow Start(const std::shared_ptr<Socket>& socket) = 0;
  virtual Flow OnMessage(std::string message) = 0;
  virtual void OnClosed() = 0;
  // Something harmless to say, for the watchdogs of providers. Empty = nothing.
  virtual Blob KeepAlive() = 0;
};

}  // namespace coterie::gateway
