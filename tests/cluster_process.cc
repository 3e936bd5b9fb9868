#include "tests/cluster_process.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "runtime/status_macros.h"
#include "tests/pacing.h"

// Where CMake builds the program under test.
#ifndef COTERIE_NODE_PROGRAM
#error "COTERIE_NODE_PROGRAM is not defined"
#endif

namespace coterie::tests {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(20);
constexpr absl::Duration kEndTimeout = absl::Seconds(20);

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool Accepts(const std::string& address) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(file >= 0);
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  const sockaddr_in target = Loopback(port);
  const int result = connect(file, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
  close(file);
  return result == 0;
}

// As exec wants them.
std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Between fork and exec only what POSIX calls async-signal-safe may be called: everything that
// allocates was done before.
[[noreturn]] void BecomeNode(char* const* arguments, char* const* environment, int log,
                             pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // It died before the line above.
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("signal ", strsignal(WTERMSIG(status)));
  return absl::StrCat("exit status ", WEXITSTATUS(status));
}

}  // namespace

std::string FreeAddress() {
  constexpr int kFirst = 10'000;
  constexpr int kPorts = 20'000;
  static int next =
      getpid() % kPorts * 61;  // Tests that run side by side begin at different ports.
  while (true) {
    const int port = kFirst + ++next % kPorts;
    const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(file >= 0);
    const sockaddr_in address = Loopback(static_cast<std::uint16_t>(port));
    const int result = bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    close(file);
    if (result == 0) return absl::StrCat("127.0.0.1:", port);
  }
}

absl::StatusOr<std::unique_ptr<ClusterProcess>> ClusterProcess::Start(std::size_t founders,
                                                                      Conditions conditions) {
  std::string folder = (std::filesystem::temp_directory_path() / "coterie-test-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    return absl::InternalError(absl::StrCat("no temporary folder ", folder, ": ", strerror(errno)));
  }
  std::unique_ptr<ClusterProcess> cluster(new ClusterProcess(folder, conditions));
  for (std::uint64_t id = 1; id <= founders; ++id) cluster->Add(id, true);
  for (std::uint64_t id = 1; id <= founders; ++id) RETURN_IF_ERROR(cluster->Launch(id));
  for (std::uint64_t id = 1; id <= founders; ++id) RETURN_IF_ERROR(cluster->WaitForPort(id));
  return cluster;
}

ClusterProcess::ClusterProcess(std::string folder, Conditions conditions)
    : folder_(std::move(folder)),
      conditions_(conditions),
      links_(conditions.has_link_proxy ? std::make_unique<LinkProxy>() : nullptr) {}

ClusterProcess::~ClusterProcess() {
  for (auto& [id, node] : nodes_) {
    if (node.process != 0) kill(node.process, SIGKILL);
  }
  for (auto& [id, node] : nodes_) {
    if (node.process != 0) waitpid(node.process, nullptr, 0);
  }
  if (std::getenv("COTERIE_KEEP_TEST_DATA") != nullptr) return;
  std::error_code ignored;  // What is left behind in a temporary folder harms nobody.
  std::filesystem::remove_all(folder_, ignored);
}

void ClusterProcess::Add(std::uint64_t id, bool is_founder) {
  nodes_[id] = {.client_address = FreeAddress(),
                .peer_address = FreeAddress(),
                .peer_listen = FreeAddress(),
                .folder = absl::StrCat(folder_, "/", id),
                .is_founder = is_founder};
  Node& node = nodes_[id];
  if (links_) {
    links_->Serve(id, node.peer_address, node.peer_listen);
  } else {
    node.peer_listen = node.peer_address;
  }
}

absl::StatusOr<std::uint64_t> ClusterProcess::StartJoiner() {
  const std::uint64_t id = nodes_.rbegin()->first + 1;
  Add(id, false);
  RETURN_IF_ERROR(Launch(id));
  RETURN_IF_ERROR(WaitForPort(id));
  return id;
}

std::vector<std::string> ClusterProcess::CommandLine(std::uint64_t id) const {
  const Node& node = nodes_.at(id);
  std::vector<std::string> line = {COTERIE_NODE_PROGRAM,
                                   "--id",
                                   absl::StrCat(id),
                                   "--cluster-id",
                                   absl::StrCat(conditions_.cluster_id),
                                   "--data",
                                   node.folder,
                                   "--listen",
                                   node.client_address,
                                   "--peer-listen",
                                   node.peer_listen,
                                   "--peer-advertise",
                                   node.peer_address};
  line.insert(line.end(), conditions_.flags.begin(), conditions_.flags.end());
  if (!node.is_founder) line.push_back("--join");
  if (node.is_founder && !conditions_.restore_from.empty()) {
    line.insert(line.end(), {"--restore", conditions_.restore_from});
  }
  for (const auto& [other, founder] : nodes_) {
    if (!node.is_founder || !founder.is_founder) continue;
    if (id == conditions_.told_only_itself && other != id) continue;
    line.push_back("--founder");
    line.push_back(absl::StrCat(other, "=", founder.peer_address, "=", founder.client_address));
  }
  return line;
}

std::vector<std::string> ClusterProcess::Environment(std::uint64_t id) const {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  if (conditions_.disk == Disk::kOrdinary) return environment;
  const std::string& folder = nodes_.at(id).folder;
  environment.push_back(absl::StrCat("LD_PRELOAD=", COTERIE_FORGETFUL_DISK));
  environment.push_back(absl::StrCat("COTERIE_FORGETFUL_ROOT=", folder, "/"));
  environment.push_back(absl::StrCat("COTERIE_FORGETFUL_JOURNAL=", folder, ".journal"));
  environment.push_back(absl::StrCat("COTERIE_FORGETFUL_BROKEN=", PathOfBreak(id)));
  if (conditions_.disk == Disk::kLying) environment.emplace_back("COTERIE_FORGETFUL_LIES=1");
  return environment;
}

