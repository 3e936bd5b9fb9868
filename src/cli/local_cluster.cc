#include "cli/local_cluster.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "backup/backup_file.h"
#include "cli/credentials_file.h"
#include "cli/explain.h"
#include "cli/local_process.h"
#include "cli/terminal.h"
#include "client/health.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr std::size_t kStateBytesMax = 1 << 20;
constexpr absl::Duration kLookEvery = absl::Milliseconds(20);

std::string StatePath(const std::string& data) { return data + "/cluster.json"; }

// The processes of the cluster in `data`, whoever started them. Found by what they run, because
// process ids are reused and a node may have been started again by hand.
std::vector<pid_t> RunningIn(const std::string& data) {
  std::vector<pid_t> pids;
  const std::string folder = std::string("\0--data\0", 8) + data + "/n";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const std::string line = CommandLineOf(pid);
    if (!absl::StrContains(line.substr(0, line.find('\0')), "coterie-node")) continue;
    if (absl::StrContains(line, folder)) pids.push_back(pid);
  }
  return pids;
}

absl::StatusOr<nlohmann::json> LoadState(const std::string& data) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(StatePath(data), kStateBytesMax));
  nlohmann::json state = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool is_whole = state.is_object() && state.contains("cluster_id") &&
                        state["cluster_id"].is_number_unsigned() && state.contains("nodes") &&
                        state["nodes"].is_array();
  if (!is_whole) {
    return Error(absl::StatusCode::kDataLoss, StatePath(data) + " is malformed",
                 "move the folder away, or choose another with --data");
  }
  return state;
}

}  // namespace

std::string DefaultLocalFolder() {
  const std::string state = StateFolder();
  return state.empty() ? std::string() : state + "/local";
}

std::optional<int> FindFreePorts(int first, int nodes) {
  for (int port = first; port + kPeerPortOffset + nodes < 65536 && port < first + 1000;
       port += 10) {
    bool is_free = true;
    for (int i = 0; is_free && i < nodes; ++i) {
      is_free = IsPortFree(port + i) && IsPortFree(port + kPeerPortOffset + i);
    }
    if (is_free) return port;
  }
  return std::nullopt;
}

absl::StatusOr<LocalCluster> LocalCluster::Start(LocalOptions options) {
  LocalCluster cluster(std::move(options));
  RETURN_IF_ERROR(cluster.Prepare());
  // Before any node writes the cluster's id into its folder: one that is not written down is lost.
  RETURN_IF_ERROR(cluster.SaveState());
  for (LocalNode& node : cluster.nodes_) {
    const absl::Status launched = cluster.Launch(node);
    if (launched.ok()) continue;
    cluster.Stop(absl::ZeroDuration());
    return launched;
  }
  if (absl::Status saved = cluster.SaveState(); !saved.ok()) {
    cluster.Stop(absl::ZeroDuration());
    return saved;
  }
  return cluster;
}

absl::Status LocalCluster::ChooseHttpPort() {
  const auto is_free = [this](int first) {
    for (int i = 0; i < options_.nodes; ++i) {
      if (!IsPortFree(first + i)) return false;
    }
    return true;
  };
  if (options_.http_port == 0) return absl::OkStatus();
  for (int port = options_.http_port; port < options_.http_port + 1'000; port += 10) {
    if (is_free(port)) {
      options_.http_port = port;
      return absl::OkStatus();
    }
    if (options_.http_port != kDefaultHttpPort) break;
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               absl::StrCat("port ", options_.http_port, " or one of the next is in use"),
               "choose others with --http-port, for example --http-port 9080; 0 = none");
}

absl::Status LocalCluster::PrepareRestore(bool is_there) {
  if (is_there) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat(options_.data, " holds a cluster already"),
                 "a backup becomes a new one: choose another --data");
  }
  RETURN_IF_ERROR(backup::Verify(options_.restore_from).status());
  options_.restore_from = std::filesystem::absolute(options_.restore_from).string();
  return absl::OkStatus();
}

