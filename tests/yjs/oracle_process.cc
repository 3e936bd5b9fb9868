#include "tests/yjs/oracle_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace coterie::tests {
namespace {

[[noreturn]] void End(const std::string& reason) {
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): this program has one thread.
}

// Between fork and exec only what POSIX calls async-signal-safe may be called.
[[noreturn]] void BecomeNode(char* const* arguments, int input, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // It died before the line above.
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  execvp(arguments[0], arguments);
  _exit(127);
}

void DoNotBlock(int file) {
  const int flags = fcntl(file, F_GETFL);
  CHECK(flags >= 0);
  CHECK(fcntl(file, F_SETFL, flags | O_NONBLOCK) == 0);
}

}  // namespace

OracleProcess::OracleProcess(const std::string& folder) {
  const std::string script = folder + "/oracle.mjs";
  if (access((folder + "/node_modules/yjs").c_str(), R_OK) != 0) {
    End("no Yjs in " + folder + ": npm ci --prefix " + folder);
  }
  signal(SIGPIPE, SIG_IGN);  // A dead oracle is noticed where its answer is missing.
  std::array<int, 2> requests{};
  std::array<int, 2> answers{};
  CHECK(pipe2(requests.data(), O_CLOEXEC) == 0);
  CHECK(pipe2(answers.data(), O_CLOEXEC) == 0);
  std::string node = "node";
  std::string path = script;
  const std::array<char*, 3> arguments = {node.data(), path.data(), nullptr};
  const pid_t parent = getpid();
  process_ = fork();
  CHECK(process_ >= 0);
  if (process_ == 0) BecomeNode(arguments.data(), requests[0], answers[1], parent);
  close(requests[0]);
  close(answers[1]);
  to_ = requests[1];
  from_ = answers[0];
  DoNotBlock(to_);
  DoNotBlock(from_);
}

OracleProcess::~OracleProcess() {
  close(to_);  // It ends when its input does.
  close(from_);
  waitpid(process_, nullptr, 0);
}

void OracleProcess::Send(std::string_view request) {
  outgoing_.append(request);
  outgoing_.push_back('\n');
  Pump(Until::kSent);
}

std::string OracleProcess::Receive() {
  Pump(Until::kAnswered);
  const std::size_t end = incoming_.find('\n', searched_);
  CHECK(end != std::string::npos);
  std::string line = incoming_.substr(0, end);
  incoming_.erase(0, end + 1);
  searched_ = 0;
  return line;
}

void OracleProcess::Pump(Until until) {
  while (true) {
    const std::size_t end = incoming_.find('\n', searched_);
    searched_ = end == std::string::npos ? incoming_.size() : end;
    if (until == Until::kSent && outgoing_.empty()) return;
    if (until == Until::kAnswered && end != std::string::npos) return;
    std::array<pollfd, 2> files = {
        pollfd{.fd = from_, .events = POLLIN, .revents = 0},
        pollfd{.fd = outgoing_.empty() ? -1 : to_, .events = POLLOUT, .revents = 0}};
    if (poll(files.data(), files.size(), -1) < 0 && errno != EINTR) {
      End(std::string("poll: ") + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
    }
    if (files[0].revents != 0) ReadSome();
    if (files[1].revents != 0) WriteSome();
  }
}

void OracleProcess::ReadSome() {
  std::array<char, 1 << 16> buffer;
  const ssize_t got = read(from_, buffer.data(), buffer.size());
  if (got > 0) {
    incoming_.append(buffer.data(), static_cast<std::size_t>(got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    End("the oracle ended; is Node installed?");
  }
}

void OracleProcess::WriteSome() {
  const ssize_t sent = write(to_, outgoing_.data(), outgoing_.size());
  if (sent > 0) {
    outgoing_.erase(0, static_cast<std::size_t>(sent));
  } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    End("the oracle ended; is Node installed?");
  }
}

}  // namespace coterie::tests
