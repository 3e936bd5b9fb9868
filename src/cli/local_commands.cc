// up, down: a cluster on this machine, and the language model beside it if there is one.

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/control_server.h"
#include "cli/explain.h"
#include "cli/local_cluster.h"
#include "cli/local_llm.h"
#include "cli/local_process.h"
#include "cli/signals.h"
#include "llm/model_file.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kServeTimeout = absl::Seconds(30);
constexpr absl::Duration kStopPatience = absl::Seconds(10);

// How often a model that loads is asked whether it serves.
constexpr absl::Duration kModelEvery = absl::Milliseconds(100);

struct Flags {
  LocalOptions local{.data = DefaultLocalFolder(), .admin = "admin"};
  std::string model;  // Empty = the only one in `models`.
  std::string models = llm::kModelsFolder;
  std::string llm_program;
};

// What runs here, and who assists in it.
struct Local {
  LocalCluster cluster;
  std::optional<LocalLlm> llm;
  std::string model;  // As the server names it, once it serves.
  std::optional<ControlServer> control;
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

void PrintJson(Invocation& cli, const LocalOptions& options, const Local& local) {
  nlohmann::json json = {{"data", options.data}, {"nodes", nlohmann::json::array()}};
  for (const LocalNode& node : local.cluster.nodes()) {
    json["nodes"].push_back({{"id", node.id},
                             {"pid", node.pid},
                             {"client_address", node.client_address},
                             {"http_address", node.http_address},
                             {"log", node.log}});
  }
  if (local.llm) {
    json["llm"] = {{"pid", local.llm->pid()},
                   {"address", local.llm->address()},
                   {"model", local.model},
                   {"log", local.llm->log()}};
  }
  cli.PrintJson(std::move(json));
}

void PrintNextSteps(Invocation& cli, const LocalOptions& options, const LocalCluster& cluster) {
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

void StopAll(Local& local) {
  local.cluster.Stop(kStopPatience);
  if (local.llm) local.llm->Stop(kStopPatience);
}

void SayWhoHasEnded(Invocation& cli, Local& local) {
  for (const NodeEnd& end : local.cluster.Reap()) {
    if (local.control && local.control->HasStopped(end.id)) continue;
    cli.Say(absl::StrCat("node n", end.id, " has ended: ", end.how, "; start it again with\n  ",
                         local.cluster.CommandLine(*local.cluster.Find(end.id))));
  }
  if (!local.llm) return;
  if (const std::optional<std::string> how = local.llm->Reap()) {
    cli.Say(absl::StrCat("the language model has ended: ", *how, "; start it again with\n  ",
                         local.llm->CommandLine()));
  }
}

// Until Ctrl-C, or until no node is left and no page has it in hand to start one.
absl::Status Supervise(Invocation& cli, Local& local, Signals& signals) {
  std::optional<ControlServer>& control = local.control;
  while (local.cluster.IsRunning() || (control && control->HasStoppedAny())) {
    pollfd waiting[2] = {{.fd = signals.fd(), .events = POLLIN},
                         {.fd = control ? control->fd() : -1, .events = POLLIN}};
    poll(waiting, 2, -1);
    if (waiting[1].revents != 0) {
      control->Serve(local.cluster, [&cli](const std::string& line) { cli.Say(line); });
    }
    while (const int signal = signals.Next()) {
      if (signal == SIGCHLD) continue;
      cli.Say("\nstopping ...");
      StopAll(local);
      cli.Say("stopped; the data stays");
      return absl::OkStatus();
    }
    SayWhoHasEnded(cli, local);
  }
  if (local.llm) local.llm->Stop(kStopPatience);
  cli.Say("no node is left");
  return absl::OkStatus();
}

// Until the model's server serves. kCancelled: Ctrl-C. kUnavailable: it has ended, with why.
absl::Status AwaitModel(Invocation& cli, Local& local, Signals& signals) {
  cli.Say("loading the language model ...");
  while (true) {
    if (const std::optional<int> percent = local.llm->Progress()) {
      cli.Say(absl::StrCat("loading the language model: ", *percent, " %"));
    }
    if (const std::optional<std::string> model = local.llm->AskForModel()) {
      local.model = *model;
      cli.Say(absl::StrCat("The assistant is ready: ", *model, ", at ", local.llm->address()));
      return absl::OkStatus();
    }
    if (const std::optional<std::string> how = local.llm->Reap()) {
      return Error(
          absl::StatusCode::kUnavailable,
          absl::StrCat("the language model did not start (", *how, "): ", local.llm->LastWords()),
          absl::StrCat("read ", local.llm->log(), ", or choose another --model"));
    }
    pollfd waiting{.fd = signals.fd(), .events = POLLIN};
    poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(kModelEvery)));
    if (signals.TakeStop()) return absl::CancelledError("interrupted");
  }
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

// Which model to serve; nothing, with what to do said, if there is none to be served.
absl::StatusOr<std::string> ChooseModel(Invocation& cli, const Flags& flags) {
  if (!flags.local.llm_addresses.empty()) return "";
  const absl::StatusOr<std::string> found = llm::FindModel(flags.model, flags.models);
  if (!found.ok()) {
    cli.Say(absl::StrCat("No language model: ", found.status().message(),
                         "\nThe built-in assistant stands in; all else works without.\n"));
    return "";
  }
  const bool is_built = access(ProgramBeside(flags.llm_program, "coterie-llm").c_str(), X_OK) == 0;
  if (is_built || !flags.model.empty()) return *found;  // Without it LocalLlm::Start() says why.
  cli.Say(absl::StrCat("No language model: coterie-llm, which would serve ", *found,
                       ", is not built; ./dev llm does that.\n"));
  return "";
}

// Starts it all and waits until it serves. What has been started runs also when this fails.
absl::Status Bring(Invocation& cli, const LocalOptions& options, const LocalLlmOptions& llm,
                   Local& local, Signals& signals) {
  if (!llm.model.empty()) {
    LocalLlmOptions with_folder = llm;
    with_folder.data = options.data;
    ASSIGN_OR_RETURN(local.llm, LocalLlm::Start(with_folder));
  }
  RETURN_IF_ERROR(local.cluster.WaitUntilServing(absl::Now() + kServeTimeout,
                                                 [&signals] { return signals.TakeStop(); }));
  for (const NodeEnd& end : local.cluster.ended_at_once()) {
    cli.Say(absl::StrCat("n", end.id, " is down, the others serve without it: ", end.how,
                         "\nIts log: ", local.cluster.Find(end.id)->log, "\n"));
  }
  if (!cli.is_json()) PrintNextSteps(cli, options, local.cluster);
  if (local.llm) RETURN_IF_ERROR(AwaitModel(cli, local, signals));
  if (cli.is_json()) PrintJson(cli, options, local);
  return absl::OkStatus();
}

absl::Status Up(Invocation& cli, const Flags& flags) {
  if (flags.local.data.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "there is no place for the data",
                 "set HOME, or say --data FOLDER");
  }
  LocalOptions options = flags.local;
  if (options.web_root.empty()) options.web_root = InstalledWebRoot();
  RETURN_IF_ERROR(AskForAdmin(options));
  LocalLlmOptions llm{.program = flags.llm_program};
  ASSIGN_OR_RETURN(llm.model, ChooseModel(cli, flags));
  if (!llm.model.empty()) {
    ASSIGN_OR_RETURN(llm.address, ChooseLlmAddress());
    options.llm_addresses.push_back(llm.address);
  }
  Signals signals;
  std::optional<ControlServer> control;
  // Who may log in as anybody may as well stop a node; a cluster that outlives us has nobody to
  // ask.
  if (!options.secure && !options.is_detached && options.http_port != 0) {
    ASSIGN_OR_RETURN(ControlServer opened, ControlServer::Open());
    control.emplace(std::move(opened));
    options.control = control->url();
  }
  ASSIGN_OR_RETURN(LocalCluster cluster, LocalCluster::Start(options));
  Local local{.cluster = std::move(cluster), .llm = {}, .model = {}, .control = std::move(control)};
  const absl::Status serving = Bring(cli, options, llm, local, signals);
  if (absl::IsCancelled(serving)) {
    StopAll(local);
    cli.Say("stopped; the data stays");
    return absl::OkStatus();
  }
  if (!serving.ok()) {
    StopAll(local);
    return serving;
  }
  if (options.is_detached) return absl::OkStatus();
  return Supervise(cli, local, signals);
}

