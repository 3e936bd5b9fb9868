#include "tests/terminal.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "base/check.h"
#include "tests/pacing.h"

namespace coterie::tests {

Terminal::Terminal(const std::string& script, const std::string& folder,
                   const std::vector<std::string>& environment) {
  const std::string line =
      absl::StrCat("trap : INT QUIT\n", script, "\necho \"ended $?\"; read end");
  process_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
  CHECK(process_ >= 0);
  if (process_ == 0) {
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    if (chdir(folder.c_str()) == 0) execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  CHECK(fcntl(terminal_, F_SETFD, FD_CLOEXEC) == 0);
}

Terminal::~Terminal() {
  close(terminal_);  // Hangs up.
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

void Terminal::Type(const std::string& keys) {
  CHECK(write(terminal_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
}

bool Terminal::Read() {
  pollfd waiting{.fd = terminal_, .events = POLLIN};
  if (poll(&waiting, 1, 0) <= 0) return false;
  std::array<char, 4096> bytes;
  const ssize_t count = read(terminal_, bytes.data(), bytes.size());
  if (count <= 0) return false;
  output_.append(bytes.data(), static_cast<std::size_t>(count));
  return true;
}

bool Terminal::Shows(const std::string& what, absl::Duration timeout) {
  return WaitUntil(
      [&] {
        while (Read()) {
        }
        const std::size_t found = output_.find(what, seen_);
        if (found == std::string::npos) return false;
        seen_ = found + what.size();
        return true;
      },
      timeout);
}

int Terminal::Ends(absl::Duration timeout) {
  int code = -1;
  if (!Shows("ended ", timeout) || !Shows("\n", timeout)) return -1;
  const std::size_t begin = output_.rfind("ended ", seen_) + sizeof("ended");
  return absl::SimpleAtoi(output_.substr(begin, seen_ - begin), &code) ? code : -1;
}

termios Terminal::Attributes() const {
  termios attributes{};
  CHECK(tcgetattr(terminal_, &attributes) == 0);
  return attributes;
}

}  // namespace coterie::tests
