#pragma once

// The language model's server beside the nodes of `up`: one process of coterie-llm, its log beside
// theirs. The file llm.json says what was started, so that `down` finds it. Main thread.

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace coterie::cli {

inline constexpr int kDefaultLlmPort = 50052;

struct LocalLlmOptions {
  std::string data;     // The cluster's folder, which must be there.
  std::string model;    // A GGUF file.
  std::string program;  // Empty = coterie-llm beside this program.
  std::string address;  // Of a port that is free.
};

class LocalLlm {
 public:
  // Starts loading the model. kNotFound: there is no such program, or no such file.
  static absl::StatusOr<LocalLlm> Start(const LocalLlmOptions& options);

  // What it is loading at, of 100; or nothing new to say.
  std::optional<int> Progress();
  // "NAME (DESCRIPTION)" once it serves.
  std::optional<std::string> AskForModel() const;
  // How it has ended, told once.
  std::optional<std::string> Reap();
  void Stop(absl::Duration patience);

  bool IsRunning() const { return pid_ != 0; }
  pid_t pid() const { return pid_; }
  const std::string& address() const { return address_; }
  const std::string& log() const { return log_; }
  // The last line that it said.
  std::string LastWords() const;
  std::string CommandLine() const;

 private:
  LocalLlm() = default;
  std::string Log() const;

  std::vector<std::string> arguments_;
  std::string address_;
  std::string log_;
  std::size_t log_begin_ = 0;  // What it said before is of an earlier life.
  int progress_ = 0;
  pid_t pid_ = 0;
};

// A free port for it, near the usual one. kFailedPrecondition: there is none.
absl::StatusOr<std::string> ChooseLlmAddress();

// Stops what Start() started in `data`, wherever that process is. Whether there was one.
bool StopLocalLlm(const std::string& data, absl::Duration patience);

}  // namespace coterie::cli
