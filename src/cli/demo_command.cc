// demo: a cluster in a temporary folder, with keys to hurt it while somebody writes.

#include <absl/base/thread_annotations.h>
#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/local_cluster.h"
#include "cli/signals.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr absl::Duration kServeTimeout = absl::Seconds(30);
constexpr absl::Duration kStopPatience = absl::Seconds(3);
// What a writer would notice.
constexpr absl::Duration kGapWorthTelling = absl::Milliseconds(100);
constexpr absl::Duration kWriteEvery = absl::Milliseconds(100);
constexpr char kDocument[] = "demo";
constexpr char kKeys[] =
    "Keys: k kill the leader   r restart who is down   p freeze / thaw the leader   "
    "s status   q quit";

struct Flags {
  int nodes = 3;
};

// Keys one by one instead of line by line, while it lives.
class RawTerminal {
 public:
  RawTerminal() : is_terminal_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool is_terminal_;
};

// Adds a line to the demo document ten times a second and says when one took long.
class Writer {
 public:
  Writer(Invocation& cli, client::Client& client)
      : cli_(cli), client_(client), thread_([this] { Run(); }) {}
  ~Writer() {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }

  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  void Run() {
    while (Pause()) {
      v1::AppendDocumentRequest request;
      request.mutable_document()->set_name(kDocument);
      request.set_text(absl::StrCat("line ", acknowledged_ + 1, "\n"));
      const absl::Time start = absl::Now();
      const absl::Status status =
          client_.Call(std::move(request), {.timeout = absl::Seconds(5)}).status();
      const absl::Duration took = absl::Now() - start;
      if (!status.ok()) {
        cli_.Say(
            absl::StrCat("  a write failed after ", DurationText(took), ": ", status.message()));
      } else if (++acknowledged_; took >= kGapWorthTelling) {
        cli_.Say(absl::StrCat("  a write took ", DurationText(took), ", and is safe"));
      }
    }
  }

  // False when it is time to stop.
  bool Pause() {
    absl::MutexLock lock(&mutex_);
    return !mutex_.AwaitWithTimeout(absl::Condition(&is_stopping_), kWriteEvery);
  }

  Invocation& cli_;
  client::Client& client_;
  absl::Mutex mutex_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<std::uint64_t> acknowledged_{0};
  std::jthread thread_;
};

class Demo {
 public:
  Demo(Invocation& cli, LocalCluster cluster) : cli_(cli), cluster_(std::move(cluster)) {}

  absl::Status Open(Signals& signals) {
    RETURN_IF_ERROR(cluster_.WaitUntilServing(absl::Now() + kServeTimeout,
                                              [&signals] { return signals.TakeStop(); }));
    client::Options options;
    for (const LocalNode& node : cluster_.nodes()) options.addresses.push_back(node.client_address);
    ASSIGN_OR_RETURN(client_, client::Client::Open(std::move(options)));
    RETURN_IF_ERROR(client_->Login("demo", "demo").status());
    v1::CreateDocumentRequest request;
    request.set_name(kDocument);
    return client_->Call(std::move(request)).status();
  }

  void Greet() {
    cli_.Say("Coterie demo: a cluster in a temporary folder, gone when you quit.");
    Status();
    cli_.Say("Somebody (user demo) adds a line to the document \"demo\" ten times a second.");
    cli_.Say(absl::StrCat("Look on, in another terminal:\n  export COTERIE_NODES=",
                          cluster_.addresses(), "\n  coterie login mia && coterie watch demo"));
    cli_.Say(kKeys);
  }

  absl::Status Run(Signals& signals) {
    const RawTerminal raw;
    Writer writer(cli_, *client_);
    bool goes_on = true;
    bool has_keys = true;
    while (goes_on && cluster_.IsRunning()) {
      pollfd waiting[2] = {{.fd = signals.fd(), .events = POLLIN},
                           {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN}};
      poll(waiting, 2, -1);
      while (const int signal = signals.Next()) goes_on = goes_on && signal == SIGCHLD;
      for (const NodeEnd& end : cluster_.Reap()) {
        cli_.Say(absl::StrCat("n", end.id, " has ended: ", end.how, " (r restarts it)"));
      }
      char key = 0;
      if (waiting[1].revents == 0) continue;
      has_keys = read(STDIN_FILENO, &key, 1) == 1;
      goes_on = goes_on && (!has_keys || Press(key));
    }
    cli_.Say(absl::StrCat(writer.acknowledged(), " writes were acknowledged"));
    return absl::OkStatus();
  }

