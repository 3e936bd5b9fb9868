#pragma once

// A program on a terminal of its own, as a person has it: types, and reads what appears. Whoever
// is still running at the end is killed. One owner.

#include <absl/time/time.h>
#include <sys/types.h>
#include <termios.h>

#include <string>
#include <vector>

namespace coterie::tests {

class Terminal {
 public:
  // Runs `script` in /bin/sh, in `folder`, with these variables ("NAME=value") added. The shell
  // itself survives Ctrl-C, says "ended CODE" and stays, and with it the terminal's state.
  Terminal(const std::string& script, const std::string& folder,
           const std::vector<std::string>& environment);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // "\x03" is Ctrl-C.
  void Type(const std::string& keys);
  // Whether `what` appears, after what was waited for before.
  bool Shows(const std::string& what, absl::Duration timeout = absl::Seconds(20));
  // The script's exit code, 128 and more for a signal; -1 if it does not end.
  int Ends(absl::Duration timeout = absl::Seconds(20));
  // How the program left it, or has it now.
  termios Attributes() const;
  // Everything that has appeared.
  const std::string& output() const { return output_; }

 private:
  // What has appeared by now; false for nothing.
  bool Read();

  pid_t process_ = 0;
  int terminal_ = -1;
  std::string output_;
  std::size_t seen_ = 0;
};

}  // namespace coterie::tests
