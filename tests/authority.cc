#include "tests/authority.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#ifndef COTERIE_CERTIFICATES_SCRIPT
#error "COTERIE_CERTIFICATES_SCRIPT is not defined"
#endif

namespace coterie::tests {
namespace {

bool Run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = 0;
  if (posix_spawn(&process, arguments.front(), nullptr, nullptr, arguments.data(), environ) != 0) {
    return false;
  }
  int status = 0;
  return waitpid(process, &status, 0) == process && status == 0;
}

}  // namespace

Authority::Authority() {
  std::string pattern = (std::filesystem::temp_directory_path() / "coterie-tls-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  made_ = Run({COTERIE_CERTIFICATES_SCRIPT, folder_, "127.0.0.1"});
}

Authority::~Authority() { std::filesystem::remove_all(folder_); }

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace coterie::tests
