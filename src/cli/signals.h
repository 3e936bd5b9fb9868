#pragma once

// The signals that a supervisor waits for, as a file descriptor to poll. Made before any thread is
// started, so that no thread of gRPC's takes them. Main thread.

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/check.h"

namespace coterie::cli {

class Signals {
 public:
  // Blocks SIGINT, SIGQUIT, SIGTERM, SIGHUP and SIGCHLD for this process.
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
    CHECK(sigprocmask(SIG_BLOCK, &set, &before_) == 0);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(fd_ >= 0);
  }
  ~Signals() {
    close(fd_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }
  // Takes all that have come; whether one of them was to end us, not to tell of a child.
  bool TakeStop() {
    bool stops = false;
    while (const int signal = Next()) stops = stops || signal != SIGCHLD;
    return stops;
  }
  // The next signal; 0 when there is none.
  int Next() {
    signalfd_siginfo info{};
    if (read(fd_, &info, sizeof(info)) != sizeof(info)) return 0;
    return static_cast<int>(info.ssi_signo);
  }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

}  // namespace coterie::cli
