#pragma once

// One client of the load program: a WebSocket on which it opens one document, as y-websocket or as
// @hocuspocus/provider would, and then says and hears updates. Knows nothing of what they mean.
// Cheap on purpose: what it costs is taken from what it measures. One thread, in an Epoll.

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace coterie::bench {

enum class Protocol : std::uint8_t { kYWebsocket, kHocuspocus };

class Editor;

// Waits for the sockets of all editors, and has the buffer that they read into.
class Epoll {
 public:
  Epoll();
  ~Epoll();
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;

  // Handles what there is, waiting at most so long for the first.
  void Run(std::uint64_t timeout_ns);

 private:
  friend class Editor;
  void Watch(int socket, Editor& editor, std::uint32_t events, int operation) const;

  int epoll_;
  std::vector<epoll_event> events_;
  std::string buffer_;
};

class Editor {
 public:
  struct Options {
    Protocol protocol = Protocol::kYWebsocket;
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::uint32_t source = 0;  // The address that it comes from, host order.
    std::string target;        // Of the request: "/yjs/name?token=...".
    std::string document;      // On Hocuspocus.
    std::string token;         // On Hocuspocus.
  };
  enum class State : std::uint8_t { kIdle, kConnecting, kUpgrading, kOpening, kSynced, kClosed };
  // What is in `update` is gone after the call. The answer to the first question comes before
  // the state is kSynced.
  using OnUpdate = std::function<void(Editor& editor, std::string_view update)>;

  Editor(Epoll& epoll, Options options, std::size_t number, OnUpdate on_update);
  ~Editor();
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  void Connect();
  void SendUpdate(std::string_view update);
  void Close();

  State state() const { return state_; }
  std::size_t number() const { return number_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  friend class Epoll;
  void OnReady(std::uint32_t events);
  void OnConnected();
  void Read();
  // How much of it was understood.
  std::size_t Consume(std::string_view bytes);
  std::size_t ConsumeUpgrade(std::string_view bytes);
  void OnMessage(std::string_view message);
  void Open();
  void Ask();
  void SendMessage(std::string_view message);
  void Send(std::string frame);
  void Flush();

  Epoll& epoll_;
  const Options options_;
  const std::size_t number_;
  const OnUpdate on_update_;
  const std::string key_;  // Before every message; empty on y-websocket.
  State state_ = State::kIdle;
  int socket_ = -1;
  std::string unread_;  // The begin of a frame.
  std::string unsent_;
  bool is_flushing_ = false;  // The socket is watched for room to write.
  std::uint64_t bytes_read_ = 0;
};

}  // namespace coterie::bench
