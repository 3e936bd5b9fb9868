#include "cli/control_server.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

namespace coterie::cli {
namespace {

constexpr std::size_t kHeadBytesMax = 8 << 10;
constexpr absl::Duration kPatience = absl::Milliseconds(500);
constexpr int kWaitingMax = 16;
constexpr char kHeadEnd[] = "\r\n\r\n";

std::string RandomToken() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 6; ++i) absl::StrAppend(&token, absl::Hex(device(), absl::kZeroPad8));
  return token;
}

// Compares all of it, so that its time tells nothing of where they differ.
bool IsToken(absl::string_view given, absl::string_view token) {
  if (given.size() != token.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < token.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ token[i]);
  }
  return difference == 0;
}

std::string HeaderIn(const std::vector<absl::string_view>& lines, absl::string_view name) {
  for (const absl::string_view line : lines) {
    const std::size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    if (!absl::EqualsIgnoreCase(line.substr(0, colon), name)) continue;
    return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return {};
}

bool IsPageOf(const LocalCluster& cluster, const std::string& origin) {
  for (const LocalNode& node : cluster.nodes()) {
    const std::string port = node.http_address.substr(node.http_address.rfind(':') + 1);
    if (origin == "http://127.0.0.1:" + port || origin == "http://localhost:" + port) return true;
  }
  return false;
}

// What was read when the head was whole, the time over, or too much had come.
std::string ReadHead(int client) {
  std::string head;
  const absl::Time give_up_at = absl::Now() + kPatience;
  while (head.find(kHeadEnd) == std::string::npos && head.size() < kHeadBytesMax) {
    pollfd waiting{.fd = client, .events = POLLIN, .revents = 0};
    const absl::Duration left = give_up_at - absl::Now();
    if (left <= absl::ZeroDuration()) return {};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) return {};
    char piece[2'048];
    const ssize_t size = recv(client, piece, sizeof(piece), MSG_DONTWAIT);
    if (size <= 0) return {};
    head.append(piece, static_cast<std::size_t>(size));
  }
  return head;
}

void WriteAnswer(int client, absl::string_view status, const std::string& origin,
                 const std::string& body) {
  const std::string allowed = origin.empty()
                                  ? std::string()
                                  : absl::StrCat("Access-Control-Allow-Origin: ", origin, "\r\n");
  const std::string answer = absl::StrCat(
      "HTTP/1.1 ", status, "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
      "\r\n", allowed, "Vary: Origin\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
      body);
  // So little that it fits into the socket's buffer; who does not read it has lost it.
  static_cast<void>(send(client, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace

std::optional<ControlRequest> ParseControlRequest(std::string_view head, std::string_view token) {
  if (head.find(kHeadEnd) == std::string_view::npos) return std::nullopt;
  const std::vector<absl::string_view> lines =
      absl::StrSplit(absl::string_view(head.data(), head.size()), "\r\n");
  const std::vector<absl::string_view> first = absl::StrSplit(lines[0], ' ');
  if (first.size() != 3 || !absl::StartsWith(first[2], "HTTP/1.")) return std::nullopt;
  const std::vector<absl::string_view> path = absl::StrSplit(first[1], '/');
  if (path.size() < 3 || !path[0].empty() || !IsToken(path[1], {token.data(), token.size()}) ||
      path[2] != "nodes") {
    return std::nullopt;
  }
  ControlRequest request{.origin = HeaderIn(lines, "Origin")};
  if (path.size() == 3 && first[0] == "GET") return request;
  if (path.size() != 5 || first[0] != "POST" || !absl::SimpleAtoi(path[3], &request.node)) {
    return std::nullopt;
  }
  if (path[4] == "kill") {
    request.verb = ControlRequest::Verb::kKill;
  } else if (path[4] == "start") {
    request.verb = ControlRequest::Verb::kStart;
  } else {
    return std::nullopt;
  }
  return request;
}

absl::StatusOr<ControlServer> ControlServer::Open() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::UnavailableError("no socket can be had");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(fd, kWaitingMax) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    close(fd);
    return absl::UnavailableError("no port of the loopback interface can be had");
  }
  return ControlServer(fd, ntohs(address.sin_port), RandomToken());
}

ControlServer::ControlServer(ControlServer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      port_(other.port_),
      token_(std::move(other.token_)),
      stopped_(std::move(other.stopped_)) {}

ControlServer::~ControlServer() {
  if (fd_ >= 0) close(fd_);
}

std::string ControlServer::url() const {
  return absl::StrCat("http://127.0.0.1:", port_, "/", token_);
}

void ControlServer::Serve(LocalCluster& cluster,
                          const std::function<void(const std::string&)>& say) {
  const int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const std::optional<ControlRequest> request = ParseControlRequest(ReadHead(client), token_);
  if (!request) {
    WriteAnswer(client, "404 Not Found", {}, "{}");
  } else if (!request->origin.empty() && !IsPageOf(cluster, request->origin)) {
    WriteAnswer(client, "403 Forbidden", {}, "{}");
  } else {
    WriteAnswer(client, "200 OK", request->origin, Answer(*request, cluster, say));
  }
  close(client);
}

std::string ControlServer::Answer(const ControlRequest& request, LocalCluster& cluster,
                                  const std::function<void(const std::string&)>& say) {
  using enum ControlRequest::Verb;
  const LocalNode* wanted = cluster.Find(request.node);
  if (request.verb == kKill && wanted != nullptr && wanted->pid != 0) {
    stopped_.insert(request.node);
    cluster.Kill(request.node);
    say(absl::StrCat("n", request.node, " was killed from the cluster page"));
  }
  if (request.verb == kStart && wanted != nullptr && wanted->pid == 0) {
    const absl::Status started = cluster.Restart(request.node);
    if (started.ok()) stopped_.erase(request.node);
    say(started.ok() ? absl::StrCat("n", request.node, " starts again, from the cluster page")
                     : std::string(started.message()));
  }
  nlohmann::json nodes = nlohmann::json::array();
  for (const LocalNode& node : cluster.nodes()) {
    // One that was killed a moment ago is not reaped yet.
    const bool is_running = node.pid != 0 && !stopped_.contains(node.id);
    nodes.push_back({{"id", node.id}, {"isRunning", is_running}});
  }
  return nlohmann::json({{"nodes", nodes}}).dump();
}

}  // namespace coterie::cli