  void Close() { cluster_.Stop(kStopPatience); }

 private:
  // False = quit.
  bool Press(char key) {
    switch (key) {
      case 'k':
        KillLeader();
        return true;
      case 'r':
        Restart();
        return true;
      case 'p':
        FreezeOrThaw();
        return true;
      case 's':
        Status();
        return true;
      case 'q':
        return false;
      default:
        cli_.Say(kKeys);
        return true;
    }
  }

  absl::StatusOr<v1::GetStatusResponse> GetStatus() {
    return client_->Call(v1::GetStatusRequest(), {.timeout = absl::Seconds(3)});
  }

  // 0, and a word about it, when there is none.
  std::uint64_t Leader() {
    const absl::StatusOr<v1::GetStatusResponse> status = GetStatus();
    if (status.ok() && status->leader_id() != 0) return status->leader_id();
    cli_.Say("there is no leader just now");
    return 0;
  }

  void KillLeader() {
    const std::uint64_t leader = Leader();
    if (leader == 0) return;
    cli_.Say(absl::StrCat("kill -9 of n", leader, ", the leader"));
    cluster_.Kill(leader);
  }

  void Restart() {
    for (const LocalNode& node : cluster_.nodes()) {
      if (node.pid != 0) continue;
      const absl::Status status = cluster_.Restart(node.id);
      cli_.Say(status.ok() ? absl::StrCat("n", node.id, " starts again")
                           : std::string(status.message()));
    }
  }

  void FreezeOrThaw() {
    for (const LocalNode& node : cluster_.nodes()) {
      if (!node.is_frozen) continue;
      cli_.Say(absl::StrCat("n", node.id, " goes on (SIGCONT)"));
      cluster_.Thaw(node.id);
      return;
    }
    const std::uint64_t leader = Leader();
    if (leader == 0) return;
    cli_.Say(absl::StrCat("n", leader, ", the leader, is frozen (SIGSTOP); p again thaws it"));
    cluster_.Freeze(leader);
  }

  void Status() {
    const absl::StatusOr<v1::GetStatusResponse> status = GetStatus();
    for (const LocalNode& node : cluster_.nodes()) {
      std::string state = node.pid == 0 ? "down" : "";
      if (node.is_frozen) state = "frozen";
      if (state.empty() && status.ok()) {
        state = status->leader_id() == node.id ? "leader" : "follower";
      }
      cli_.Say(absl::StrCat("  n", node.id, "  ", node.client_address, "  ", state));
    }
  }

  Invocation& cli_;
  LocalCluster cluster_;
  std::unique_ptr<client::Client> client_;
};

absl::Status RunDemo(Invocation& cli, const Flags& flags) {
  Signals signals;
  std::string folder = (std::filesystem::temp_directory_path() / "coterie-demo.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return Error(absl::StatusCode::kFailedPrecondition, "no temporary folder could be made",
                 "set TMPDIR to a folder that you can write to");
  }
  const absl::Cleanup remove = [&folder] {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
  };
  const std::optional<int> port = FindFreePorts(kDefaultPort, flags.nodes);
  if (!port) return absl::FailedPreconditionError("no ports are free");
  ASSIGN_OR_RETURN(
      LocalCluster cluster,
      LocalCluster::Start(
          {.data = folder, .nodes = flags.nodes, .grpc_port = *port, .is_temporary = true}));
  Demo demo(cli, std::move(cluster));
  absl::Status status = demo.Open(signals);
  if (status.ok()) {
    demo.Greet();
    status = demo.Run(signals);
  }
  demo.Close();
  return status;
}

}  // namespace

void AddDemoCommand(CLI::App& app, Invocation& cli) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = AddCommand<Flags>(
      app, cli, "demo", "A cluster to kill: temporary, with keys to hurt it while somebody writes",
      "", flags, RunDemo);
  command->fallthrough(false);
  command->add_option("-n,--nodes", flags->nodes, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, kLocalNodesMax));
}

}  // namespace coterie::cli
