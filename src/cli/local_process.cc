#include "cli/local_process.h"

#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "cli/credentials_file.h"

namespace coterie::cli {

absl::StatusOr<pid_t> StartProcess(const std::vector<std::string>& arguments,
                                   const std::string& log_path, Lifetime lifetime) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return absl::PermissionDeniedError(absl::StrCat(log_path, " cannot be written"));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (lifetime == Lifetime::kOfParent) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(log);
  if (child < 0) return absl::ResourceExhaustedError("no process could be started");
  return child;
}

std::optional<std::string> ReapProcess(pid_t pid) {
  int status = 0;
  if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  if (!WIFSIGNALED(status)) return absl::StrCat("exit code ", WEXITSTATUS(status));
  return absl::StrCat("signal ", WTERMSIG(status), " (", sigdescr_np(WTERMSIG(status)), ")");
}

void WaitForAnEnd(const std::vector<pid_t>& pids, absl::Duration timeout) {
  std::vector<pollfd> ends;
  for (const pid_t pid : pids) {
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) ends.push_back({.fd = fd, .events = POLLIN});
  }
  poll(ends.data(), ends.size(), static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  for (const pollfd& end : ends) close(end.fd);
}

std::string ProgramBeside(const std::string& given, const std::string& name) {
  if (!given.empty()) return given;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

std::string InstalledWebRoot() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path root = self.parent_path().parent_path() / "share/coterie/web";
  return std::filesystem::exists(root / "index.html", error) ? root.string() : std::string();
}

std::string CommandLineOf(pid_t pid) {
  return ReadFile(absl::StrCat("/proc/", pid, "/cmdline"), 1 << 16).value_or("");
}

bool IsPortFree(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(listener);
  return is_free;
}

std::string LogEnd(const std::string& path) {
  const auto text = ReadFile(path, 64 << 20);
  if (!text.ok() || text->empty()) return "its log is empty";
  std::size_t begin = text->size();
  for (int lines = 0; begin > 0 && lines < 4; --begin) {
    if ((*text)[begin - 1] == '\n' && begin != text->size() && ++lines == 4) break;
  }
  return text->substr(begin);
}

}  // namespace coterie::cli
