// coterie-node: one member of a cluster as a process. Reads the flags, starts node and servers,
// waits for SIGTERM or SIGINT, and leaves in good order: leadership handed over, calls finished.

#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "bin/loopback.h"
#include "bin/node_options.h"
#include "bin/toml_config.h"
#include "gateway/gateway.h"
#include "node/node.h"
#include "rpc/passwords.h"
#include "rpc/peer_streams.h"
#include "rpc/server.h"
#include "runtime/version.h"

namespace coterie::bin {
namespace {

constexpr int kExitStart = 1;
constexpr int kExitFlags = 2;
constexpr absl::Duration kHandOverTimeout = absl::Seconds(2);
constexpr absl::Duration kSocketsTimeout = absl::Seconds(1);
constexpr absl::Duration kDrainTimeout = absl::Seconds(5);
constexpr std::uint64_t kTicksPerElectionTimeout = 20;
// That a node with all its sockets may need: the log, the store, the other nodes, gRPC's clients.
constexpr std::size_t kFilesBesideSockets = 4'096;
// Fewer are worth a warning.
constexpr std::size_t kFewSockets = 4'096;

int Fail(int code, const std::string& message) {
  static_cast<void>(std::fprintf(stderr, "coterie-node: %s\n", message.c_str()));
  return code;
}

// Takes all open files that the system lets this process have; how many these are. By default most
// systems give a process 1024 until it asks: as many as one visitor may open sockets, and then the
// log could open no file.
std::size_t RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1'024;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (before != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return limit.rlim_cur;
}

// How many of so many files may be sockets of the HTTP port.
std::size_t SocketsFor(std::size_t files) {
  const std::size_t spare = std::min(kFilesBesideSockets, files / 2);
  return std::min(gateway::kSocketsMax, files - spare);
}

void AddHttpFlags(CLI::App& app, NodeOptions& options) {
  app.add_option("--http-listen", options.http_listen,
                 "HOST:PORT for browsers: WebSockets, the API as JSON, metrics, the web app");
  app.add_option("--http-threads", options.http_threads, "Threads that serve it")
      ->capture_default_str();
  app.add_option("--http-origin", options.http_origins,
                 "Origin of pages that may use this node beside its own; repeat; * = any");
  app.add_option("--http-host", options.http_hosts,
                 "Name that this node is called by in addresses; repeat");
  app.add_option("--http-sockets-per-address", options.http_sockets_per_address,
                 "Connections that one address may have open")
      ->capture_default_str();
  app.add_option("--http-trusted-proxy", options.http_trusted_proxies,
                 "Address or network of reverse proxies whose X-Forwarded-For says who visits; "
                 "repeat");
  app.add_flag("--http-open-metrics", options.has_open_metrics,
               "Show /metrics to anyone; else a session's token is needed");
  app.add_option("--web-root", options.web_root, "Folder of the built web app");
  app.add_option(
      "--control", options.control,
      "Given by `coterie up` to nodes of a development cluster: where its pages may stop "
      "and start them");
}

void AddTlsFlags(CLI::App& app, rpc::TlsFiles& files) {
  app.add_option("--tls-cert", files.certificate,
                 "TLS for clients: certificate chain of the ports for clients and HTTP, PEM");
  app.add_option("--tls-key", files.key, "Its key, PEM");
  app.add_option("--tls-ca", files.authority,
                 "Who signs those of the other nodes, PEM; default: whom this machine trusts");
  app.add_option("--peer-tls-cert", files.peer_certificate,
                 "TLS between nodes: this node's certificate chain, PEM");
  app.add_option("--peer-tls-key", files.peer_key, "Its key, PEM");
  app.add_option("--peer-tls-ca", files.peer_authority,
                 "Who signs those of nodes, and of nobody else, PEM");
  app.add_option("--llm-tls-ca", files.llm_authority,
                 "TLS to the servers of --llm: who signs their certificates, PEM");
  app.add_option("--llm-tls-cert", files.llm_certificate,
                 "What this node shows to those that want a certificate, PEM");
  app.add_option("--llm-tls-key", files.llm_key, "Its key, PEM");
}

void AddFlags(CLI::App& app, NodeOptions& options, std::vector<std::string>& founders) {
  app.add_option("--id", options.id, "This node's number in the cluster, for all time")->required();
  app.add_option("--cluster-id", options.cluster_id, "The cluster's number, the same on all nodes")
      ->required();
  app.add_option("--data", options.data_path, "Folder of this node's own for log and state")
      ->required();
  app.add_option("--listen", options.listen, "HOST:PORT for clients")->required();
  app.add_option("--peer-listen", options.peer_listen, "HOST:PORT for the other nodes")->required();
  app.add_option("--advertise", options.advertise, "Where clients reach it; default: --listen");
  app.add_option("--peer-advertise", options.peer_advertise,
                 "Where nodes reach it; default: --peer-listen");
  app.add_option("--founder", founders, "ID=PEER=CLIENT of a founding member; repeat for each");
  app.add_flag("--join", options.joins, "Wait to be added to an existing cluster");
  app.add_option("--restore", options.restore_from,
                 "Backup that a new cluster begins with, the same file on every founder");
  app.add_flag("--secure", options.is_secure,
               "Only users made by an administrator log in; else a first login makes the user");
  app.add_option("--admin", options.admin,
                 "Administrator to make if there are no users; password in COTERIE_PASSWORD");
  AddHttpFlags(app, options);
  AddTlsFlags(app, options.tls);
  app.add_option("--llm", options.llm_addresses,
                 "HOST:PORT of a coterie-llm that this node may ask; repeat for each");
  app.add_option("--spelling", options.language,
                 "Language of the built-in assistant, as hunspell's dictionaries are named")
      ->capture_default_str();
  app.add_option(
         "--user-calls-per-second", options.user_calls_per_second,
         "Calls that one user may begin on this node, for two seconds twice as many; 0 = no limit")
      ->capture_default_str();
  app.add_option("--election-timeout-ms", options.election_timeout_ms,
                 "Silence of the leader after which another is elected")
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "Least level that is logged to stderr")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
}