absl::Status LocalCluster::Prepare() {
  options_.node_program = ProgramBeside(options_.node_program, "coterie-node");
  if (access(options_.node_program.c_str(), X_OK) != 0) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("the program ", options_.node_program, " is not there"),
                 "build it (./dev build), or say where it is with --node-program");
  }
  RETURN_IF_ERROR(MakeFolders(options_.data));
  options_.data = std::filesystem::canonical(options_.data).string();
  std::random_device device;
  cluster_id_ = (std::uint64_t{device()} << 32) | device();
  const absl::StatusOr<nlohmann::json> state = LoadState(options_.data);
  if (!state.ok() && !absl::IsNotFound(state.status())) return state.status();
  if (!options_.restore_from.empty()) RETURN_IF_ERROR(PrepareRestore(state.ok()));
  if (state.ok()) {
    cluster_id_ = (*state)["cluster_id"].get<std::uint64_t>();
    if (!RunningIn(options_.data).empty()) {
      return Error(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("a cluster is running from ", options_.data),
                   "use it, stop it with `coterie down`, or choose another --data");
    }
    if (static_cast<int>((*state)["nodes"].size()) != options_.nodes) {
      return Error(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat(options_.data, " holds a cluster of ", (*state)["nodes"].size(),
                       " nodes, not ", options_.nodes),
          absl::StrCat("say --nodes ", (*state)["nodes"].size(), ", or choose another --data"));
    }
  }
  RETURN_IF_ERROR(ChooseHttpPort());
  for (int i = 0; i < options_.nodes; ++i) {
    const int port = options_.grpc_port + i;
    for (const int taken : {port, port + kPeerPortOffset}) {
      if (IsPortFree(taken)) continue;
      return Error(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("port ", taken, " is in use by another program"),
                   "choose others with --grpc-port, for example --grpc-port 51053");
    }
    const std::string folder = absl::StrCat(options_.data, "/n", i + 1);
    RETURN_IF_ERROR(MakeFolders(folder));
    nodes_.push_back({.id = static_cast<std::uint64_t>(i + 1),
                      .client_address = absl::StrCat("127.0.0.1:", port),
                      .peer_address = absl::StrCat("127.0.0.1:", port + kPeerPortOffset),
                      .http_address = options_.http_port == 0
                                          ? std::string()
                                          : absl::StrCat("127.0.0.1:", options_.http_port + i),
                      .data = folder,
                      .log = folder + ".log"});
  }
  return absl::OkStatus();
}

std::vector<std::string> LocalCluster::Arguments(const LocalNode& node) const {
  std::vector<std::string> arguments = {options_.node_program,
                                        "--id",
                                        absl::StrCat(node.id),
                                        "--cluster-id",
                                        absl::StrCat(cluster_id_),
                                        "--data",
                                        node.data,
                                        "--listen",
                                        node.client_address,
                                        "--peer-listen",
                                        node.peer_address};
  for (const LocalNode& founder : nodes_) {
    arguments.push_back("--founder");
    arguments.push_back(
        absl::StrCat(founder.id, "=", founder.peer_address, "=", founder.client_address));
  }
  if (!node.http_address.empty()) {
    arguments.insert(arguments.end(), {"--http-listen", node.http_address});
    if (!options_.web_root.empty()) {
      arguments.insert(arguments.end(), {"--web-root", options_.web_root});
    }
    // A page of one node goes to another when its own is gone.
    for (const LocalNode& other : nodes_) {
      const std::string port = absl::StrCat(options_.http_port + static_cast<int>(other.id) - 1);
      arguments.insert(arguments.end(), {"--http-origin", "http://127.0.0.1:" + port,
                                         "--http-origin", "http://localhost:" + port});
    }
    for (const std::string& origin : options_.http_origins) {
      arguments.insert(arguments.end(), {"--http-origin", origin});
    }
    // Who writes an editor of their own serves its page from a port of this machine. Others'
    // programs here could ask the nodes without a browser as well.
    if (!options_.secure) {
      arguments.insert(arguments.end(), {"--http-origin", "http://127.0.0.1:*", "--http-origin",
                                         "http://localhost:*"});
    }
    if (!options_.control.empty()) {
      arguments.insert(arguments.end(), {"--control", options_.control});
    }
  }
  for (const std::string& address : options_.llm_addresses) {
    arguments.insert(arguments.end(), {"--llm", address});
  }
  for (const auto& [flag, file] : {std::pair("--llm-tls-ca", &options_.llm_authority),
                                   std::pair("--llm-tls-cert", &options_.llm_certificate),
                                   std::pair("--llm-tls-key", &options_.llm_key)}) {
    if (!file->empty()) arguments.insert(arguments.end(), {flag, *file});
  }
  if (!options_.restore_from.empty()) {
    arguments.insert(arguments.end(), {"--restore", options_.restore_from});
  }
  if (options_.secure) arguments.push_back("--secure");
  if (!options_.admin.empty()) {
    arguments.push_back("--admin");
    arguments.push_back(options_.admin);
  }
  return arguments;
}

std::string LocalCluster::CommandLine(const LocalNode& node) const {
  return absl::StrJoin(Arguments(node), " ");
}

absl::Status LocalCluster::Launch(LocalNode& node) {
  ASSIGN_OR_RETURN(node.pid,
                   StartProcess(Arguments(node), node.log,
                                options_.is_temporary ? Lifetime::kOfParent : Lifetime::kOwn));
  node.is_frozen = false;
  return absl::OkStatus();
}

absl::Status LocalCluster::SaveState() const {
  nlohmann::json state = {{"v", 1},
                          {"cluster_id", cluster_id_},
                          {"supervisor_pid", options_.is_detached ? 0 : getpid()},
                          {"nodes", nlohmann::json::array()}};
  for (const LocalNode& node : nodes_) {
    state["nodes"].push_back({{"id", node.id},
                              {"pid", node.pid},
                              {"data", node.data},
                              {"client_address", node.client_address},
                              {"peer_address", node.peer_address}});
  }
  return WritePrivateFile(StatePath(options_.data), state.dump(2) + "\n");
}

