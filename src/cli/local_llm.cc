#include "cli/local_llm.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/credentials_file.h"
#include "cli/explain.h"
#include "cli/local_process.h"
#include "coterie/llm/v1/llm.grpc.pb.h"
#include "runtime/status_macros.h"

namespace coterie::cli {
namespace {

constexpr int kPortsTried = 100;
constexpr std::size_t kLogBytesMax = 64 << 20;
constexpr absl::Duration kAskTimeout = absl::Milliseconds(200);
constexpr absl::Duration kLookEvery = absl::Milliseconds(20);
constexpr char kLoading[] = "loading: ";

std::string StatePath(const std::string& data) { return data + "/llm.json"; }

// A number that is reused by another process does not pass for ours.
bool IsOurs(pid_t pid, const std::string& address) {
  const std::string line = CommandLineOf(pid);
  return absl::StrContains(line.substr(0, line.find('\0')), "coterie-llm") &&
         absl::StrContains(line, std::string("\0--listen\0", 10) + address);
}

}  // namespace

absl::StatusOr<std::string> ChooseLlmAddress() {
  for (int port = kDefaultLlmPort; port > kDefaultLlmPort - kPortsTried; --port) {
    if (IsPortFree(port)) return absl::StrCat("127.0.0.1:", port);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "no port is free for the language model",
               "stop what uses port 50052 and below");
}

absl::StatusOr<LocalLlm> LocalLlm::Start(const LocalLlmOptions& options) {
  LocalLlm llm;
  const std::string program = ProgramBeside(options.program, "coterie-llm");
  if (access(program.c_str(), X_OK) != 0) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("the program ", program, " is not there"),
                 "build it (./dev llm), or say where it is with --llm-program");
  }
  if (access(options.model.c_str(), R_OK) != 0) {
    return Error(absl::StatusCode::kNotFound,
                 absl::StrCat("the model ", options.model, " cannot be read"),
                 "say which with --model FILE.gguf");
  }
  StopLocalLlm(options.data, absl::ZeroDuration());  // Of an `up` that was killed.
  llm.address_ = options.address;
  llm.log_ = options.data + "/llm.log";
  llm.log_begin_ = ReadFile(llm.log_, kLogBytesMax).value_or("").size();
  llm.arguments_ = {program, "--model", options.model, "--listen", llm.address_};
  ASSIGN_OR_RETURN(llm.pid_, StartProcess(llm.arguments_, llm.log_, Lifetime::kOwn));
  const nlohmann::json state = {{"v", 1}, {"pid", llm.pid_}, {"address", llm.address_}};
  RETURN_IF_ERROR(WritePrivateFile(StatePath(options.data), state.dump(2) + "\n"));
  return llm;
}

std::optional<int> LocalLlm::Progress() {
  const std::string log = Log();
  const std::size_t at = log.rfind(kLoading);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + sizeof kLoading - 1;
  int percent = 0;
  if (!absl::SimpleAtoi(log.substr(begin, log.find(' ', begin) - begin), &percent) ||
      percent <= progress_) {
    return std::nullopt;
  }
  return progress_ = percent;
}

std::optional<std::string> LocalLlm::AskForModel() const {
  const auto stub = llm::v1::LlmService::NewStub(
      grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kAskTimeout));
  llm::v1::GetModelResponse model;
  if (!stub->GetModel(&context, {}, &model).ok()) return std::nullopt;
  return absl::StrCat(model.name(), " (", model.description(), ", context ", model.context_tokens(),
                      ")");
}

std::optional<std::string> LocalLlm::Reap() {
  std::optional<std::string> how = ReapProcess(pid_);
  if (how) pid_ = 0;
  return how;
}

void LocalLlm::Stop(absl::Duration patience) {
  if (pid_ == 0) return;
  kill(pid_, SIGTERM);
  WaitForAnEnd({pid_}, patience);
  if (Reap()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string LocalLlm::Log() const {
  const std::string log = ReadFile(log_, kLogBytesMax).value_or("");
  return log.size() > log_begin_ ? log.substr(log_begin_) : "";
}

std::string LocalLlm::LastWords() const {
  std::string log = Log();
  while (log.ends_with('\n')) log.pop_back();
  const std::size_t line = log.rfind('\n');
  return line == std::string::npos ? log : log.substr(line + 1);
}

std::string LocalLlm::CommandLine() const { return absl::StrJoin(arguments_, " "); }

bool StopLocalLlm(const std::string& data, absl::Duration patience) {
  const absl::StatusOr<std::string> text = ReadFile(StatePath(data), 1 << 16);
  if (!text.ok()) return false;
  const nlohmann::json state = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const bool is_whole = state.is_object() && state.contains("pid") &&
                        state["pid"].is_number_integer() && state.contains("address") &&
                        state["address"].is_string();
  if (!is_whole) return false;
  const auto pid = state["pid"].get<pid_t>();
  const auto address = state["address"].get<std::string>();
  if (pid <= 0 || !IsOurs(pid, address)) return false;
  kill(pid, SIGTERM);
  for (const absl::Time end = absl::Now() + patience; IsOurs(pid, address) && absl::Now() < end;) {
    WaitForAnEnd({pid}, kLookEvery);
  }
  if (IsOurs(pid, address)) kill(pid, SIGKILL);
  return true;
}

}  // namespace coterie::cli