void LogNotice(const node::Notice& notice) {
  const bool is_warning = notice.level == node::Notice::Level::kWarning;
  spdlog::log(is_warning ? spdlog::level::warn : spdlog::level::info, "{}", notice.text);
}

node::Options ToNode(const NodeOptions& options) {
  node::Options result{.data_path = options.data_path,
                       .id = NodeId(options.id),
                       .cluster_id = options.cluster_id,
                       .founders = options.founders,
                       .restore_from = options.restore_from,
                       .peer_address = options.peer_advertise,
                       .client_address = options.advertise};
  result.on_notice = LogNotice;
  result.election_timeout_ticks = kTicksPerElectionTimeout;
  result.tick = absl::Milliseconds(static_cast<double>(options.election_timeout_ms)) /
                kTicksPerElectionTimeout;
  return result;
}

gateway::Options ToGateway(const NodeOptions& options, std::size_t sockets_max) {
  return {.listen = options.http_listen,
          .threads = options.http_threads,
          .origins = options.http_origins,
          .hosts = options.http_hosts,
          .web_root = options.web_root,
          .control = options.control,
          .tls_certificate = options.tls.certificate,
          .tls_key = options.tls.key,
          .open_metrics = options.has_open_metrics ? gateway::OpenMetrics::kToAnyone
                                                   : gateway::OpenMetrics::kToSessions,
          .sockets_max = sockets_max,
          .sockets_per_address_max = options.http_sockets_per_address,
          .trusted_proxies = options.http_trusted_proxies};
}

// So that the others need not first notice that this node is gone.
void HandOver(node::Node& node) {
  if (node.status().role != raft::Role::kLeader) return;
  // Shared: the answer may come when nobody waits any more.
  const auto done = std::make_shared<absl::Notification>();
  node.TransferLeadership(
      NodeId(), absl::Now() + kHandOverTimeout, [done](const absl::StatusOr<NodeId>& leader) {
        if (leader.ok()) {
          spdlog::info("leadership handed over to node {}", leader->value());
        } else {
          spdlog::warn("leadership not handed over: {}", std::string(leader.status().message()));
        }
        done->Notify();
      });
  done->WaitForNotificationWithTimeout(kHandOverTimeout + absl::Milliseconds(100));
}

// What people wrote goes to the language model.
void WarnOfOpenWay(const NodeOptions& options) {
  if (!options.tls.llm_authority.empty()) return;
  for (const std::string& address : options.llm_addresses) {
    if (IsLoopback(address)) continue;
    spdlog::warn(
        "texts go to the language model at {} without TLS: whoever is on the way can "
        "read them; see --llm-tls-ca",
        address);
  }
}

// Of the first administrator; empty if there is none in the environment.
std::string FirstPassword() {
  const char* password = std::getenv("COTERIE_PASSWORD");
  return password == nullptr ? std::string() : std::string(password);
}

// Where the cluster is, so is its administrator, and the password may be taken away.
absl::Status CheckFirstPassword(const NodeOptions& options) {
  if (options.admin.empty()) return absl::OkStatus();
  const std::size_t bytes = FirstPassword().size();
  if (bytes > rpc::kPasswordBytesMax) {
    return absl::InvalidArgumentError(
        "--admin: its password, in COTERIE_PASSWORD, is longer than 1024 bytes");
  }
  std::error_code error;
  const bool is_new = !std::filesystem::exists(options.data_path, error) ||
                      std::filesystem::is_empty(options.data_path, error);
  if (bytes > 0 || options.joins || !is_new) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--admin: its password is not in COTERIE_PASSWORD; set that, for the first start");
}

