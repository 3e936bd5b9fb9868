#include "tests/link_proxy.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "base/check.h"

namespace coterie::tests {
namespace {

constexpr int kPollMs = 2;
constexpr std::size_t kReadBytes = 64 << 10;
// What waits per direction; beyond it the sender waits.
constexpr std::size_t kWaitingBytesMax = 4 << 20;

sockaddr_in AddressOf(const std::string& address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

int NewSocket() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CHECK(file >= 0);
  const int yes = 1;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return file;
}

// The inode of the socket at this end of a connection on this machine, by one of the kernel's
// tables; see proc(5).
std::optional<std::uint64_t> FindInode(const char* table_path, std::uint16_t local_port,
                                       std::uint16_t remote_port) {
  constexpr std::size_t kLocal = 1;
  constexpr std::size_t kRemote = 2;
  constexpr std::size_t kInode = 9;
  std::ifstream table(table_path);
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::vector<std::string> words;
    for (std::string word; fields >> word;) words.push_back(word);
    if (words.size() <= kInode) continue;
    const auto port = [](const std::string& text) {
      return std::stoul(text.substr(text.find(':') + 1), nullptr, 16);
    };
    if (port(words[kLocal]) == local_port && port(words[kRemote]) == remote_port) {
      return std::stoull(words[kInode]);
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> SocketInode(std::uint16_t local_port, std::uint16_t remote_port) {
  const auto inode = FindInode("/proc/net/tcp", local_port, remote_port);
  // gRPC's sockets are of IPv6 and reach IPv4 too.
  return inode ? inode : FindInode("/proc/net/tcp6", local_port, remote_port);
}

bool HasSocket(pid_t process, std::uint64_t inode) {
  const std::string wanted = absl::StrCat("socket:[", inode, "]");
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", process, "/fd"), error)) {
    if (std::filesystem::read_symlink(file.path(), error).string() == wanted) return true;
  }
  return false;
}

}  // namespace

LinkProxy::LinkProxy() : thread_([this] { Run(); }) {}

LinkProxy::~LinkProxy() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  thread_.join();
  absl::MutexLock lock(&mutex_);
  for (const Door& door : doors_) close(door.socket);
  for (const Connection& connection : connections_) {
    close(connection.forth.source);
    close(connection.forth.target);
  }
}

void LinkProxy::Serve(std::uint64_t id, const std::string& address, const std::string& target) {
  const int file = NewSocket();
  const sockaddr_in own = AddressOf(address);
  CHECK(bind(file, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0);
  CHECK(listen(file, SOMAXCONN) == 0);
  absl::MutexLock lock(&mutex_);
  doors_.push_back({.id = id, .target = target, .socket = file});
}

void LinkProxy::SetProcess(std::uint64_t id, pid_t process) {
  absl::MutexLock lock(&mutex_);
  processes_[id] = process;
}

void LinkProxy::Cut(std::uint64_t from, std::uint64_t to) {
  absl::MutexLock lock(&mutex_);
  cuts_.insert({from, to});
}

void LinkProxy::CutBothWays(std::uint64_t a, std::uint64_t b) {
  Cut(a, b);
  Cut(b, a);
}

void LinkProxy::Heal() {
  absl::MutexLock lock(&mutex_);
  cuts_.clear();
}

void LinkProxy::SetDelay(absl::Duration delay) {
  absl::MutexLock lock(&mutex_);
  delay_ = delay;
}

std::uint64_t LinkProxy::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

bool LinkProxy::IsCut(const Way& way) const { return cuts_.contains({way.from, way.to}); }

// The end of a connection is told like all else: not over a link that is cut.
bool LinkProxy::HasEnded(const Way& way) const {
  return way.is_ended && (way.waiting.empty() || !IsCut(way));
}

std::uint64_t LinkProxy::WhoseIs(int socket) const {
  sockaddr_in remote{};
  sockaddr_in local{};
  socklen_t size = sizeof(remote);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&remote), &size) != 0) return 0;
  size = sizeof(local);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) return 0;
  const auto inode = SocketInode(ntohs(remote.sin_port), ntohs(local.sin_port));
  if (!inode) return 0;
  for (const auto& [id, process] : processes_) {
    if (HasSocket(process, *inode)) return id;
  }
  return 0;
}

void LinkProxy::Accept(const Door& door) {
  const int source = accept4(door.socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (source < 0) return;
  const std::uint64_t from = WhoseIs(source);
  const int target = NewSocket();
  const sockaddr_in address = AddressOf(door.target);
  const int connected =
      connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  // One whose owner is gone already, or unknown, could not be cut.
  if (from == 0 || (connected != 0 && errno != EINPROGRESS)) {
    close(source);
    close(target);
    return;
  }
  const int yes = 1;
  setsockopt(source, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  connections_.push_back(
      {.forth = {.from = from, .to = door.id, .source = source, .target = target},
       .back = {.from = door.id, .to = from, .source = target, .target = source}});
}

void LinkProxy::Read(Way& way, absl::Time now) {
  std::array<char, kReadBytes> bytes{};
  const ssize_t size = recv(way.source, bytes.data(), bytes.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return;
  if (size <= 0) {
    way.is_ended = true;
    return;
  }
  way.waiting.push_back(
      {.due = now + delay_, .bytes = std::string(bytes.data(), static_cast<std::size_t>(size))});
  way.waiting_bytes += static_cast<std::size_t>(size);
}

void LinkProxy::Write(Way& way, absl::Time now) {
  while (!way.waiting.empty() && way.waiting.front().due <= now && !IsCut(way)) {
    std::string& bytes = way.waiting.front().bytes;
    const ssize_t size = send(way.target, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return;
    if (size < 0) {
      way.is_ended = true;
      return;
    }
    bytes_ += static_cast<std::uint64_t>(size);
    way.waiting_bytes -= static_cast<std::size_t>(size);
    bytes.erase(0, static_cast<std::size_t>(size));
    if (!bytes.empty()) return;
    way.waiting.pop_front();
  }
}

void LinkProxy::Run() {
  while (true) {
    std::vector<pollfd> polled;
    {
      absl::MutexLock lock(&mutex_);
      if (is_stopping_) return;
      for (const Door& door : doors_) polled.push_back({.fd = door.socket, .events = POLLIN});
      for (const Connection& connection : connections_) {
        for (const Way* way : {&connection.forth, &connection.back}) {
          const bool has_room = way->waiting_bytes < kWaitingBytesMax;
          if (has_room) polled.push_back({.fd = way->source, .events = POLLIN});
        }
      }
    }
    static_cast<void>(poll(polled.data(), polled.size(), kPollMs));
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    const auto is_ready = [&polled](int file) {
      return std::ranges::any_of(
          polled, [file](const pollfd& one) { return one.fd == file && one.revents != 0; });
    };
    for (const Door& door : doors_) {
      if (is_ready(door.socket)) Accept(door);
    }
    for (Connection& connection : connections_) {
      for (Way* way : {&connection.forth, &connection.back}) {
        if (is_ready(way->source)) Read(*way, now);
        Write(*way, now);
      }
    }
    for (auto connection = connections_.begin(); connection != connections_.end();) {
      if (!HasEnded(connection->forth) && !HasEnded(connection->back)) {
        ++connection;
        continue;
      }
      close(connection->forth.source);
      close(connection->forth.target);
      connection = connections_.erase(connection);
    }
  }
}

}  // namespace coterie::tests
