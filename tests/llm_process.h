#pragma once

// A real coterie-llm process, its port the system's choice. Never judges it. It dies with this
// object, and with the test however it ends. One owner.

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace coterie::tests {

struct Ended {
  int exit_code = -1;  // -1 = by a signal.
  std::string output;  // What it said, from the beginning.
};

// Runs the program until it ends by itself. kDeadlineExceeded after 60 s.
absl::StatusOr<Ended> RunLlm(const std::vector<std::string>& flags);

class LlmProcess {
 public:
  // Waits until it says that it is ready. kUnavailable, with its output, if it ends before.
  static absl::StatusOr<std::unique_ptr<LlmProcess>> Start(const std::vector<std::string>& flags);
  ~LlmProcess();
  LlmProcess(const LlmProcess&) = delete;
  LlmProcess& operator=(const LlmProcess&) = delete;

  const std::string& address() const { return address_; }
  const std::string& output() const { return output_; }
  void Signal(int signal);
  absl::StatusOr<Ended> WaitForEnd();

 private:
  friend absl::StatusOr<Ended> RunLlm(const std::vector<std::string>& flags);
  LlmProcess(pid_t process, int output);
  static std::unique_ptr<LlmProcess> Launch(const std::vector<std::string>& flags);
  // One piece of output; false at its end.
  bool ReadMore();

  pid_t process_;  // 0 = has ended.
  const int pipe_;
  std::string output_;
  std::string address_;
};

}  // namespace coterie::tests
