#include "tests/llm_process.h"

#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

#ifndef COTERIE_LLM_PROGRAM
#error "COTERIE_LLM_PROGRAM is not defined"
#endif

namespace coterie::tests {
namespace {

constexpr int kSilenceMsMax = 60'000;
constexpr char kReady[] = "ready at ";

// Between fork and exec only what POSIX calls async-signal-safe may be called.
[[noreturn]] void BecomeProgram(char* const* arguments, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

LlmProcess::LlmProcess(pid_t process, int output) : process_(process), pipe_(output) {}

LlmProcess::~LlmProcess() {
  if (process_ != 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  close(pipe_);
}

std::unique_ptr<LlmProcess> LlmProcess::Launch(const std::vector<std::string>& flags) {
  std::vector<std::string> line = {COTERIE_LLM_PROGRAM};
  line.insert(line.end(), flags.begin(), flags.end());
  std::vector<char*> arguments;
  for (std::string& argument : line) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) BecomeProgram(arguments.data(), ends[1], parent);
  close(ends[1]);
  return std::unique_ptr<LlmProcess>(new LlmProcess(child, ends[0]));
}

absl::StatusOr<std::unique_ptr<LlmProcess>> LlmProcess::Start(
    const std::vector<std::string>& flags) {
  std::unique_ptr<LlmProcess> llm = Launch(flags);
  while (true) {
    const std::size_t ready = llm->output_.find(kReady);
    if (ready != std::string::npos) {
      const std::size_t begin = ready + sizeof kReady - 1;
      const std::size_t end = llm->output_.find(": ", begin);
      if (end != std::string::npos) {
        llm->address_ = llm->output_.substr(begin, end - begin);
        return llm;
      }
    }
    if (!llm->ReadMore()) return absl::UnavailableError(llm->output_);
  }
}

bool LlmProcess::ReadMore() {
  pollfd waited{.fd = pipe_, .events = POLLIN, .revents = 0};
  if (poll(&waited, 1, kSilenceMsMax) <= 0) return false;
  char piece[4'096];
  const ssize_t size = read(pipe_, piece, sizeof piece);
  if (size <= 0) return false;
  output_.append(piece, static_cast<std::size_t>(size));
  return true;
}

void LlmProcess::Signal(int signal) {
  CHECK(process_ != 0);
  kill(process_, signal);
}

absl::StatusOr<Ended> LlmProcess::WaitForEnd() {
  while (ReadMore()) {
  }
  int status = 0;
  if (waitpid(process_, &status, WNOHANG) != process_) {
    // The pipe is closed a little before the process is gone; one that only fell silent is not.
    pollfd waited{.fd = pipe_, .events = POLLIN, .revents = 0};
    if (poll(&waited, 1, 0) == 0) return absl::DeadlineExceededError(output_);
    waitpid(process_, &status, 0);
  }
  process_ = 0;
  return Ended{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .output = output_};
}

absl::StatusOr<Ended> RunLlm(const std::vector<std::string>& flags) {
  return LlmProcess::Launch(flags)->WaitForEnd();
}

}  // namespace coterie::tests
