#pragma once

// A small ear for the cluster page: whoever writes in a browser on a development cluster may kill
// one of its nodes and start it again. Part of `coterie up` alone, and of that only without
// --secure and in the foreground: no node serves it. Listens on the loopback interface; who asks
// must know a random token, which the nodes hand to their pages, and come from one of those pages.
//
//   GET  /TOKEN/nodes            {"nodes":[{"id":1,"isRunning":true},...]}
//   POST /TOKEN/nodes/1/kill     the same, when it is done
//   POST /TOKEN/nodes/1/start
//
// One request per connection, one after the other: a slow client delays the next for a moment at
// most. Main thread.

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/local_cluster.h"

namespace coterie::cli {

struct ControlRequest {
  enum class Verb : std::uint8_t { kList, kKill, kStart };
  Verb verb = Verb::kList;
  std::uint64_t node = 0;  // 0 with kList.
  std::string origin;      // Of the page; empty = no page asks.
};
// Of the head of an HTTP request, up to and with its empty line. Empty if it is no such request, or
// does not know the token.
std::optional<ControlRequest> ParseControlRequest(std::string_view head, std::string_view token);

class ControlServer {
 public:
  // kUnavailable: no port can be had.
  static absl::StatusOr<ControlServer> Open();
  ControlServer(ControlServer&& other) noexcept;
  ControlServer& operator=(ControlServer&&) = delete;
  ~ControlServer();

  // "http://127.0.0.1:PORT/TOKEN".
  std::string url() const;
  // Readable when somebody asks: then Serve(). `say` gets a line for the terminal.
  int fd() const { return fd_; }
  void Serve(LocalCluster& cluster, const std::function<void(const std::string&)>& say);
  // Whether this node is down because a page wanted it so.
  bool HasStopped(std::uint64_t node) const { return stopped_.contains(node); }
  bool HasStoppedAny() const { return !stopped_.empty(); }

 private:
  ControlServer(int fd, int port, std::string token)
      : fd_(fd), port_(port), token_(std::move(token)) {}
  std::string Answer(const ControlRequest& request, LocalCluster& cluster,
                     const std::function<void(const std::string&)>& say);

  int fd_;
  int port_;
  std::string token_;
  std::set<std::uint64_t> stopped_;
};

}  // namespace coterie::cli