absl::Status LocalCluster::WaitUntilServing(absl::Time deadline,
                                            const std::function<bool()>& is_given_up) {
  std::vector<std::unique_ptr<client::Connection>> connections;
  for (const LocalNode& node : nodes_) {
    connections.push_back(
        std::make_unique<client::Connection>(node.client_address, client::Credentials()));
  }
  absl::Status last = absl::UnavailableError("no node was asked");
  while (absl::Now() < deadline) {
    for (NodeEnd& end : Reap()) {
      const std::string& log = Find(end.id)->log;
      absl::StrAppend(&end.how, "\n", LogEnd(log));
      ended_at_once_.push_back(end);
      // The others serve without it, if they are a majority.
      if (2 * ended_at_once_.size() < nodes_.size()) continue;
      return Error(absl::StatusCode::kUnavailable,
                   absl::StrCat("node n", end.id, " has ended at once: ", end.how),
                   absl::StrCat("read ", log));
    }
    if (is_given_up()) return absl::CancelledError("interrupted");
    for (const auto& connection : connections) {
      last = client::CheckHealth(*connection, std::min(deadline, absl::Now() + absl::Seconds(1)));
      if (last.ok()) return last;
    }
    WaitForAnEnd(pids(), kLookEvery);
  }
  return Error(absl::StatusCode::kUnavailable,
               absl::StrCat("the nodes run, but none serves: ", last.message()),
               absl::StrCat("read ", nodes_.front().log));
}

std::vector<NodeEnd> LocalCluster::Reap() {
  std::vector<NodeEnd> ends;
  for (LocalNode& node : nodes_) {
    std::optional<std::string> how = ReapProcess(node.pid);
    if (!how) continue;
    node.pid = 0;
    node.is_frozen = false;
    ends.push_back({.id = node.id, .how = *std::move(how)});
  }
  return ends;
}

void LocalCluster::Stop(absl::Duration patience) {
  for (const LocalNode& node : nodes_) {
    if (node.pid == 0) continue;
    kill(node.pid, SIGTERM);
    kill(node.pid, SIGCONT);
  }
  const absl::Time give_up_at = absl::Now() + patience;
  for (Reap(); IsRunning() && absl::Now() < give_up_at; Reap()) WaitForAnEnd(pids(), kLookEvery);
  for (LocalNode& node : nodes_) {
    if (node.pid == 0) continue;
    kill(node.pid, SIGKILL);
    waitpid(node.pid, nullptr, 0);
    node.pid = 0;
  }
}

const LocalNode* LocalCluster::Find(std::uint64_t id) const {
  const auto found =
      std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node.id == id; });
  return found == nodes_.end() ? nullptr : &*found;
}

void LocalCluster::Kill(std::uint64_t id) {
  if (const LocalNode* node = Find(id); node != nullptr && node->pid != 0) {
    kill(node->pid, SIGKILL);
  }
}

void LocalCluster::Freeze(std::uint64_t id) {
  for (LocalNode& node : nodes_) {
    if (node.id != id || node.pid == 0) continue;
    kill(node.pid, SIGSTOP);
    node.is_frozen = true;
  }
}

void LocalCluster::Thaw(std::uint64_t id) {
  for (LocalNode& node : nodes_) {
    if (node.id != id || node.pid == 0) continue;
    kill(node.pid, SIGCONT);
    node.is_frozen = false;
  }
}

absl::Status LocalCluster::Restart(std::uint64_t id) {
  for (LocalNode& node : nodes_) {
    if (node.id != id || node.pid != 0) continue;
    RETURN_IF_ERROR(Launch(node));
    return SaveState();
  }
  return absl::NotFoundError(absl::StrCat("n", id, " is running, or not there"));
}

std::string LocalCluster::addresses() const {
  std::vector<std::string> addresses;
  for (const LocalNode& node : nodes_) addresses.push_back(node.client_address);
  return absl::StrJoin(addresses, ",");
}

std::vector<pid_t> LocalCluster::pids() const {
  std::vector<pid_t> pids;
  for (const LocalNode& node : nodes_) {
    if (node.pid != 0) pids.push_back(node.pid);
  }
  return pids;
}

bool LocalCluster::IsRunning() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node.pid != 0; });
}

absl::StatusOr<int> StopLocal(const std::string& data, absl::Duration patience) {
  RETURN_IF_ERROR(LoadState(data).status());
  std::error_code error;
  const std::string folder = std::filesystem::canonical(data, error).string();
  std::vector<pid_t> pids = RunningIn(folder);
  const int count = static_cast<int>(pids.size());
  for (const pid_t pid : pids) {
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
  }
  const absl::Time give_up_at = absl::Now() + patience;
  while (!pids.empty() && absl::Now() < give_up_at) {
    WaitForAnEnd(pids, kLookEvery);
    pids = RunningIn(folder);  // A zombie has no command line any more.
  }
  for (const pid_t pid : pids) kill(pid, SIGKILL);
  return count;
}

}  // namespace coterie::cli