absl::Status Down(Invocation& cli, const Flags& flags) {
  const absl::StatusOr<int> stopped = StopLocal(flags.local.data, kStopPatience);
  if (absl::IsNotFound(stopped.status())) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("no cluster was ever started in ", flags.local.data),
                 "say which with --data FOLDER");
  }
  RETURN_IF_ERROR(stopped.status());
  const bool had_llm = StopLocalLlm(flags.local.data, kStopPatience);
  if (cli.is_json()) cli.PrintJson({{"stopped", *stopped}, {"stopped_llm", had_llm}});
  cli.Say(*stopped == 0 ? std::string("no node was running")
                        : absl::StrCat("stopped ", *stopped,
                                       had_llm ? " nodes and the language model" : " nodes",
                                       "; the data stays in ", flags.local.data));
  return absl::OkStatus();
}

// Of `up`.
void AddModelFlags(CLI::App& command, Flags& flags) {
  command.add_option("--model", flags.model,
                     "Serve this language model, a GGUF file; default: the only one in --models");
  command.add_option("--models", flags.models, "Folder to look for a model in")
      ->capture_default_str();
  CLI::Option* llm =
      command.add_option("--llm", flags.local.llm_addresses,
                         "HOST:PORT of a coterie-llm that runs already, instead; repeat for each");
  command
      .add_option("--llm-tls-ca", flags.local.llm_authority,
                  "TLS to those: who signs their certificates, PEM")
      ->needs(llm);
  command
      .add_option("--llm-tls-cert", flags.local.llm_certificate,
                  "The nodes' own certificate for them, PEM")
      ->needs(llm);
  command.add_option("--llm-tls-key", flags.local.llm_key, "Its key, PEM")->needs(llm);
}

}  // namespace

