#include "tests/shell.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"

namespace coterie::tests {

Shell::Shell(std::string program)
    : program_(std::move(program)),
      folder_((std::filesystem::temp_directory_path() / "coterie-shell-XXXXXX").string()) {
  CHECK(mkdtemp(folder_.data()) != nullptr);
}

Shell::~Shell() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

void Shell::SetNodes(const std::vector<std::string>& addresses) {
  nodes_ = absl::StrJoin(addresses, ",");
}

int Shell::Run(const std::string& script) {
  const std::string line = absl::StrCat(
      "cd '", folder_, "' && export HOME=. COTERIE_PASSWORD=secret COTERIE_NODES=", nodes_,
      "; coterie() { '", program_, "' \"$@\"; }\n", script);
  const std::string path = folder_ + "/output";
  const int output = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t child = fork();
  if (child == 0) {
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  close(input);
  close(output);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  output_ = text.str();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace coterie::tests
