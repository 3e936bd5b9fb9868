#include "bench/realtime/editor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/check.h"
#include "bench/realtime/wire.h"
#include "crdt/lib0.h"
#include "yproto/frame.h"
#include "yproto/hocuspocus.h"

namespace coterie::bench {
namespace {

constexpr std::size_t kEventsMax = 512;
constexpr std::size_t kReadBytes = 256 << 10;
// yproto reads what clients say; these are what servers say on Hocuspocus.
constexpr std::uint64_t kSync = 0;
constexpr std::uint64_t kAuth = 2;
constexpr std::uint64_t kSyncReply = 4;
constexpr std::uint64_t kAuthenticated = 2;

sockaddr_in Address(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(host);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

// --- Epoll ---

Epoll::Epoll() : epoll_(epoll_create1(EPOLL_CLOEXEC)), events_(kEventsMax) {
  CHECK(epoll_ >= 0);
  buffer_.resize(kReadBytes);
}

Epoll::~Epoll() { close(epoll_); }

void Epoll::Watch(int socket, Editor& editor, std::uint32_t events, int operation) const {
  epoll_event event{.events = events, .data = {.ptr = &editor}};
  CHECK(epoll_ctl(epoll_, operation, socket, &event) == 0);
}

void Epoll::Run(std::uint64_t timeout_ns) {
  const timespec timeout = {.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000),
                            .tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000)};
  const int count = epoll_pwait2(epoll_, events_.data(), kEventsMax, &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    static_cast<Editor*>(event.data.ptr)->OnReady(event.events);
  }
}

// --- Editor ---

Editor::Editor(Epoll& epoll, Options options, std::size_t number, OnUpdate on_update)
    : epoll_(epoll),
      options_(std::move(options)),
      number_(number),
      on_update_(std::move(on_update)),
      key_(options_.protocol == Protocol::kHocuspocus ? yproto::EncodeKey(options_.document)
                                                      : std::string()) {}

Editor::~Editor() { Close(); }

void Editor::Connect() {
  CHECK(state_ == State::kIdle);
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHECK(socket_ >= 0);
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
  const sockaddr_in source = Address(options_.source, 0);
  CHECK(bind(socket_, reinterpret_cast<const sockaddr*>(&source), sizeof(source)) == 0);
  const sockaddr_in target = Address(INADDR_LOOPBACK, options_.port);
  const int connected =
      connect(socket_, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
  CHECK(connected == 0 || errno == EINPROGRESS);
  state_ = State::kConnecting;
  is_flushing_ = true;
  epoll_.Watch(socket_, *this, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

void Editor::Close() {
  if (socket_ >= 0) close(std::exchange(socket_, -1));
  state_ = State::kClosed;
}

void Editor::OnReady(std::uint32_t events) {
  if (state_ == State::kConnecting && (events & (EPOLLOUT | EPOLLERR)) != 0) OnConnected();
  if (socket_ >= 0 && (events & EPOLLOUT) != 0) Flush();
  if (socket_ >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) Read();
}

void Editor::OnConnected() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Close();
  state_ = State::kUpgrading;
  Send(UpgradeRequest(options_.host + ":" + std::to_string(options_.port), options_.target));
}

void Editor::Read() {
  const ssize_t read = recv(socket_, epoll_.buffer_.data(), epoll_.buffer_.size(), 0);
  if (read < 0 && errno == EAGAIN) return;
  if (read <= 0) return Close();
  bytes_read_ += static_cast<std::uint64_t>(read);
  const std::string_view bytes(epoll_.buffer_.data(), static_cast<std::size_t>(read));
  if (unread_.empty()) {
    const std::size_t consumed = Consume(bytes);
    if (consumed < bytes.size()) unread_ = bytes.substr(consumed);
    return;
  }
  unread_.append(bytes);
  if (const std::size_t consumed = Consume(unread_); consumed > 0) unread_.erase(0, consumed);
}

std::size_t Editor::Consume(std::string_view bytes) {
  std::size_t consumed = state_ == State::kUpgrading ? ConsumeUpgrade(bytes) : 0;
  if (state_ == State::kUpgrading) return 0;
  while (state_ != State::kClosed) {
    const std::optional<ServerFrame> frame = NextFrame(bytes.substr(consumed));
    if (!frame) break;
    consumed += frame->size_bytes;
    if (frame->opcode == Opcode::kBinary) {
      OnMessage(frame->payload);
    } else if (frame->opcode == Opcode::kPing) {
      Send(ClientFrame(Opcode::kPong, frame->payload));
    } else if (frame->opcode == Opcode::kClose) {
      Close();
    }
  }
  return consumed;
}

std::size_t Editor::ConsumeUpgrade(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  if (!bytes.starts_with("HTTP/1.1 101")) {
    Close();
    return bytes.size();
  }
  state_ = State::kOpening;
  Open();
  return end + 4;
}

void Editor::Open() {
  if (options_.protocol == Protocol::kYWebsocket) return Ask();
  crdt::Lib0Writer body;  // As provider 2 and 3 say it.
  body.VarUint(kAuth);
  body.VarUint(0);
  body.VarBytes(options_.token);
  SendMessage(body.view());
}

void Editor::Ask() {
  SendMessage(yproto::EncodeSync(yproto::SyncStep::kAsk, std::string_view("\0", 1)));
}

void Editor::OnMessage(std::string_view message) {
  crdt::Lib0Reader reader(message);
  if (options_.protocol == Protocol::kHocuspocus) reader.VarBytes();  // The document's key.
  while (reader.ok() && !reader.AtEnd()) {
    const std::uint64_t type = reader.VarUint();
    if (type == kAuth && options_.protocol == Protocol::kHocuspocus) {
      return reader.VarUint() == kAuthenticated && state_ == State::kOpening ? Ask() : void();
    }
    if (type != kSync && type != kSyncReply) return;  // Awareness and the like.
    yproto::Sync sync;
    if (yproto::ReadSync(reader, sync)) return;
    if (sync.step == yproto::SyncStep::kAsk) {
      if (type == kSyncReply) continue;
      SendMessage(yproto::EncodeSync(yproto::SyncStep::kAnswer, std::string_view("\0\0", 2)));
      continue;
    }
    on_update_(*this, sync.payload);
    if (sync.step == yproto::SyncStep::kAnswer && state_ == State::kOpening) {
      state_ = State::kSynced;
    }
  }
}

void Editor::SendUpdate(std::string_view update) {
  SendMessage(yproto::EncodeSync(yproto::SyncStep::kUpdate, update));
}

void Editor::SendMessage(std::string_view message) {
  if (key_.empty()) return Send(ClientFrame(Opcode::kBinary, message));
  std::string keyed = key_;
  keyed.append(message);
  Send(ClientFrame(Opcode::kBinary, keyed));
}

void Editor::Send(std::string frame) {
  if (socket_ < 0) return;
  if (!unsent_.empty()) {
    unsent_.append(frame);
    return;
  }
  unsent_ = std::move(frame);
  Flush();
}

void Editor::Flush() {
  if (!unsent_.empty()) {
    const ssize_t sent = send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return Close();
    unsent_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  if (unsent_.empty() == !is_flushing_) return;
  is_flushing_ = !unsent_.empty();
  epoll_.Watch(socket_, *this, is_flushing_ ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

}  // namespace coterie::bench