void AddLocalCommands(CLI::App& app, Invocation& cli) {
  auto up = std::make_shared<Flags>();
  CLI::App* command =
      AddCommand<Flags>(app, cli, "up", "Run a cluster on this machine; Ctrl-C stops it",
                        "  coterie up\n  coterie up --model models/tinyllama.gguf\n"
                        "  coterie up --nodes 5 --data /srv/coterie --grpc-port 6000 --detach",
                        up, Up);
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
  command->add_option("--web-root", up->local.web_root,
                      "Folder of a built web app; default: the installed one");
  command->add_option("--http-origin", up->local.http_origins,
                      "Origin of pages that may use the nodes beside their own, for example "
                      "http://192.168.1.5:3000; repeat. Without --secure, pages that this machine "
                      "serves on any port may");
  command->add_flag("--detach", up->local.is_detached, "Return when it serves; see `down`");
  command->add_option("--restore", up->local.restore_from,
                      "Begin with a backup (coterie backup take); a new folder only");
  command->add_flag("--secure", up->local.secure, "Only users that an admin has made may log in");
  command
      ->add_option("--admin", up->local.admin,
                   "With --secure: the first user, with the password in COTERIE_PASSWORD")
      ->capture_default_str();
  AddModelFlags(*command, *up);
  command->add_option("--node-program", up->local.node_program,
                      "Instead of coterie-node beside this program");
  command->add_option("--llm-program", up->llm_program,
                      "Instead of coterie-llm beside this program");
  command->add_flag("--json", cli.options.is_json, "Print JSON");
  command->add_flag("-q,--quiet", cli.options.is_quiet, "Say nothing but errors");

  auto down = std::make_shared<Flags>();
  command = AddCommand<Flags>(app, cli, "down", "Stop the cluster that `up` has started here", "",
                              down, Down);
  command->add_option("--data", down->local.data, "Its folder")->capture_default_str();
}

}  // namespace coterie::cli