int Run(const NodeOptions& options, const sigset_t& signals) {
  const std::size_t files = RaiseFileLimit();
  const std::size_t sockets_max = SocketsFor(files);
  if (sockets_max < gateway::kSocketsMax) {
    spdlog::log(sockets_max < kFewSockets ? spdlog::level::warn : spdlog::level::info,
                "this process may open {} files, so it takes {} sockets; raise the limit "
                "(ulimit -Hn, LimitNOFILE=) for more",
                files, sockets_max);
  }
  absl::StatusOr<rpc::Tls> tls = rpc::Tls::Load(options.tls);
  if (!tls.ok()) return Fail(kExitFlags, std::string(tls.status().message()));
  WarnOfOpenWay(options);
  for (const std::string& warning : WarningsOf(options)) spdlog::warn(warning);
  rpc::PeerStreams peers(options.cluster_id, NodeId(options.id), tls->ToPeers(), LogNotice);
  absl::StatusOr<std::unique_ptr<node::Node>> node = node::Node::Start(ToNode(options), peers);
  if (!node.ok()) {
    return Fail(kExitStart, "cannot start: " + std::string(node.status().message()));
  }
  const rpc::ServerOptions server_options{
      .client_listen = options.listen,
      .peer_listen = options.peer_listen,
      .cluster_id = options.cluster_id,
      .is_secure = options.is_secure,
      .tls = *std::move(tls),
      .llm_addresses = options.llm_addresses,
      .user_calls_per_second = static_cast<double>(options.user_calls_per_second),
      .language = options.language};
  absl::StatusOr<std::unique_ptr<rpc::Server>> server = rpc::Server::Start(**node, server_options);
  if (!server.ok()) {
    return Fail(kExitStart, "cannot start: " + std::string(server.status().message()));
  }
  std::unique_ptr<gateway::Gateway> http;
  if (!options.http_listen.empty()) {
    absl::StatusOr<std::unique_ptr<gateway::Gateway>> started =
        gateway::Gateway::Start((*server)->faces(), ToGateway(options, sockets_max));
    if (!started.ok()) {
      (*server)->Stop(absl::Now());
      node->reset();
      return Fail(kExitStart, "cannot start: " + std::string(started.status().message()));
    }
    http = *std::move(started);
    spdlog::info("node {} serves HTTP at {}", options.id, options.http_listen);
  }
  if (const std::string password = FirstPassword(); !options.admin.empty() && !password.empty()) {
    (*server)->MakeFirstUser(options.admin, password);
  }
  spdlog::info("node {} of cluster {} serves clients at {} and nodes at {}", options.id,
               options.cluster_id, options.listen, options.peer_listen);

  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("signal {}: stopping", signal);
  HandOver(**node);
  if (http != nullptr) http->Stop(absl::Now() + kSocketsTimeout);
  (*server)->Stop(absl::Now() + kDrainTimeout);
  node->reset();
  spdlog::info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("One member of a Coterie cluster.", "coterie-node");
  NodeOptions options;
  std::vector<std::string> founders;
  AddFlags(app, options, founders);
  app.set_version_flag("--version", std::string("coterie-node ") + runtime::kProgramVersion);
  AddConfigFlag(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version.
    return Fail(kExitFlags, std::string(error.what()) + " (see coterie-node --help)");
  }
  options.is_language_asked_for = app.count("--spelling") > 0;
  if (options.advertise.empty()) options.advertise = options.listen;
  if (options.peer_advertise.empty()) options.peer_advertise = options.peer_listen;
  for (const std::string& text : founders) {
    absl::StatusOr<raft::Member> member = ParseFounder(text);
    if (!member.ok()) return Fail(kExitFlags, std::string(member.status().message()));
    options.founders.push_back(*std::move(member));
  }
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    return Fail(kExitFlags, std::string(status.message()));
  }
  if (absl::Status status = CheckFirstPassword(options); !status.ok()) {
    return Fail(kExitFlags, std::string(status.message()));
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("coterie"));
  spdlog::set_level(spdlog::level::from_str(options.log_level));

  // Debian builds abseil with its debug checks: every lock of gRPC would look for cycles of locks.
  // Tests do.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // What is malformed its sender is told; the log is not theirs to fill.
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function([](gpr_log_func_args* line) {
    spdlog::debug("grpc: {}:{}: {}", line->file, line->line, line->message);
  });
  // Before any thread starts, so that all inherit it and only sigwait() gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  return Run(options, signals);
}

}  // namespace
}  // namespace coterie::bin

int main(int argc, char** argv) { return coterie::bin::Main(argc, argv); }