absl::Status ClusterProcess::Launch(std::uint64_t id) {
  Node& node = nodes_.at(id);
  CHECK(node.process == 0);
  std::vector<std::string> line = CommandLine(id);
  std::vector<std::string> variables = Environment(id);
  const std::vector<char*> arguments = PointersTo(line);
  const std::vector<char*> environment = PointersTo(variables);
  const std::string path = absl::StrCat(node.folder, ".log");
  const int log = open(path.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
  if (log < 0) return absl::InternalError(absl::StrCat("open ", path, ": ", strerror(errno)));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) BecomeNode(arguments.data(), environment.data(), log, parent);
  close(log);
  if (child < 0) return absl::InternalError(absl::StrCat("fork: ", strerror(errno)));
  node.process = child;
  if (links_) links_->SetProcess(id, child);
  return absl::OkStatus();
}

absl::Status ClusterProcess::WaitForPort(std::uint64_t id) {
  const std::string address = nodes_.at(id).client_address;
  const bool is_up = WaitUntil([&] { return !IsRunning(id) || Accepts(address); }, kStartTimeout);
  if (is_up && IsRunning(id)) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("Node ", id, " does not accept connections at ", address, ". ", LogTail(id)));
}

void ClusterProcess::Kill(std::uint64_t id) {
  if (!IsRunning(id)) return;
  Node& node = nodes_.at(id);
  kill(node.process, SIGKILL);
  waitpid(node.process, nullptr, 0);
  node.process = 0;
}

void ClusterProcess::Stop(std::uint64_t id) {
  if (IsRunning(id)) kill(nodes_.at(id).process, SIGSTOP);
}

void ClusterProcess::Continue(std::uint64_t id) {
  if (IsRunning(id)) kill(nodes_.at(id).process, SIGCONT);
}

absl::Status ClusterProcess::Restart(std::uint64_t id) {
  RETURN_IF_ERROR(Launch(id));
  return WaitForPort(id);
}

absl::StatusOr<int> ClusterProcess::Terminate(std::uint64_t id) {
  CHECK(nodes_.at(id).process != 0);
  kill(nodes_.at(id).process, SIGTERM);
  return AwaitEnd(id);
}

absl::StatusOr<int> ClusterProcess::AwaitEnd(std::uint64_t id) {
  Node& node = nodes_.at(id);
  CHECK(node.process != 0);
  int status = 0;
  const bool has_ended = WaitUntil(
      [&] { return waitpid(node.process, &status, WNOHANG) == node.process; }, kEndTimeout);
  if (!has_ended) {
    return absl::DeadlineExceededError(absl::StrCat("Node ", id, " did not end: ", LogTail(id)));
  }
  node.process = 0;
  if (WIFSIGNALED(status)) return absl::InternalError(DescribeEnd(status) + LogTail(id));
  return WEXITSTATUS(status);
}

std::string ClusterProcess::PathOfBreak(std::uint64_t id) const {
  return nodes_.at(id).folder + ".broken";
}

void ClusterProcess::BreakDisk(std::uint64_t id) {
  CHECK(conditions_.disk != Disk::kOrdinary);
  CHECK(std::ofstream(PathOfBreak(id)).good());
}

void ClusterProcess::MendDisk(std::uint64_t id) { std::filesystem::remove(PathOfBreak(id)); }

bool ClusterProcess::IsRunning(std::uint64_t id) {
  Node& node = nodes_.at(id);
  int status = 0;
  if (node.process != 0 && waitpid(node.process, &status, WNOHANG) == node.process) {
    node.process = 0;
    absl::StrAppend(&obituaries_, "Node ", id, " ended by itself: ", DescribeEnd(status), ". ",
                    LogTail(id));
  }
  return node.process != 0;
}

std::string ClusterProcess::Obituaries() {
  for (const std::uint64_t id : ids()) IsRunning(id);
  return obituaries_;
}

std::string ClusterProcess::LogTail(std::uint64_t id) const {
  constexpr std::size_t kLines = 20;
  std::ifstream file(absl::StrCat(nodes_.at(id).folder, ".log"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  const std::size_t skipped = lines.size() > kLines ? lines.size() - kLines : 0;
  return absl::StrCat(
      "The end of its log:\n  ",
      absl::StrJoin(lines.begin() + static_cast<std::ptrdiff_t>(skipped), lines.end(), "\n  "),
      "\n");
}

std::vector<std::uint64_t> ClusterProcess::ids() const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  return ids;
}

std::string ClusterProcess::client_address(std::uint64_t id) const {
  return nodes_.at(id).client_address;
}

std::string ClusterProcess::peer_address(std::uint64_t id) const {
  return nodes_.at(id).peer_address;
}

std::vector<std::string> ClusterProcess::client_addresses() const {
  std::vector<std::string> addresses;
  for (const auto& [id, node] : nodes_) addresses.push_back(node.client_address);
  return addresses;
}

pid_t ClusterProcess::process(std::uint64_t id) const { return nodes_.at(id).process; }

std::uint64_t ClusterProcess::ResidentBytes(std::uint64_t id) const {
  std::ifstream file(absl::StrCat("/proc/", nodes_.at(id).process, "/statm"));
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace coterie::tests
