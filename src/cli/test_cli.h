#pragma once

// For tests of the program within the test's process: what it prints, and the code it ends with.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/command_line.h"

namespace coterie::cli {

// A temporary folder, and an environment without Coterie's variables.
class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    folder_ = (std::filesystem::temp_directory_path() / "coterie-test.XXXXXX").string();
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    for (const char* name : {"COTERIE_NODES", "COTERIE_USER", "COTERIE_PASSWORD", "COTERIE_CA"}) {
      unsetenv(name);
    }
    setenv("COTERIE_CREDENTIALS", (folder_ + "/credentials.json").c_str(), 1);
    setenv("XDG_STATE_HOME", folder_.c_str(), 1);
  }
  ~CliTest() override { std::filesystem::remove_all(folder_); }

  // Runs the program in this process.
  ExitCode Do(const std::vector<std::string>& words) {
    Invocation cli;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const ExitCode code = cli::Run(cli, words);
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  std::string out_;
  std::string err_;
};

}  // namespace coterie::cli
