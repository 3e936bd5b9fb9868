// up, down: a cluster on this machine.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/local_cluster.h"
#include "cli/signals.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kServeTimeout = absl::Seconds(30);
constexpr absl::Duration kStopPatience = absl::Seconds(10);

struct Flags {
  LocalOptions local{.data = DefaultLocalFolder(), .admin = "admin"};
};

// How to call this program from here: "coterie" if the PATH finds it.
std::string ProgramName() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string path = Environment("PATH") + ":";
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = path.find(':', begin);
    const std::filesystem::path found = path.substr(begin, end - begin) + "/coterie";
    if (std::filesystem::equivalent(found, self, error)) return "coterie";
    begin = end + 1;
  }
  const std::filesystem::path near = std::filesystem::proximate(self, error);
  return near.string().rfind("..", 0) == 0 ? self.string() : near.string();
}

void PrintNextSteps(Invocation& cli, const LocalOptions& options, const LocalCluster& cluster) {
  if (cli.is_json()) {
    nlohmann::json json = {{"data", options.data}, {"nodes", nlohmann::json::array()}};
    for (const LocalNode& node : cluster.nodes()) {
      json["nodes"].push_back({{"id", node.id},
                               {"pid", node.pid},
                               {"client_address", node.client_address},
                               {"http_address", node.http_address},
                               {"log", node.log}});
    }
    cli.PrintJson(std::move(json));
    return;
  }
  cli.Say(
      absl::StrCat("Coterie serves: ", options.nodes, " nodes, data and logs in ", options.data));
  for (const LocalNode& node : cluster.nodes()) {
    cli.Say(absl::StrCat("  n", node.id, "  ", node.client_address,
                         node.http_address.empty() ? "" : "  http://", node.http_address, "  pid ",
                         node.pid));
  }
  const std::string program = ProgramName();
  if (!options.web_root.empty() && options.http_port != 0) {
    cli.Say(absl::StrCat("\nWrite in a browser: http://127.0.0.1:", options.http_port,
                         "   (each node serves the same page)"));
  }
  cli.Say("\nNow, in other terminals:");
  if (cluster.addresses() != kDefaultNodes) {
    cli.Say(absl::StrCat("  export COTERIE_NODES=", cluster.addresses()));
  }
  if (options.secure) {
    cli.Say(absl::StrCat("  ", program, " login ", options.admin, "   then: users add NAME"));
  } else {
    cli.Say(absl::StrCat("  ", program, " login mia                 a new name becomes a user"));
  }
  cli.Say(absl::StrCat("  ", program, " write -c notes 'hello'    a document"));
  cli.Say(absl::StrCat("  ", program, " watch                     what happens, as it happens"));
  cli.Say(absl::StrCat("  ", program, " cluster status"));
  if (options.is_detached) {
    cli.Say(absl::StrCat(
        "\nStop it with: ", program, " down",
        options.data == DefaultLocalFolder() ? std::string() : " --data " + options.data));
  } else {
    cli.Say("\nCtrl-C stops all nodes.");
  }
}

// Until Ctrl-C or until no node is left.
absl::Status Supervise(Invocation& cli, LocalCluster& cluster, Signals& signals) {
  while (cluster.IsRunning()) {
    pollfd waiting{.fd = signals.fd(), .events = POLLIN};
    poll(&waiting, 1, -1);
    while (const int signal = signals.Next()) {
      if (signal == SIGCHLD) continue;
      cli.Say("\nstopping ...");
      cluster.Stop(kStopPatience);
      cli.Say("stopped; the data stays");
      return absl::OkStatus();
    }
    for (const NodeEnd& end : cluster.Reap()) {
      cli.Say(absl::StrCat("node n", end.id, " has ended: ", end.how, "; start it again with\n  ",
                           cluster.CommandLine(*cluster.Find(end.id))));
    }
  }
  cli.Say("no node is left");
  return absl::OkStatus();
}

// The first administrator's password: the nodes inherit it through the environment.
absl::Status AskForAdmin(LocalOptions& options) {
  if (!options.secure) options.admin.clear();
  if (!options.secure || !Environment("COTERIE_PASSWORD").empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> password =
      Ask(absl::StrCat("Password of the administrator ", options.admin, ": "), Echo::kOff);
  if (!password.ok() || password->empty()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "a secure cluster needs a first administrator's password", "set COTERIE_PASSWORD");
  }
  setenv("COTERIE_PASSWORD", password->c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  return absl::OkStatus();
}

absl::Status Up(Invocation& cli, const Flags& flags) {
  if (flags.local.data.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "there is no place for the data",
                 "set HOME, or say --data FOLDER");
  }
  LocalOptions options = flags.local;
  RETURN_IF_ERROR(AskForAdmin(options));
  Signals signals;
  ASSIGN_OR_RETURN(LocalCluster cluster, LocalCluster::Start(options));
  if (const absl::Status serving = cluster.WaitUntilServing(absl::Now() + kServeTimeout);
      !serving.ok()) {
    cluster.Stop(kStopPatience);
    return serving;
  }
  PrintNextSteps(cli, options, cluster);
  if (options.is_detached) return absl::OkStatus();
  return Supervise(cli, cluster, signals);
}

absl::Status Down(Invocation& cli, const Flags& flags) {
  const absl::StatusOr<int> stopped = StopLocal(flags.local.data, kStopPatience);
  if (absl::IsNotFound(stopped.status())) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("no cluster was ever started in ", flags.local.data),
                 "say which with --data FOLDER");
  }
  RETURN_IF_ERROR(stopped.status());
  if (cli.is_json()) cli.PrintJson({{"stopped", *stopped}});
  cli.Say(*stopped == 0
              ? std::string("no node was running")
              : absl::StrCat("stopped ", *stopped, " nodes; the data stays in ", flags.local.data));
  return absl::OkStatus();
}

}  // namespace

void AddLocalCommands(CLI::App& app, Invocation& cli) {
  auto up = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "up", "Run a cluster on this machine; Ctrl-C stops it",
      "  coterie up\n  coterie up --nodes 5 --data /srv/coterie --grpc-port 6000 --detach", up, Up);
  // Its own meaning of --nodes hides the global one.
  command->fallthrough(false);
  command->add_option("-n,--nodes", up->local.nodes, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, kLocalNodesMax));
  command->add_option("--data", up->local.data, "Folder for data and logs")->capture_default_str();
  command
      ->add_option("--grpc-port", up->local.grpc_port,
                   "The first node's port for clients; the next ones follow, and nodes reach "
                   "each other 100 above")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535 - kPeerPortOffset - kLocalNodesMax));
  command
      ->add_option("--http-port", up->local.http_port,
                   "The first node's port for browsers; the next ones follow; 0 = none")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535 - kLocalNodesMax));
  command->add_option("--web-root", up->local.web_root, "Folder of a built web app");
  command->add_flag("--detach", up->local.is_detached, "Return when it serves; see `down`");
  command->add_flag("--secure", up->local.secure, "Only users that an admin has made may log in");
  command
      ->add_option("--admin", up->local.admin,
                   "With --secure: the first user, with the password in COTERIE_PASSWORD")
      ->capture_default_str();
  command->add_option("--node-program", up->local.node_program,
                      "Instead of coterie-node beside this program");
  command->add_flag("--json", cli.options.is_json, "Print JSON");
  command->add_flag("-q,--quiet", cli.options.is_quiet, "Say nothing but errors");

  auto down = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "down", "Stop the cluster that `up` has started here", "",
                              down, Down);
  command->add_option("--data", down->local.data, "Its folder")->capture_default_str();
}

}  // namespace coterie::cli
