#pragma once

// A program of ours started on this machine, its output in a log: what nodes and the model's server
// have in common under `up`. Main thread, which must have SIGCHLD blocked to be told of ends.

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace coterie::cli {

enum class Lifetime : std::uint8_t { kOwn, kOfParent };

// Starts arguments[0] in a session of its own, so that Ctrl-C on the terminal is ours to hand on.
absl::StatusOr<pid_t> StartProcess(const std::vector<std::string>& arguments,
                                   const std::string& log, Lifetime lifetime);
// How the child ended, for example "signal 9 (Killed)"; nothing while it runs.
std::optional<std::string> ReapProcess(pid_t pid);
// Until one of `pids` ends or `timeout` is over. Ends of others are noticed by the timeout.
void WaitForAnEnd(const std::vector<pid_t>& pids, absl::Duration timeout);
// `given`, or the program of that name beside this one.
std::string ProgramBeside(const std::string& given, const std::string& name);
// The folder of the web app that was installed with this program; empty = none was.
std::string InstalledWebRoot();
// What /proc says of a process: its arguments, each ended by a zero byte. Empty = there is none.
std::string CommandLineOf(pid_t pid);
// Of the loopback interface.
bool IsPortFree(int port);
// The last lines of a log, for an error's "why".
std::string LogEnd(const std::string& path);

}  // namespace coterie::cli
