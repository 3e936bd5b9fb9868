#pragma once

// Nodes of one cluster as processes of this machine, for `up`, `down` and `demo`: starts, watches,
// stops, kills and freezes them. Each has a folder of its own (n1, n2 ...) with its log beside it;
// the file cluster.json says what was started, so that `down` finds it. Restarts nothing by itself.
// Main thread, which must have SIGCHLD blocked to be told of ends.

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace coterie::cli {

inline constexpr int kLocalNodesMax = 7;
inline constexpr int kPeerPortOffset = 100;
inline constexpr int kDefaultHttpPort = 8080;

struct LocalOptions {
  std::string data;  // The folder; made if it is not there.
  int nodes = 3;
  int grpc_port = 50053;  // Clients of node i: this + i - 1; other nodes: that + kPeerPortOffset.
  // HTTP of node i: this + i - 1; 0 = none. The default gives way to what is free.
  int http_port = kDefaultHttpPort;
  std::string web_root;                   // Folder of the web app; empty = none.
  std::vector<std::string> http_origins;  // Of pages elsewhere that may use the nodes.
  std::string control;                    // Of a ControlServer, for the nodes' pages; empty = none.
  bool secure = false;
  std::string restore_from;  // A backup that a new cluster begins with.
  // With secure: made an administrator in a cluster without users, with $COTERIE_PASSWORD.
  std::string admin;
  bool is_detached = false;                // The nodes outlive this process.
  bool is_temporary = false;               // The nodes end when this process dies, however it does.
  std::string node_program;                // Empty = coterie-node beside this program.
  std::vector<std::string> llm_addresses;  // Of model servers, for every node.
  // Of the way to these, PEM; empty = without TLS, or without a certificate of the nodes' own.
  std::string llm_authority;
  std::string llm_certificate;
  std::string llm_key;
};

struct LocalNode {
  std::uint64_t id = 0;
  std::string client_address;
  std::string peer_address;
  std::string http_address;  // Empty = none.
  std::string data;
  std::string log;
  pid_t pid = 0;  // 0 = not running.
  bool is_frozen = false;
};

// How a node ended that nobody had stopped.
struct NodeEnd {
  std::uint64_t id = 0;
  std::string how;  // "signal 9 (Killed)", "exit code 1".
};

class LocalCluster {
 public:
  // Starts all nodes. kAlreadyExists: it runs already; kFailedPrecondition: a port is taken, or the
  // folder holds a cluster of another size; kNotFound: no coterie-node.
  static absl::StatusOr<LocalCluster> Start(LocalOptions options);

  // Until a node says that it serves. kUnavailable with the end of a log when so many have ended
  // that none will; kCancelled soon after `is_given_up`, which is asked again and again.
  absl::Status WaitUntilServing(absl::Time deadline, const std::function<bool()>& is_given_up);
  // Who has ended meanwhile, and how, with the end of its log.
  const std::vector<NodeEnd>& ended_at_once() const { return ended_at_once_; }

  // SIGTERM to all, and SIGKILL to whom that does not end in time.
  void Stop(absl::Duration patience);
  void Kill(std::uint64_t id);
  void Freeze(std::uint64_t id);
  void Thaw(std::uint64_t id);
  absl::Status Restart(std::uint64_t id);
  // Takes note of ended children.
  std::vector<NodeEnd> Reap();

  const std::vector<LocalNode>& nodes() const { return nodes_; }
  const LocalNode* Find(std::uint64_t id) const;
  std::string addresses() const;  // Of the clients, with commas.
  bool IsRunning() const;
  // The shell command that starts this node as Start() did.
  std::string CommandLine(const LocalNode& node) const;

 private:
  explicit LocalCluster(LocalOptions options) : options_(std::move(options)) {}
  absl::Status Prepare();
  absl::Status PrepareRestore(bool is_there);
  absl::Status ChooseHttpPort();
  absl::Status Launch(LocalNode& node);
  std::vector<std::string> Arguments(const LocalNode& node) const;
  absl::Status SaveState() const;
  std::vector<pid_t> pids() const;

  LocalOptions options_;
  std::uint64_t cluster_id_ = 0;
  std::vector<LocalNode> nodes_;
  std::vector<NodeEnd> ended_at_once_;
};

// The default folder: StateFolder()/local.
std::string DefaultLocalFolder();

// Stops what Start() started in `data`, wherever that process is. The number of nodes stopped.
absl::StatusOr<int> StopLocal(const std::string& data, absl::Duration patience);

// A port such that it and the next nodes' ports, for clients and peers, are free; near `first`.
std::optional<int> FindFreePorts(int first, int nodes);

}  // namespace coterie::cli
